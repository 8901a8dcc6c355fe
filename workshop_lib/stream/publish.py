"""Publishes to Redis every two seconds how far each query is, while the streams run.

In: the progress files, and the offsets of topics ``plays`` and ``plays.dlq``. Out: hash
``streams:progress``, field = query, value = JSON with lag (records in the topic that it has not
written), watermark_seconds (from the watermark to the newest event), what ``CARRIED`` names,
running, and at (when it was published); and the number of dead letters, under a key of its own.
Values are absolute: one message more or less changes nothing.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from kafka.errors import KafkaError
from redis import RedisError

from workshop_lib.runtime.connections import redis_client
from workshop_lib.schema.names import DEAD_LETTER_COUNT, DEAD_LETTER_TOPIC, STREAMS_PROGRESS
from workshop_lib.settings import Settings
from workshop_lib.stream.progress import offsets, progress

EVERY_SECONDS = 2.0
CARRIED = (
    *("batch", "input_rows", "dead_lettered", "dropped_by_watermark", "failed"),
    *("rows_per_second", "batch_seconds", "state_rows", "watermark"),
)


@contextmanager
def publishing_progress(settings: Settings, names: Sequence[str]) -> Iterator[None]:
    """While the body runs, Redis gets the progress of the queries ``names``; at its end, too."""
    stop = threading.Event()

    def loop() -> None:
        while not stop.wait(EVERY_SECONDS):
            # For onlookers only: the sinks themselves report a server that is away.
            with suppress(RedisError, KafkaError):
                publish_progress(settings, names, running=True)

    thread = threading.Thread(target=loop, name="publish progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        with suppress(RedisError, KafkaError):
            publish_progress(settings, names, running=False)


def publish_progress(settings: Settings, names: Sequence[str], running: bool) -> None:
    """Write the hash now."""
    # With Kafka away nothing is published: a stream must not wait for it when it stops.
    ends = offsets(settings, "end", bootstrap_timeout_ms=2000)
    dead_letters = offsets(settings, "end", DEAD_LETTER_TOPIC, bootstrap_timeout_ms=2000)
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    fields: dict[Any, Any] = {}
    for name in names:
        known = progress(settings, name) or {}
        done = known.get("offsets", {})
        fields[name] = json.dumps(
            {
                "lag": sum(max(end - done.get(partition, 0), 0) for partition, end in ends.items()),
                **{each: known.get(each) for each in CARRIED},
                "watermark_seconds": watermark_seconds(known),
                "running": running,
                "at": at,
            }
        )
    client = redis_client(settings)
    try:
        client.hset(settings.key(STREAMS_PROGRESS), mapping=fields)
        client.set(settings.key(DEAD_LETTER_COUNT), sum(dead_letters.values()))
    finally:
        client.close()


def watermark_seconds(progress: dict[str, Any]) -> float | None:
    """How far the watermark is behind the newest event of the last batch; None without one."""
    watermark, newest = progress.get("watermark"), progress.get("newest_event")
    if not watermark or not newest or watermark.startswith("1970"):  # before the first batch
        return None
    distance = datetime.fromisoformat(newest) - datetime.fromisoformat(watermark)
    return max(distance.total_seconds(), 0.0)
