"""Documents → an index, by id. What the index refuses becomes a dead letter."""

from __future__ import annotations

from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from workshop_lib.ingest.dead_letters import DeadLetter
from workshop_lib.runtime import connections
from workshop_lib.runtime.retry import retry_with_backoff
from workshop_lib.runtime.store_errors import StoreUnavailable
from workshop_lib.schema.tables import INDICES
from workshop_lib.settings import Settings
from workshop_lib.stream.sinks import Rows, Tally, Writer
from workshop_lib.stream.sinks.dead_letters import send
from workshop_lib.stream.source import ORIGIN

STAGE = "elasticsearch"
_JSON = {"timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'"}


def document(rows: DataFrame, index: str, id_: Column, *carried: str) -> DataFrame:
    """``rows`` → ``id``, ``document`` (JSON text of the fields of ``index``), ``carried``.

    Spark writes the JSON, many times faster than Python would; null fields are left out.
    """
    json = F.to_json(F.struct(*INDICES[index]), _JSON)
    return rows.select(id_.cast("string").alias("id"), json.alias("document"), *carried)


def indexer(settings: Settings, index: str) -> Writer:
    """A writer of rows with ``id`` and ``document`` into ``index`` (without namespace).

    Rows that carry the origin of their record are dead letters with its bytes; others, such
    as counts, with their document.
    """

    def write(rows: Rows) -> Tally:
        client = connections.elasticsearch(settings)
        name = settings.index(index)
        by_id = {row["id"]: row for row in rows}
        pairs = [(id_, row["document"]) for id_, row in by_id.items()]
        try:
            refused = retry_with_backoff(
                lambda: connections.write_documents(settings, client, index, pairs),
                StoreUnavailable,
                server="Elasticsearch",
                seconds=settings.patience_seconds,
            )
        finally:
            client.close()
        send(settings, [_letter(by_id[r.id], name, r.reason) for r in refused])
        return Tally(len(rows) - len(refused), len(refused))

    return write


def _letter(row: dict[str, Any], index: str, reason: str) -> DeadLetter:
    kind, _, message = reason.partition(": ")
    document = {"key": row["id"].encode(), "value": row["document"].encode()}
    origin = (
        {name: row[name] for name in ORIGIN}
        if "offset" in row
        else {**document, "topic": index, "partition": 0, "offset": -1}
    )
    return DeadLetter(**origin, stage=STAGE, error=kind, reason=message or reason)
