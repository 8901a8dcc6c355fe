"""The model registry: every version with the gate's decision, one of them in use (Stage 3).

In: what training made and the gate's decision. Out: ``current``, the model that the stream
scores with, or nothing.

``HOME/models/<version>/`` holds ``pipeline/`` (a Spark ML PipelineModel),
``features.parquet`` (customer_id and features of all customers, as of the newest history)
and ``model.json`` (the rest). A version is written beside its place, synced, and moved
there in one step; the file ``current`` names the version in use and is replaced in one
step. So a reader sees the old or the new, never a mixture, and what a crash left
half-written has no name that is read. Several processes may read while one writes; writers
take ``lock.only_one(settings, "train")``.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Protocol
from uuid import uuid4

import pandas as pd

from workshop_lib.errors import WorkshopError
from workshop_lib.marketing.gate import GateDecision
from workshop_lib.runtime import state_file
from workshop_lib.settings import Settings

VERSION: Final = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}")
RECORD: Final = "model.json"
PIPELINE: Final = "pipeline"
SNAPSHOT: Final = "features.parquet"


class Savable(Protocol):
    """A fitted pipeline, or anything else that can be saved as a folder."""

    def save(self, path: str) -> None: ...


@dataclass(frozen=True)
class Candidate:
    """What training made, before it has a version.

    ``snapshot``: customer_id and the features. ``metrics`` of the test part. ``about``:
    data window, code, drift, seed: anything that JSON can hold.
    """

    pipeline: Savable
    snapshot: pd.DataFrame
    threshold: float
    metrics: dict[str, Any]
    feature_names: tuple[str, ...]
    about: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Model:
    """One stored version; ``threshold`` is the least score (0–1) that gets an offer."""

    version: str
    folder: Path
    trained_at: datetime
    accepted: bool
    reasons: tuple[str, ...]
    threshold: float
    metrics: dict[str, Any]
    feature_names: tuple[str, ...]
    about: dict[str, Any]
    files_sha256: str

    @property
    def pipeline(self) -> Path:
        """For ``PipelineModel.load``."""
        return self.folder / PIPELINE

    @property
    def snapshot(self) -> Path:
        """Parquet: customer_id and ``feature_names``, one row per customer."""
        return self.folder / SNAPSHOT


def store(settings: Settings, candidate: Candidate, decision: GateDecision) -> Model:
    """Store the candidate with its decision; it is in use from now on if it was accepted."""
    root = _root(settings)
    root.mkdir(parents=True, exist_ok=True)
    draft = root / f".draft-{uuid4().hex}"
    draft.mkdir()
    try:
        candidate.pipeline.save(str(draft / PIPELINE))
        candidate.snapshot.to_parquet(draft / SNAPSHOT, index=False)
        trained_at = _next_moment(settings)
        record = {
            "trained_at": trained_at.isoformat(),
            **asdict(decision),
            "threshold": candidate.threshold,
            "metrics": _plain(candidate.metrics),
            "feature_names": candidate.feature_names,
            "about": _plain(candidate.about),
            "files_sha256": files_digest(draft),
        }
        text = json.dumps(record, indent=2, allow_nan=False)
        (draft / RECORD).write_text(text)
        version = f"{trained_at:%Y%m%dT%H%M%SZ}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
        state_file.move_into_place(draft, root / version, durable=True)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    if decision.accepted:
        _use(settings, version)
    return _read(root / version)


def list_models(settings: Settings) -> list[Model]:
    """Every version that is complete and readable, oldest first."""
    found = []
    for folder in sorted(_root(settings).glob("[0-9]*")):
        if VERSION.fullmatch(folder.name):
            with suppress(WorkshopError):
                found.append(_read(folder))
    return found


def current_version(settings: Settings) -> str | None:
    """The version in use: one small read, cheap enough for every batch of a stream."""
    try:
        return (_root(settings) / "current").read_text().strip()
    except FileNotFoundError:
        return None


def current(settings: Settings) -> Model | None:
    """The model in use, its files checked; None before the first accepted one: no offers.

    Raises ``WorkshopError`` when its files are not those that were written.
    """
    version = current_version(settings)
    return None if version is None else load(settings, version)


def load(settings: Settings, version: str) -> Model:
    """The stored version of that name, its files checked. ``WorkshopError`` if there is none."""
    folder = _root(settings) / version
    if not VERSION.fullmatch(version) or not (folder / RECORD).is_file():
        raise WorkshopError(
            f"There is no model {version!r}.", "`workshop models list` shows those that are."
        )
    model = _read(folder)
    if files_digest(folder) != model.files_sha256:
        raise _damaged(folder)
    return model


def rollback(settings: Settings, version: str | None = None) -> Model:
    """Use an earlier accepted model again: ``version``, or the last before the current one."""
    now = current_version(settings)
    accepted = [m.version for m in list_models(settings) if m.accepted]
    if version is None:
        earlier = [v for v in accepted if now is not None and v < now]
        if not earlier:
            raise WorkshopError(
                "There is no earlier accepted model to go back to.",
                "`workshop models list` shows all.",
            )
        version = earlier[-1]
    model = load(settings, version)
    if not model.accepted:
        raise WorkshopError(
            f"The gate refused model {version}: {'; '.join(model.reasons)}.",
            "Only an accepted model can be used.",
        )
    _use(settings, version)
    return model


# Files ----------------------------------------------------------------------------


def _root(settings: Settings) -> Path:
    return settings.home / "models"


def _next_moment(settings: Settings) -> datetime:
    """Now, but after the newest model: versions sort as they came, whatever the clock does."""
    now = datetime.now(UTC).replace(microsecond=0)
    newest = list_models(settings)[-1:]
    return max([now, *(model.trained_at + timedelta(seconds=1) for model in newest)])


def _read(folder: Path) -> Model:
    try:
        record = json.loads((folder / RECORD).read_text())
        return Model(
            version=folder.name,
            folder=folder,
            trained_at=datetime.fromisoformat(record.pop("trained_at")),
            reasons=tuple(record.pop("reasons")),
            feature_names=tuple(record.pop("feature_names")),
            **record,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(folder) from error


def _damaged(folder: Path) -> WorkshopError:
    return WorkshopError(
        f"Model {folder.name} is damaged: its files are not those that were written.",
        "`workshop models rollback` goes back to an earlier one, `workshop train` makes a new one.",
    )


def _use(settings: Settings, version: str) -> None:
    state_file.write(_root(settings) / "current", version, durable=True)


def _plain(value: Any) -> Any:
    """``value`` as JSON can hold it: what is not a finite number becomes null."""
    if isinstance(value, dict):
        return {str(name): _plain(v) for name, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float):
        return float(value) if abs(value) < float("inf") else None
    return value


def files_digest(folder: Path) -> str:
    """Of the names and contents of all files but the record itself."""
    digest = hashlib.sha256()
    for file in sorted(f for f in folder.rglob("*") if f.is_file() and f != folder / RECORD):
        digest.update(f"{file.relative_to(folder)}\0{file.stat().st_size}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()
