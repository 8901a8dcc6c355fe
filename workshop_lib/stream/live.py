"""How far each query is, told to Redis every two seconds while the streams run.

In: the progress files, and where topic ``plays`` ends. Out: hash ``streams:progress``, field =
query, value = JSON with lag (records in the topic that it has not written), input_rows,
batch, dead_lettered, dropped_by_watermark, failed, running, and at (the moment of telling).
Absolute values: a word too many or too few changes nothing.
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
def told(settings: Settings, names: Sequence[str]) -> Iterator[None]:
    """While the body runs, Redis hears how far the queries ``names`` are; at its end, too."""
    stop = threading.Event()

    def keep_telling() -> None:
        while not stop.wait(EVERY_SECONDS):
            # A look at the streams, not part of them: they themselves say who is away.
            with suppress(RedisError, KafkaError):
                tell(settings, names, running=True)

    teller = threading.Thread(target=keep_telling, name="tells how far", daemon=True)
    teller.start()
    try:
        yield
    finally:
        stop.set()
        teller.join()
        with suppress(RedisError, KafkaError):
            tell(settings, names, running=False)


def tell(settings: Settings, names: Sequence[str], running: bool) -> None:
    """Write the hash now."""
    # Kafka away: rather no word than a stream that waits to be stopped.
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
