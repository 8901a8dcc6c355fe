"""kill -9 of the stream and of the SMS server in mid-flight: every target reaches the phone."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from pyspark.sql import SparkSession
from sms_orders import dead_letters, empty, quick
from stream_world import documents, environment, play, send
from target_world import accept, outbox, takers, write_world

from workshop_lib.marketing.sms_gateway import Phone, serving
from workshop_lib.marketing.targets import targets_query
from workshop_lib.runtime import connections
from workshop_lib.runtime.wait import wait_until
from workshop_lib.settings import Settings
from workshop_lib.stream.progress import checkpoint
from workshop_lib.stream.run import run

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1200)]

#: Each starts and kills both. A run without one kill in the middle of a batch proves little,
#: and goes on, up to the most. ``make chaos`` has them all.
ROUNDS = 1
MOST_ROUNDS = 10
DAY = 24 * 3_600_000
SMS = ("sms_url", "sms_timeout_seconds", "sms_claim_seconds", "sms_pause_seconds", "sms_per_second")


@contextmanager
def process(settings: Settings, *command: str) -> Iterator[subprocess.Popen]:
    """`workshop COMMAND`, in a session of its own, killed with all its children at the end."""
    with (settings.home / "process.log").open("ab") as log:
        started = subprocess.Popen(
            [sys.executable, "-m", "workshop_lib.cli", *command],
            env=os.environ
            | environment(settings)
            | {f"WORKSHOP_{name.upper()}": str(getattr(settings, name)) for name in SMS}
            | {"WORKSHOP_TRIGGER_SECONDS": "0"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield started
    finally:
        with suppress(ProcessLookupError):  # it ended by itself
            os.killpg(started.pid, signal.SIGKILL)
        started.wait()


@pytest.mark.parametrize("rounds", [ROUNDS, pytest.param(MOST_ROUNDS, marks=pytest.mark.chaos)])
def test_whatever_is_killed_every_target_arrives_and_the_counts_agree(
    rounds: int, spark: SparkSession, stack: Settings
) -> None:
    draw = random.Random(9)
    write_world(stack)
    connections.create_topics(stack)
    accept(spark, stack)
    asked = sorted(takers())
    phone = Phone(delay=0.05)
    unfinished = killed = 0
    with serving(phone) as url:
        settings = quick(stack, url)
        for round_ in range(MOST_ROUNDS):
            if round_ >= rounds and unfinished:
                break
            # Past the cool-down: a new offer for each, every round; some plays come twice.
            first = 1000 * (round_ + 1)
            plays = [play(first + n, round_ * 8 * DAY, customer=n) for n in asked]
            before = len(outbox(settings))
            enough = before + draw.randint(1, len(asked))
            with process(settings, "sms-server"), process(settings, "stream", "targets") as stream:
                send(settings, [*plays, *plays[::3]])
                wait_until(
                    lambda enough=enough: (
                        stream.poll() is not None or len(outbox(settings)) >= enough
                    ),
                    240,
                    "targets in flight",
                    every=0.02,
                )
                assert stream.poll() is None, (settings.home / "process.log").read_text()
                os.killpg(stream.pid, signal.SIGKILL)
            begun, done = (
                {p.name for p in (checkpoint(settings, "targets") / log).glob("[0-9]*")}
                for log in ("offsets", "commits")
            )
            unfinished += bool(begun - done)
            killed += 1
        assert unfinished, "every kill came between two batches"
        run(settings, ["targets"], available_now=True, more={"targets": targets_query})
        phone.delay = 0
        with process(settings, "sms-server", "--workers", "2", "--once") as server:
            assert server.wait(240) == 0
    expected = {
        f"GOLD1DAY-{n}-{1000 * (round_ + 1) + n}" for round_ in range(killed) for n in asked
    }
    orders = [entry["target_id"] for entry in outbox(settings)]
    assert set(documents(settings, "targets")) == expected
    assert set(orders) == expected
    assert len(orders) == len(expected)
    messages = documents(settings, "sms")
    assert set(messages) == expected
    assert {message["status"] for message in messages.values()} == {"sent"}
    known = phone.summary()
    assert {message["key"] for message in known["messages"]} == expected
    assert known["arrived"] == len(expected)
    requests = sum(message["requests"] for message in known["messages"])
    assert requests == known["arrived"] + known["duplicates"]
    assert empty(settings)
    assert dead_letters(settings) == []
