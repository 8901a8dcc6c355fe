"""Documents → an index, by id. What the index refuses becomes a dead letter."""

from __future__ import annotations

from typing import Any, Final

import orjson
import pyarrow as pa
import pyarrow.compute as pc
from elasticsearch import Elasticsearch
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from workshop_lib.ingest.dead_letters import DeadLetter
from workshop_lib.runtime import connections
from workshop_lib.runtime.retry import retry_with_backoff
from workshop_lib.runtime.store_errors import (
    IndexMissing,
    StoreUnavailable,
    elasticsearch_error,
    elasticsearch_errors,
)
from workshop_lib.schema.tables import INDICES
from workshop_lib.settings import Settings
from workshop_lib.stream.sinks import Sink, WriteResult
from workshop_lib.stream.sinks.dead_letters import send
from workshop_lib.stream.source import ORIGIN

STAGE: Final = "elasticsearch"
_JSON: Final = {"timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'"}
#: An id with one of these must be escaped in JSON; ids of ours have none.
_ESCAPED: Final = r'["\\\x00-\x1f]'


def document(rows: DataFrame, index: str, id_: Column, *carried: str) -> DataFrame:
    """``rows`` → ``id``, ``document`` (JSON text of the fields of ``index``), ``carried``.

    Spark writes the JSON, many times faster than Python would; null fields are left out.
    """
    json = F.to_json(F.struct(*INDICES[index]), _JSON)
    return rows.select(id_.cast("string").alias("id"), json.alias("document"), *carried)


def write_to_index(settings: Settings, index: str) -> Sink:
    """A sink of rows with ``id`` and ``document`` into ``index`` (without namespace).

    Rows that carry the origin of their record are dead letters with its bytes; others, such
    as counts, with their document.
    """

    def write(batch: pa.RecordBatch) -> WriteResult:
        client = connections.elasticsearch(settings)
        letters = []
        try:
            for start in range(0, batch.num_rows, settings.bulk_size):
                chunk = batch.slice(start, settings.bulk_size)
                for row, reason in _write_all(settings, client, index, chunk):
                    (refused,) = chunk.slice(row, 1).to_pylist()
                    letters.append(_letter(refused, settings.index(index), reason))
        finally:
            client.close()
        send(settings, letters)
        return WriteResult(batch.num_rows - len(letters), len(letters))

    return write


def _write_all(
    settings: Settings, client: Elasticsearch, index: str, rows: pa.RecordBatch
) -> list[tuple[int, str]]:
    """Index ``rows``, however long the store keeps us waiting; (row, reason) of the refused."""

    def attempt() -> list[tuple[int, str]]:
        try:
            return _bulk(client, settings.index(index), rows)
        except IndexMissing:
            # Deleted while we run: it comes back with the schema's mapping, not a guessed one.
            connections.create_index(settings, client, index)
            return _bulk(client, settings.index(index), rows)

    return retry_with_backoff(
        attempt, StoreUnavailable, server="Elasticsearch", seconds=settings.patience_seconds
    )


def _bulk(client: Elasticsearch, index: str, rows: pa.RecordBatch) -> list[tuple[int, str]]:
    """One bulk request; (row, reason) of the refused. Raises ``StoreUnavailable``."""
    with elasticsearch_errors():
        answer = client.bulk(
            index=index,
            operations=_body(rows),  # type: ignore[arg-type]
            filter_path="errors,items.*.status,items.*.error",
        )
    refused: list[tuple[int, str]] = []
    for row, item in enumerate(answer["items"] if answer["errors"] else ()):
        error = item["index"].get("error")
        if error:
            trouble = elasticsearch_error(item["index"]["status"], error)
            if trouble:
                raise trouble
            refused.append((row, connections.bulk_reason(error)))
    return refused


def _body(rows: pa.RecordBatch) -> bytes:
    """The body of a bulk request. Arrow keeps strings one after the other: joined, they are it."""
    ids = rows["id"]
    if pc.any(pc.match_substring_regex(ids, _ESCAPED)).as_py():
        ids = pa.array([orjson.dumps(id_).decode()[1:-1] for id_ in ids.to_pylist()])
    lines = pc.binary_join_element_wise(
        '{"index":{"_id":"', ids, '"}}\n', rows["document"], "\n", ""
    )
    _, offsets, data = lines.buffers()
    ends = pa.Array.from_buffers(pa.int32(), len(lines) + 1, [None, offsets])
    return data.slice(ends[0].as_py(), ends[-1].as_py() - ends[0].as_py()).to_pybytes()


def _letter(row: dict[str, Any], index: str, reason: str) -> DeadLetter:
    kind, _, message = reason.partition(": ")
    document = {"key": row["id"].encode(), "value": row["document"].encode()}
    origin = (
        {name: row[name] for name in ORIGIN}
        if "offset" in row
        else {**document, "topic": index, "partition": 0, "offset": -1}
    )
    return DeadLetter(**origin, stage=STAGE, error=kind, reason=message or reason)
