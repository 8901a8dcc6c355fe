"""One query while it runs: its batches are written, its backlog is read in safe shares.

A backlog does not fit into one batch, and a limit per batch cuts the partitions of the topic at
different event times: a watermark over all of them would make plays late that are not. So a
query with state that is behind *catches up* first: batches of limited size, and a watermark for
each partition that has unread records; Spark's is the smallest of them. Spark gives each
partition a share of a batch that is proportional to its unread records, so all come to
their ends together. Once a batch takes all there is, one watermark over all partitions is right
again, and no idle partition holds it back.

Which of the two a batch needs is known when it begins, before anything of it is computed. If the
query was started for the other kind, it is started again and does the same batch.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from kafka.errors import KafkaError
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming import StreamingQuery

from workshop_lib.runtime.retry import retry_with_backoff
from workshop_lib.settings import Settings
from workshop_lib.stream.failure import query_failed
from workshop_lib.stream.pipeline import STATEFUL, Builder, Query
from workshop_lib.stream.progress import (
    batch_offsets,
    checkpoint,
    offsets,
    progress,
    record_batch,
    record_committed,
    record_failure,
    reports_since,
)
from workshop_lib.stream.reference import Reference
from workshop_lib.stream.sinks import write
from workshop_lib.stream.source import records

logger = logging.getLogger(__name__)

#: Called with a query's name and its progress, which has also: rows_per_second, lag.
Report = Callable[[str, dict[str, Any]], None]

#: Several watermarks in one query, of which the smallest counts; Spark refuses that by default,
#: as it cannot be had together with several windowed aggregations.
_SEVERAL_WATERMARKS: Final = ("spark.sql.streaming.statefulOperator.allowMultiple", "false")


class NeedsRestart(Exception):
    """The batch that begins needs a watermark for each of ``partitions``, and for no other."""

    def __init__(self, partitions: frozenset[int]) -> None:
        super().__init__(f"this batch needs a watermark for each partition of {sorted(partitions)}")
        self.partitions = partitions


class BatchWriter:
    """Writes a query's batches, one at a time, and knows whether one is being written."""

    def __init__(
        self, settings: Settings, name: str, query: Query, partitions: frozenset[int]
    ) -> None:
        self.settings, self.name, self.query = settings, name, query
        self.partitions = partitions
        self.restart: NeedsRestart | None = None
        self.idle = threading.Event()
        self.idle.set()

    def __call__(self, batch: DataFrame, number: int) -> None:
        self.idle.clear()
        try:
            if self.name in STATEFUL:
                self._check_watermarks(number)
            more = self.query.begin(number)
            result = write(self.query.each_batch(batch), *self.query.sinks)
            record_batch(self.settings, self.name, number, result, more)
        finally:
            self.idle.set()

    def _check_watermarks(self, number: int) -> None:
        """Raise ``NeedsRestart`` unless the query has the watermarks that this batch needs."""
        read = records_of_batch(self.settings, self.name, number)
        with_records = frozenset(partition for partition, count in read.items() if count)
        # Spark rounds each partition's share: down, but never to nothing.
        cut = 0 < self.settings.batch_records <= sum(read.values()) + len(read)
        if cut and with_records != self.partitions:
            self.restart = NeedsRestart(with_records)
            raise self.restart


class QueryRun:
    """A query that was started, is followed, and starts again between catching up and live."""

    def __init__(
        self,
        spark: SparkSession,
        settings: Settings,
        name: str,
        builder: Builder,
        reference: Reference,
        available_now: bool,
    ) -> None:
        self.spark, self.settings, self.name = spark, settings, name
        self.builder, self.reference, self.available_now = builder, reference, available_now
        self.began = time.monotonic()
        self.read_before = (progress(settings, name) or {}).get("input_rows", 0)
        self._start(self._behind())

    def _behind(self) -> frozenset[int]:
        """The partitions with unread records, if these are too many for one batch."""
        limit, unread = self.settings.batch_records, unread_records(self.settings, self.name)
        if self.name not in STATEFUL or not 0 < limit < sum(unread.values()):
            return frozenset()
        return frozenset(partition for partition, count in unread.items() if count)

    def _start(self, partitions: frozenset[int]) -> None:
        """Start where the checkpoint is; ``partitions``: catch up, each with its own watermark."""
        settings, name = self.settings, self.name
        topic = records(self.spark, settings, settings.batch_records)
        query = self.builder(topic, self.reference, settings, tuple(sorted(partitions)))
        self.writer = BatchWriter(settings, name, query, partitions)
        self.catching_up = bool(partitions)
        self.reported = -1
        trigger: dict[str, Any] = (
            {"availableNow": True}
            if self.available_now or self.catching_up
            else {"processingTime": f"{settings.trigger_seconds} seconds"}
        )
        record_failure(settings, name, None)
        # Its own scheduling pool: within one pool, a query would wait for another's whole job.
        self.spark.sparkContext.setLocalProperty("spark.scheduler.pool", name)
        self.spark.conf.set(*_SEVERAL_WATERMARKS)
        try:
            self.query: StreamingQuery = (
                query.stream.writeStream.queryName(f"{settings.namespace}{name}")
                .outputMode("update")
                .option("checkpointLocation", str(checkpoint(settings, name)))
                .trigger(**trigger)
                .foreachBatch(self.writer)
                .start()
            )
        except Exception as error:
            raise query_failed(settings, name, checkpoint(settings, name), str(error)) from error
        finally:
            self.spark.conf.unset(_SEVERAL_WATERMARKS[0])

    def go_on(self, report: Report | None) -> bool:
        """Follow it; whether it goes on. Starts it again if it has ended to change its watermarks.

        Raises ``WorkshopError`` when it has failed.
        """
        active = self.query.isActive
        self.follow(report)
        if active:
            return True
        if self.query.exception() is None:
            if self.catching_up and not self.available_now:
                self._start(self._behind())
                return True
            return False
        if self.writer.restart is None:
            return False
        self._start(self.writer.restart.partitions)
        return True

    def follow(self, report: Report | None) -> None:
        """Read what is new in Spark's reports into the progress file; raise if it has failed."""
        for each in reports_since(self.query, self.reported):
            self.reported = each["batchId"]
            record_committed(self.settings, self.name, each)
            if report:
                known = progress(self.settings, self.name) or {}
                report(self.name, known | self._speed(each, known))
        error = self.query.exception()
        if error and self.writer.restart is None:
            failed = query_failed(
                self.settings, self.name, checkpoint(self.settings, self.name), str(error)
            )
            try:
                record_failure(self.settings, self.name, failed.message)
            except OSError as unwritten:  # a full disk, perhaps the very reason
                logger.warning("%s cannot be noted: %s", failed.message, unwritten)
            raise failed

    def _speed(self, spark_report: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
        """Speed and lag after a batch; ``seconds_left`` at the mean speed since the start."""
        lag = sum(unread_records(self.settings, self.name).values())
        rows = known["input_rows"] - self.read_before
        mean = rows / (time.monotonic() - self.began)
        return {
            "rows_per_second": spark_report.get("processedRowsPerSecond", 0.0),
            "lag": lag,
            "seconds_left": lag / mean if mean else None,
        }

    def stop(self) -> None:
        """Let the batch that is being written end, then stop.

        If the next one has begun by then, it is left without being committed and the next
        start does it again: all writes may be repeated.
        """
        self.writer.idle.wait()
        self.query.stop()


def unread_records(settings: Settings, name: str) -> dict[int, int]:
    """The records of each partition that the query has not written.

    A running stream waits for Kafka here as long as everywhere else.
    """

    def ask() -> dict[int, int]:
        done = (progress(settings, name) or {}).get("offsets") or offsets(settings, "beginning")
        ends = offsets(settings, "end")
        return {int(p): max(end - done.get(p, 0), 0) for p, end in ends.items()}

    return retry_with_backoff(ask, KafkaError, server="Kafka", seconds=settings.patience_seconds)


def records_of_batch(settings: Settings, name: str, number: int) -> dict[int, int]:
    """The records of each partition in batch ``number``, which Spark has planned."""
    before = batch_offsets(settings, name, number - 1) if number else offsets(settings, "beginning")
    ends = batch_offsets(settings, name, number)
    return {int(p): end - before.get(p, 0) for p, end in ends.items()}
