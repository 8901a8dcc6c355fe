"""``workshop status --watch``: the numbers are those that the streams publish."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from workshop_lib.errors import WorkshopError
from workshop_lib.page import pipeline
from workshop_lib.runtime.connections import redis_client
from workshop_lib.schema.names import (
    DEAD_LETTER_COUNT,
    SMS_DEAD,
    SMS_GROUP,
    SMS_OUTBOX,
    STREAMS_PROGRESS,
)
from workshop_lib.settings import Settings

pytestmark = pytest.mark.stack

PLAYS = {
    **{"lag": 1234, "input_rows": 50_000, "dead_lettered": 3, "dropped_by_watermark": 2},
    **{"rows_per_second": 812.4, "watermark_seconds": 600.5, "state_rows": 4321},
    **{"batch_seconds": 1.5, "failed": None, "running": True},
}


def publish(settings: Settings, name: str, seconds_ago: float = 0, **more: object) -> None:
    at = (datetime.now(UTC) - timedelta(seconds=seconds_ago)).isoformat()
    about = json.dumps(PLAYS | {"at": at} | more)
    redis_client(settings).hset(settings.key(STREAMS_PROGRESS), name, about)


def said(found: pipeline.Pipeline) -> str:
    console = Console(width=200)
    with console.capture() as capture:
        console.print(pipeline.table(found))
    return capture.get()


def test_nothing_yet_is_said_so(stack: Settings) -> None:
    found = pipeline.read(stack)
    assert found == ({}, 0, 0, 0)
    assert "start `workshop stream`" in said(found)


def test_every_number_is_the_one_that_was_published(stack: Settings) -> None:
    client = redis_client(stack)
    publish(stack, "plays")
    publish(stack, "interests", seconds_ago=20, watermark_seconds=None)
    publish(stack, "targets", running=False)
    publish(stack, "aggregates", failed="[b]no memory[/b]")
    outbox = stack.key(SMS_OUTBOX)
    for n in range(3):
        client.xadd(outbox, {"n": n})
    assert pipeline.read(stack).outbox_waiting == 3  # before there is a group
    client.xgroup_create(outbox, SMS_GROUP, id="0")
    (_, entries), *_ = client.xreadgroup(SMS_GROUP, "w", {outbox: ">"}, count=2)
    client.xack(outbox, SMS_GROUP, entries[0][0])
    client.xadd(stack.key(SMS_DEAD), {"reason": "test"})
    client.set(stack.key(DEAD_LETTER_COUNT), 9)
    found = pipeline.read(stack)
    assert (found.outbox_waiting, found.sms_dead, found.dead_letters) == (2, 1, 9)
    assert {name: each["status"].split()[0] for name, each in found.streams.items()} == {
        "plays": "running",
        "interests": "silent",
        "targets": "stopped",
        "aggregates": "failed",
    }
    text = said(found)
    for part in ("812", "1,234", "600 s", "4,321", "1.5 s", "50,000", "running", "–"):
        assert part in text
    assert "aggregates failed: [b]no memory[/b]" in text
    assert "Outbox: 2 waiting, 1 dead letters" in text


def test_redis_away_is_one_line(settings: Settings) -> None:
    away = settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})
    with pytest.raises(WorkshopError, match="Redis does not answer"):
        pipeline.read(away)


def test_the_command_repeats_until_it_is_stopped(stack: Settings) -> None:
    publish(stack, "plays")
    places = {
        "WORKSHOP_HOME": str(stack.home),
        "WORKSHOP_REDIS_URL": stack.redis_url,
        "WORKSHOP_NAMESPACE": stack.namespace,
    }
    command = [sys.executable, "-m", "workshop_lib.cli", "status", "--watch", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ | places) as watching:
        assert watching.stdout
        lines = [json.loads(watching.stdout.readline()) for _ in range(2)]
        watching.send_signal(signal.SIGINT)
        assert watching.wait(30) == 0
    assert [line["streams"]["plays"]["lag"] for line in lines] == [1234, 1234]
