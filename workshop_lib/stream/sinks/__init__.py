"""Stage 2, the way out: rows of a batch → Elasticsearch, Redis, dead letters.

A writer takes rows (plain dictionaries), makes them safe on its server and returns what
became of them. ``write`` runs writers where the rows are, on the executors. A batch may
be written again after a crash, so every writer writes by id or absolute values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pyarrow as pa
from pyspark.sql import DataFrame


class Tally(NamedTuple):
    """How many rows a server took, and how many became dead letters."""

    written: int = 0
    dead_lettered: int = 0


Rows = list[dict[str, Any]]
Writer = Callable[[Rows], Tally]

#: ``Tally`` as Spark has it.
TALLY = "written bigint, dead_lettered bigint"


def write(rows: DataFrame, first: Writer, *others: Writer) -> DataFrame:
    """Give ``rows`` to the writers; the tallies of the ``first`` one as a DataFrame.

    Nothing is written before that DataFrame is collected (``total``), once: the rows are
    computed once for all writers, so the state of a stream is not touched twice.
    """

    def partition(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            given = batch.to_pylist()
            if given:
                tally = first(given)
                for other in others:
                    other(given)
                yield pa.RecordBatch.from_pylist([tally._asdict()])

    return rows.mapInArrow(partition, TALLY)


def either(column: str, some: Writer, none: Writer) -> Writer:
    """A writer that gives rows with a value in ``column`` to ``some``, the others to ``none``."""

    def write(rows: Rows) -> Tally:
        parts = (
            (some, [row for row in rows if row[column] is not None]),
            (none, [row for row in rows if row[column] is None]),
        )
        tallies = [writer(part) for writer, part in parts if part]
        return Tally(*(sum(counts) for counts in zip(*tallies, strict=True)))

    return write


def total(tallies: DataFrame) -> Tally:
    """Do the writing; the sum of the tallies."""
    done = tallies.collect()
    return Tally(sum(t.written for t in done), sum(t.dead_lettered for t in done))
