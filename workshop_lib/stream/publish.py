"""Publishes to Redis every two seconds how far each query is, while the streams run.

In: the progress files, and the end offsets of topic ``plays``. Out: hash ``streams:progress``,
field = query, value = JSON with lag (records in the topic that it has not written), input_rows,
batch, dead_lettered, dropped_by_watermark, failed, running, and at (when it was published).
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
from workshop_lib.schema.names import STREAMS_PROGRESS
from workshop_lib.settings import Settings
from workshop_lib.stream.progress import offsets, progress

EVERY_SECONDS = 2.0
CARRIED = ("batch", "input_rows", "dead_lettered", "dropped_by_watermark", "failed")


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
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    fields: dict[Any, Any] = {}
    for name in names:
        known = progress(settings, name) or {}
        done = known.get("offsets", {})
        fields[name] = json.dumps(
            {
                "lag": sum(max(end - done.get(partition, 0), 0) for partition, end in ends.items()),
                **{each: known.get(each) for each in CARRIED},
                "running": running,
                "at": at,
            }
        )
    client = redis_client(settings)
    try:
        client.hset(settings.key(STREAMS_PROGRESS), mapping=fields)
    finally:
        client.close()
