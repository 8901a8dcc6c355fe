"""Stage 2, the way out: rows of a batch → Elasticsearch, Redis, dead letters.

A sink takes rows as an Arrow batch, makes them safe on its server and returns what became of
them. ``write`` runs sinks where the rows are, on the executors. A batch may be written again
after a crash, so every sink writes by id or absolute values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame


class WriteResult(NamedTuple):
    """How many rows a server took, and how many became dead letters."""

    written: int = 0
    dead_lettered: int = 0


Sink = Callable[[pa.RecordBatch], WriteResult]

#: ``WriteResult`` as Spark has it.
_RESULT = "written bigint, dead_lettered bigint"


def write(rows: DataFrame, *sinks: Sink) -> WriteResult:
    """Give ``rows`` to every sink; what became of them at the first one.

    The rows are computed once for all sinks, so the state of a stream is not touched twice.
    """

    def partition(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if batch.num_rows:
                result, *_ = [sink(batch) for sink in sinks]
                yield pa.RecordBatch.from_pylist([result._asdict()])

    return _sum(WriteResult(*row) for row in rows.mapInArrow(partition, _RESULT).collect())


def route(column: str, some: Sink, none: Sink) -> Sink:
    """A sink that gives rows with a value in ``column`` to ``some``, the others to ``none``."""

    def write(batch: pa.RecordBatch) -> WriteResult:
        has_value = pc.is_valid(batch[column])
        parts = ((some, batch.filter(has_value)), (none, batch.filter(pc.invert(has_value))))
        return _sum(sink(part) for sink, part in parts if part.num_rows)

    return write


def _sum(results: Iterator[WriteResult]) -> WriteResult:
    return WriteResult(*map(sum, zip(*results, strict=True)))
