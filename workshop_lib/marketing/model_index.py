"""Index ``models``: a searchable copy of the registry, a document per version (Stage 3).

In: the registry, which is the truth. Out: documents. All are written each time, with the same
ids, so an index that missed a run or a rollback is corrected by the next.
"""

from __future__ import annotations

from typing import Any

from elasticsearch import ApiError, Elasticsearch, TransportError

from workshop_lib.errors import WorkshopError
from workshop_lib.marketing import registry
from workshop_lib.runtime.connections import create_index, elasticsearch, write_documents
from workshop_lib.schema.names import MODELS_INDEX
from workshop_lib.settings import Settings

_NUMBERS = (
    *("customers", "error", "precision", "recall", "f1", "auc", "lift", "base_rate", "volume"),
    *("baseline_rule", "baseline_error", "baseline_lift"),
)


def publish(settings: Settings, client: Elasticsearch | None = None) -> int:
    """Write all models into ``models``; their number.

    Raises ``WorkshopError`` when Elasticsearch is away or refuses a document.
    """
    client = client or elasticsearch(settings)
    in_use = registry.current_version(settings)
    documents = [
        (m.version, document(m, m.version == in_use)) for m in registry.list_models(settings)
    ]
    try:
        create_index(settings, client, MODELS_INDEX)
        refused = write_documents(settings, client, MODELS_INDEX, documents)
        client.indices.refresh(index=settings.index(MODELS_INDEX))
    except (ApiError, TransportError, ConnectionError) as error:
        raise WorkshopError(
            f"The models are stored, but not in the index: {type(error).__name__} from"
            f" {settings.elasticsearch_url}.",
            "`workshop up` starts the servers, `workshop models index` then writes it.",
        ) from error
    if refused:
        raise WorkshopError(f"Elasticsearch refused model {refused[0].id}: {refused[0].reason}")
    return len(documents)


def document(model: registry.Model, in_use: bool) -> dict[str, Any]:
    """The fields of ``schema.tables.INDICES["models"]``; what is not known is left out."""
    window, code = model.about.get("window", {}), model.about.get("code", {})
    drift = model.about.get("drift") or {}
    psi = drift.get("psi", {})
    values = {
        "version": model.version,
        "trained_at": model.trained_at.isoformat(),
        "accepted": model.accepted,
        "current": in_use,
        "reasons": list(model.reasons),
        "threshold": model.threshold,
        **{name: model.metrics.get(name) for name in _NUMBERS},
        "features_to": window.get("features_to"),
        "snapshot_as_of": window.get("snapshot_as_of"),
        "code_sha256": code.get("sha256"),
        "drift_features": max((v for n, v in psi.items() if n != "score"), default=None),
        "drift_score": psi.get("score"),
        "drift_shifted": drift.get("shifted"),
    }
    return {name: value for name, value in values.items() if value is not None}
