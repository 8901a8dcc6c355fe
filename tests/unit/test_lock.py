"""One at a time, whatever happens to the holder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime.lock import holder, only_one, running
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
