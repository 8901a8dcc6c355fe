"""How far each query has come: ``.workshop/stream/<query>.json``, written after every batch.

A batch's numbers are written when its output is, just before Spark commits it. If a crash
comes in between, the batch runs again under the same number, and its numbers replace the
earlier ones instead of being added to them. Only what Spark reports after the commit, the
watermark and the dropped rows, can miss the one batch during which a crash came.
"""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kafka import TopicPartition
from pyspark.sql.streaming import StreamingQuery

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime.connections import consumer, kafka_admin
from workshop_lib.runtime.state_file import load, save
from workshop_lib.schema.names import PLAYS_TOPIC
from workshop_lib.settings import Settings
from workshop_lib.stack.kafka_users import STREAM_SERVICE
from workshop_lib.stream.pipeline import QUERIES
from workshop_lib.stream.sinks import WriteResult

#: A batch's own thread and the one that reads Spark's reports both change the files.
_CHANGING = threading.Lock()
_TOTALS = ("input_rows", "written", "dead_lettered")


def progress(settings: Settings, query: str) -> dict[str, Any] | None:
    """The progress of ``query``; None before its first batch.

    Keys: query, batch, offsets (partition → records consumed), watermark (ISO 8601 or None),
    newest_event (the newest event time of the last batch), batch_seconds, rows_per_second and
    state_rows of the last batch, at, failed (None or why), and totals since the checkpoint
    began: input_rows, written, dead_lettered, dropped_by_watermark.
    """
    return load(_path(settings, query))


def caught_up(settings: Settings, queries: Iterable[str] = tuple(QUERIES)) -> bool:
    """Whether each of the queries has written all that topic ``plays`` holds now."""
    ends = offsets(settings, "end")
    return all(
        ((progress(settings, query) or {}).get("offsets", {})).get(partition, 0) >= end
        for query in queries
        for partition, end in ends.items()
    )


def offsets(
    settings: Settings, which: str, topic: str = PLAYS_TOPIC, **options: Any
) -> dict[str, int]:
    """The ``beginning`` or ``end`` offsets of ``topic``, by partition number as text.

    ``options`` are the consumer's.
    """
    reader = consumer(settings, service=STREAM_SERVICE, **options)
    try:
        full = settings.topic(topic)
        partitions = [TopicPartition(full, n) for n in reader.partitions_for_topic(full) or ()]
        ask = reader.end_offsets if which == "end" else reader.beginning_offsets
        return {str(p.partition): n for p, n in ask(partitions).items()} if partitions else {}
    finally:
        reader.close()


def checkpoint(settings: Settings, query: str) -> Path:
    """Where Spark keeps the query's offsets and state."""
    return settings.checkpoints / (settings.namespace or "default") / query


def start_over(settings: Settings, query: str) -> None:
    """Delete checkpoint and progress of ``query``; all its writes may be repeated."""
    shutil.rmtree(checkpoint(settings, query), ignore_errors=True)
    for file in (settings.home / "stream").glob(f"{query}*.json"):
        file.unlink()


def check_topic(settings: Settings, queries: Iterable[str]) -> None:
    """``WorkshopError`` if topic ``plays`` is another one than that which the queries have read.

    Offsets say nothing about that: in a topic that was deleted and created again they begin again.
    """
    topic_id = _topic_id(settings)
    for query in queries:
        known = progress(settings, query)
        if known and known.get("topic_id", topic_id) != topic_id:
            raise WorkshopError(
                f"Topic {settings.topic(PLAYS_TOPIC)} was deleted and created again since the "
                f"stream `{query}` read it.",
                "`workshop reset --to-stage 2` clears what the streams wrote of the old one, and "
                "where they were.",
            )


def record_batch(
    settings: Settings, query: str, batch: int, result: WriteResult, more: Mapping[str, Any]
) -> None:
    """Save that ``batch`` is written, and what ``Query.begin`` returned for it.

    Call it before Spark commits the batch.
    """
    with _CHANGING:
        consumed = batch_offsets(settings, query, batch)
        known = progress(settings, query) or _nothing(settings, query)
        if known["batch"] != batch:
            known["before"] = {name: known[name] for name in _TOTALS} | {
                "offsets": known["offsets"]
            }
        before = known["before"]
        known |= {
            "batch": batch,
            "offsets": consumed,
            "input_rows": before["input_rows"]
            + sum(end - before["offsets"].get(p, 0) for p, end in consumed.items()),
            "written": before["written"] + result.written,
            "dead_lettered": before["dead_lettered"] + result.dead_lettered,
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            **more,
        }
        save(_path(settings, query), known)


def record_committed(settings: Settings, query: str, report: dict[str, Any]) -> None:
    """Save what Spark's own progress ``report`` of a batch says beyond ``record_batch``."""
    with _CHANGING:
        known = progress(settings, query) or _nothing(settings, query)
        dropped = sum(state["numRowsDroppedByWatermark"] for state in report["stateOperators"])
        known["dropped_by_watermark"] += dropped
        times = report.get("eventTime", {})
        known |= {
            "watermark": times.get("watermark", known["watermark"]),
            "newest_event": times.get("max", known.get("newest_event")),
            "state_rows": sum(state["numRowsTotal"] for state in report["stateOperators"]),
            "batch_seconds": report["durationMs"]["triggerExecution"] / 1000,
            "rows_per_second": report["processedRowsPerSecond"],
        }
        save(_path(settings, query), known)


def record_failure(settings: Settings, query: str, why: str | None) -> None:
    """Save why the query ended, or with None that it is running again."""
    with _CHANGING:
        known = progress(settings, query)
        if known is None and why is None:
            return
        save(_path(settings, query), (known or _nothing(settings, query)) | {"failed": why})


def _nothing(settings: Settings, query: str) -> dict[str, Any]:
    return {
        "query": query,
        "topic_id": _topic_id(settings),
        "batch": None,
        "offsets": offsets(settings, "beginning"),
        **dict.fromkeys(_TOTALS, 0),
        "dropped_by_watermark": 0,
        "watermark": None,
        "newest_event": None,
        "state_rows": 0,
        "batch_seconds": None,
        "rows_per_second": None,
        "at": None,
        "failed": None,
    }


def batch_offsets(settings: Settings, query: str, batch: int) -> dict[str, int]:
    """Where ``batch`` ends, from the line per source that Spark wrote before it began."""
    log = checkpoint(settings, query) / "offsets" / str(batch)
    by_topic = json.loads(log.read_text().splitlines()[-1])
    ends: dict[str, int] = by_topic[settings.topic(PLAYS_TOPIC)]
    return ends


def _topic_id(settings: Settings) -> str:
    admin = kafka_admin(settings)
    try:
        (topic,) = admin.describe_topics([settings.topic(PLAYS_TOPIC)])
        return str(topic["topic_id"])
    finally:
        admin.close()


def _path(settings: Settings, query: str) -> Path:
    return settings.home / "stream" / f"{query}.json"


def reports_since(query: StreamingQuery, done: int) -> list[Any]:
    """Spark's reports of the batches after ``done``. A trigger that had nothing to do has none.

    All that Spark keeps are slow to read: they are read only when one was missed.
    """
    latest = query.lastProgress
    if latest is None or latest["batchId"] <= done:
        return []
    found = [latest] if latest["batchId"] == done + 1 else query.recentProgress
    reports = {
        report["batchId"]: report
        for report in found
        if report["batchId"] > done and "addBatch" in report["durationMs"]
    }
    return [reports[number] for number in sorted(reports)]
