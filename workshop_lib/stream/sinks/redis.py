"""What the web page reads all the time: live counters, and each listener's interests.

Replay-safe: a counter is set to its absolute value, an interest only moves forward (GT).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import redis

from workshop_lib.runtime.connections import redis_client
from workshop_lib.runtime.retry import retry_with_backoff
from workshop_lib.runtime.store_errors import redis_unavailable
from workshop_lib.schema.names import interests_key, live_key
from workshop_lib.schema.retention import LIVE_SECONDS
from workshop_lib.settings import Settings
from workshop_lib.stream.sinks import Sink, WriteResult


def write_live_counters(settings: Settings) -> Sink:
    """Sink of ``counter_minute, dimension, value, plays`` rows: hash ``live:{minute}``, field
    ``dimension:value``, kept 48 hours. A minute is written like 2026-01-31T12:00Z."""
    columns = ("counter_minute", "dimension", "value", "plays")

    def fill(rows: pa.RecordBatch, pipeline: redis.client.Pipeline) -> None:
        minutes: dict[str, dict[Any, Any]] = defaultdict(dict)
        # One command for a minute: it has some twenty counters.
        for minute, dimension, value, plays in zip(
            *(rows[name].to_pylist() for name in columns), strict=True
        ):
            minutes[minute][f"{dimension}:{value}"] = plays
        for minute, counters in minutes.items():
            key = settings.key(live_key(minute))
            pipeline.hset(key, mapping=counters)
            pipeline.expire(key, LIVE_SECONDS)  # they are for "now"

    return _sink(settings, fill)


def write_interest_lists(settings: Settings) -> Sink:
    """Sink of ``customer_id, track_id, interested_ms`` rows: sorted set
    ``interests:{customer_id}``, track id by the latest moment of interest in ms since 1970."""

    def fill(rows: pa.RecordBatch, pipeline: redis.client.Pipeline) -> None:
        for row in rows.select(["customer_id", "track_id", "interested_ms"]).to_pylist():
            key = settings.key(interests_key(row["customer_id"]))
            pipeline.zadd(key, {str(row["track_id"]): row["interested_ms"]}, gt=True)

    return _sink(settings, fill)


def _sink(
    settings: Settings, fill: Callable[[pa.RecordBatch, redis.client.Pipeline], None]
) -> Sink:
    def write(rows: pa.RecordBatch) -> WriteResult:
        client = redis_client(settings)

        def attempt() -> None:
            with client.pipeline(transaction=False) as pipeline:
                fill(rows, pipeline)
                pipeline.execute()

        try:
            retry_with_backoff(
                attempt,
                redis_unavailable,
                server="Redis",
                seconds=settings.patience_seconds,
            )
        finally:
            client.close()
        return WriteResult(rows.num_rows)

    return write
