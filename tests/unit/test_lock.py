"""One at a time, whatever happens to the holder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime.lock import alone, holder, only_one, running, together
from workshop_lib.runtime.wait import wait_until
from workshop_lib.settings import Settings

HOLD = """
import sys, time
from pathlib import Path
from workshop_lib.runtime.lock import only_one
from workshop_lib.settings import Settings
with only_one(Settings(home=Path(sys.argv[1]), namespace=sys.argv[2]), "replay"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_one_is_told_who_holds_it(settings: Settings) -> None:
    with only_one(settings, "replay"):
        with (
            pytest.raises(WorkshopError, match=f"already running .process {os.getpid()}"),
            only_one(settings, "replay"),
        ):
            pass
        with only_one(settings, "stream"):  # another name is another lock
            assert running(settings, "replay", "stream", "ship-kafka") == ["replay", "stream"]
            assert holder(settings, "stream") == os.getpid()
    assert running(settings, "replay", "stream") == []
    assert holder(settings, "stream") is None


def test_a_killed_holder_leaves_nothing_behind(settings: Settings) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(settings.home), settings.namespace],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    assert running(settings, "replay") == ["replay"]

    holder.send_signal(signal.SIGKILL)
    holder.wait(10)

    assert running(settings, "replay") == []


def test_many_work_together_and_none_of_them_beside_one_alone(settings: Settings) -> None:
    with together(settings, "outbox") as first, together(settings, "outbox") as second:
        assert first and second
    with alone(settings, "outbox", seconds=10):
        with together(settings, "outbox") as third, together(settings, "stream") as elsewhere:
            assert not third and elsewhere
        with (
            pytest.raises(WorkshopError, match="another one alone with outbox"),
            alone(settings, "outbox", seconds=0),
        ):
            pass
    with together(settings, "outbox") as fourth:
        assert fourth


def test_one_alone_waits_for_those_inside_and_nobody_slips_in_before_it(
    settings: Settings,
) -> None:
    entered, leave = threading.Event(), threading.Event()

    def the_one() -> None:
        with alone(settings, "outbox", seconds=60):
            entered.set()
            assert leave.wait(60)

    def kept_out() -> bool:
        with together(settings, "outbox") as another:
            return not another

    with ThreadPoolExecutor(1) as pool:
        with together(settings, "outbox") as inside:
            assert inside
            waiting = pool.submit(the_one)
            wait_until(kept_out, 60, "the one to ask")
            assert not entered.is_set()
        assert entered.wait(60)
        leave.set()
        waiting.result()


def test_one_that_does_not_come_out_is_said(settings: Settings) -> None:
    with (
        together(settings, "outbox"),
        pytest.raises(WorkshopError, match="those at work on outbox"),
        alone(settings, "outbox", seconds=0),
    ):
        pass
    with together(settings, "outbox") as again:  # the gate is open again
        assert again
