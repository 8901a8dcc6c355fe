"""What the web page reads all the time: live counters, and each listener's interests.

Replay-safe: a counter is set to its absolute value, an interest only moves forward (GT).
"""

from __future__ import annotations

from collections.abc import Callable

import redis

from workshop_lib.runtime.connections import redis_client
from workshop_lib.runtime.retry import retry_with_backoff
from workshop_lib.runtime.store_errors import REDIS_UNAVAILABLE
from workshop_lib.schema.names import interests_key, live_key
from workshop_lib.settings import Settings
from workshop_lib.stream.sinks import Rows, Tally, Writer

#: Live counters are for "now"; Elasticsearch has the past.
COUNTER_SECONDS = 48 * 3600


def live_counters(settings: Settings) -> Writer:
    """Writes ``counter_minute, dimension, value, plays`` rows: hash ``live:{minute}``, field
    ``dimension:value``, kept 48 hours. A minute is written like 2026-01-31T12:00Z."""

    def fill(rows: Rows, pipeline: redis.client.Pipeline) -> None:
        for row in rows:
            key = settings.key(live_key(row["counter_minute"]))
            pipeline.hset(key, f"{row['dimension']}:{row['value']}", row["plays"])
        for minute in {row["counter_minute"] for row in rows}:
            pipeline.expire(settings.key(live_key(minute)), COUNTER_SECONDS)

    return _writer(settings, fill)


def interest_lists(settings: Settings) -> Writer:
    """Writes ``customer_id, track_id, interested_ms`` rows: sorted set
    ``interests:{customer_id}``, track id by the latest moment of interest in ms since 1970."""

    def fill(rows: Rows, pipeline: redis.client.Pipeline) -> None:
        for row in rows:
            key = settings.key(interests_key(row["customer_id"]))
            pipeline.zadd(key, {str(row["track_id"]): row["interested_ms"]}, gt=True)

    return _writer(settings, fill)


def _writer(settings: Settings, fill: Callable[[Rows, redis.client.Pipeline], None]) -> Writer:
    def write(rows: Rows) -> Tally:
        client = redis_client(settings)

        def attempt() -> None:
            with client.pipeline(transaction=False) as pipeline:
                fill(rows, pipeline)
                pipeline.execute()

        try:
            retry_with_backoff(
                attempt,
                REDIS_UNAVAILABLE,
                server="Redis",
                seconds=settings.patience_seconds,
            )
        finally:
            client.close()
        return Tally(len(rows))

    return write
