"""The pipeline as it is now: what ``workshop status --watch`` shows.

In: what the streams publish in Redis (``stream.publish``), and the outbox. Out: rates, lag, the
watermark's distance, state rows, batch seconds, dead letters and the outbox's depth. The live page
shows the same in its panel "Pipeline", and serves it as Prometheus text at ``/metrics``.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, cast

from redis import RedisError, ResponseError
from rich.console import Group
from rich.markup import escape
from rich.table import Table

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime.connections import redis_client
from workshop_lib.runtime.refusal import refused
from workshop_lib.schema.names import (
    DEAD_LETTER_COUNT,
    SMS_DEAD,
    SMS_GROUP,
    SMS_OUTBOX,
    STREAMS_PROGRESS,
)
from workshop_lib.settings import Settings

#: A stream publishes every two seconds; after so long without, it is called silent.
SILENT_SECONDS: Final = 15
#: Heading of a column, the stream's number in it, and how that is written.
COLUMNS: Final = (
    ("rows/s", "rows_per_second", "{:,.0f}"),
    ("lag", "lag", "{:,}"),
    ("watermark behind", "watermark_seconds", "{:,.0f} s"),
    ("state rows", "state_rows", "{:,}"),
    ("batch", "batch_seconds", "{:.1f} s"),
    ("read", "input_rows", "{:,}"),
    ("dead letters", "dead_lettered", "{:,}"),
    ("too late", "dropped_by_watermark", "{:,}"),
)


class Pipeline(NamedTuple):
    """``streams``: query → what it published, and its ``status``."""

    streams: dict[str, dict[str, Any]]
    outbox_waiting: int
    sms_dead: int
    dead_letters: int


def read(settings: Settings) -> Pipeline:
    """Raises ``WorkshopError`` when Redis does not answer."""
    client: Any = redis_client(settings)
    try:
        published = client.hgetall(settings.key(STREAMS_PROGRESS))
        return Pipeline(
            streams={
                name: _with_status(json.loads(text)) for name, text in sorted(published.items())
            },
            outbox_waiting=_waiting(client, settings.key(SMS_OUTBOX)),
            sms_dead=client.xlen(settings.key(SMS_DEAD)),
            dead_letters=int(client.get(settings.key(DEAD_LETTER_COUNT)) or 0),
        )
    except RedisError as error:
        raise refused(settings, error) or WorkshopError(
            f"Redis does not answer: {error}.", "`workshop status` shows the servers."
        ) from error
    finally:
        client.close()


def _waiting(client: Any, outbox: str) -> int:
    """Entries that no worker has acknowledged: pending, and not yet delivered."""
    try:
        groups = cast(list[dict[str, Any]], client.xinfo_groups(outbox))
    except ResponseError:  # no such key: nothing was ever put there
        return 0
    for group in groups:
        if group["name"] == SMS_GROUP:
            return int(group["pending"]) + int(group.get("lag") or 0)
    return int(client.xlen(outbox))


def _with_status(stream: dict[str, Any]) -> dict[str, Any]:
    age = datetime.now(UTC) - datetime.fromisoformat(stream["at"])
    status = "running"
    if stream["failed"]:
        status = "failed"
    elif not stream["running"]:
        status = "stopped"
    elif age.total_seconds() > SILENT_SECONDS:
        status = f"silent for {age.total_seconds():,.0f} s"
    return {"status": status, **stream}


def table(pipeline: Pipeline) -> Group:
    """For a terminal: a row per stream, and a line for what lies between the steps."""
    streams = Table()
    streams.add_column("stream")
    streams.add_column("status")
    for heading, _, _ in COLUMNS:
        streams.add_column(heading, justify="right")
    for name, stream in pipeline.streams.items():
        numbers = [
            "–" if stream.get(field) is None else form.format(stream[field])
            for _, field, form in COLUMNS
        ]
        streams.add_row(escape(name), stream["status"], *numbers)
    lines = [
        f"Dead letters in Kafka: {pipeline.dead_letters:,}",
        f"Outbox: {pipeline.outbox_waiting:,} waiting, {pipeline.sms_dead:,} dead letters",
    ]
    if not pipeline.streams:
        return Group("No stream has run yet: start `workshop stream`.", *lines)
    failed = [
        f"{escape(name)} failed: {escape(str(stream['failed']))}"
        for name, stream in pipeline.streams.items()
        if stream["failed"]
    ]
    return Group(streams, *lines, *failed)
