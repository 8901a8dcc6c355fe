"""Stage 2: start the queries, follow them, stop them in order.

In: Settings and the names of queries. Out: what they write, and ``progress`` of each. If one
fails, the run ends, whatever the others do: half a result must not look like a whole one.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from py4j.protocol import Py4JNetworkError
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming import StreamingQuery

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime import connections
from workshop_lib.runtime.identity import require_own_servers
from workshop_lib.runtime.lock import only_one
from workshop_lib.schema.names import INDEX_OF_QUERY, PLAYS_QUERY, TARGETS_QUERY
from workshop_lib.settings import Settings
from workshop_lib.stream.pipeline import QUERIES, Builder, Query
from workshop_lib.stream.progress import (
    caught_up,
    checkpoint,
    progress,
    record_batch,
    record_committed,
    record_failure,
)
from workshop_lib.stream.publish import publishing_progress
from workshop_lib.stream.reference import Reference, load, to_spark
from workshop_lib.stream.session import spark_session
from workshop_lib.stream.sinks import write
from workshop_lib.stream.source import records

__all__ = ["caught_up", "progress", "run"]

#: Called with a query's name and its progress, which has also: rows_per_second, lag.
Report = Callable[[str, dict[str, Any]], None]

POLL_SECONDS = 0.2


class BatchWriter:
    """Writes a query's batches, one at a time, and knows whether one is being written."""

    def __init__(self, settings: Settings, name: str, query: Query) -> None:
        self.settings, self.name, self.query = settings, name, query
        self.idle = threading.Event()
        self.idle.set()

    def __call__(self, batch: DataFrame, number: int) -> None:
        self.idle.clear()
        try:
            more = self.query.begin(number)
            result = write(self.query.each_batch(batch), *self.query.sinks)
            record_batch(self.settings, self.name, number, result, more)
        finally:
            self.idle.set()


class RunningQuery:
    """A started query, and how much of Spark's reports on it was read already."""

    def __init__(self, settings: Settings, query: StreamingQuery, batches: BatchWriter) -> None:
        self.settings, self.query, self.batches = settings, query, batches
        self.name = batches.name
        self.reported = -1

    def follow(self, report: Report | None) -> None:
        """Read what is new in Spark's reports into the progress file."""
        for each in self.query.recentProgress:
            if each["batchId"] <= self.reported or "addBatch" not in each["durationMs"]:
                continue  # known, or a trigger that found nothing new
            self.reported = each["batchId"]
            record_committed(self.settings, self.name, each)
            if report:
                known = progress(self.settings, self.name) or {}
                report(self.name, known | _speed(each))

    def stop(self) -> None:
        """Let the batch that is being written end, then stop.

        If the next one has begun by then, it is left without being committed and the next
        start does it again: all writes may be repeated.
        """
        self.batches.idle.wait()
        self.query.stop()


def run(
    settings: Settings,
    names: Sequence[str] = tuple(QUERIES),
    available_now: bool = False,
    stop: threading.Event | None = None,
    report: Report | None = None,
    more: Mapping[str, Builder] | None = None,
) -> dict[str, dict[str, Any] | None]:
    """Run the queries until ``stop`` is set or, ``available_now``, until all there is is done.

    ``names`` are of ``QUERIES`` and of ``more``, which are other stages'. Returns the progress
    of each. Raises ``WorkshopError`` when a server is not there, a query
    fails, or another process runs streams of this home.
    """
    stop = stop or threading.Event()
    require_own_servers(settings)
    with only_one(settings, "stream"):
        prepare(settings)
        tables = load(settings)
        spark = spark_session(settings, short=available_now)
        reference = to_spark(spark, *tables)
        table = {**QUERIES, **(more or {})}
        running = [
            start(spark, settings, name, table[name], reference, available_now) for name in names
        ]
        with _java_alive(settings), publishing_progress(settings, names):
            try:
                while not stop.is_set() and any(each.query.isActive for each in running):
                    _follow(running, report)
                    stop.wait(POLL_SECONDS)
            finally:
                for each in running:
                    each.stop()
            _follow(running, report)
    return {name: progress(settings, name) for name in names}


@contextmanager
def _java_alive(settings: Settings) -> Iterator[None]:
    """``WorkshopError`` when Spark's Java process ends in the body, as when it is killed."""
    try:
        yield
    except (Py4JNetworkError, ConnectionError) as error:
        raise WorkshopError(
            "Spark's Java process has ended.",
            "Start the stream again; it goes on where it was."
            f" Details: {settings.logs / 'spark.log'}.",
        ) from error


def prepare(settings: Settings) -> None:
    """Topics and indices are there, or ``WorkshopError`` says which server is not."""
    connections.prepare(settings, *(INDEX_OF_QUERY[name] for name in QUERIES), topics=True)


def start(
    spark: SparkSession,
    settings: Settings,
    name: str,
    builder: Builder,
    reference: Reference,
    available_now: bool,
) -> RunningQuery:
    """Start the query that ``builder`` makes, named ``name``, where its checkpoint left it."""
    limit = settings.batch_records if name in (PLAYS_QUERY, TARGETS_QUERY) else 0
    query = builder(records(spark, settings, limit), reference, settings)
    batches = BatchWriter(settings, name, query)
    trigger: dict[str, Any] = (
        {"availableNow": True}
        if available_now
        else {"processingTime": f"{settings.trigger_seconds} seconds"}
    )
    record_failure(settings, name, None)
    # Its own scheduling pool: within one pool, a query would wait for another's whole job.
    spark.sparkContext.setLocalProperty("spark.scheduler.pool", name)
    started = (
        query.stream.writeStream.queryName(f"{settings.namespace}{name}")
        .outputMode("update")
        .option("checkpointLocation", str(checkpoint(settings, name)))
        .trigger(**trigger)
        .foreachBatch(batches)
        .start()
    )
    return RunningQuery(settings, started, batches)


def _follow(running: list[RunningQuery], report: Report | None) -> None:
    """Read all reports; ``WorkshopError`` when a query has failed."""
    for each in running:
        each.follow(report)
    for each in running:
        error = each.query.exception()
        if error:
            why = cause(str(error))
            record_failure(each.settings, each.name, why)
            raise WorkshopError(
                f"The stream `{each.name}` failed: {why}",
                "Fix that and start it again; it continues where it was. "
                f"Details: {each.settings.logs / 'spark.log'}.",
            )


def cause(text: str) -> str:
    """The one line of a query's long error that names its cause."""
    ours = re.findall(r"WorkshopError: (.+)", text)
    python = re.findall(r"^\s*(?:\w+\.)*(\w*(?:Error|Exception): .+)", text, re.MULTILINE)
    lines = [line.strip() for line in ours or python or text.splitlines() if line.strip()]
    return lines[0][:300] if lines else "no reason was given"


def _speed(report: dict[str, Any]) -> dict[str, Any]:
    source = report["sources"][0]
    behind = _records(source.get("latestOffset")) - _records(source.get("endOffset"))
    return {"rows_per_second": report.get("processedRowsPerSecond", 0.0), "lag": max(behind, 0)}


def _records(offset: Any) -> int:
    """The sum of a Kafka offset ``{topic: {partition: n}}``, which may come as JSON text."""
    by_topic = json.loads(offset) if isinstance(offset, str) else offset
    # null in the first batch after a restart: Spark did not ask Kafka for it
    return sum(sum(by_partition.values()) for by_partition in (by_topic or {}).values())
