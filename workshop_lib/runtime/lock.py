"""One at a time: two replays in one log, or two streams on one checkpoint, would mix.

And one instead of many: ``alone`` keeps out all who work ``together``.

The operating system holds the locks and lets go of them however the process ends, so a
``kill -9`` leaves nothing to clean up. Processes in containers that share the home are kept
apart, too.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime.wait import wait_until
from workshop_lib.settings import Settings


def _file(settings: Settings, name: str) -> Path:
    folder = settings.home / "run"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{settings.namespace}{name}.lock"


@contextmanager
def only_one(settings: Settings, name: str) -> Iterator[None]:
    """Hold the lock ``name``; ``WorkshopError`` when another process holds it."""
    with _file(settings, name).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise WorkshopError(
                f"workshop {name} is already running (process {file.read().strip()}).",
                "Stop that one first (Ctrl-C in its terminal).",
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def running(settings: Settings, *names: str) -> list[str]:
    """Those of ``names`` that some process holds right now."""
    held = []
    for name in names:
        try:
            with only_one(settings, name):
                pass
        except WorkshopError:
            held.append(name)
    return held


def holder(settings: Settings, name: str) -> int | None:
    """The id of the process that holds the lock ``name`` right now, if one does."""
    if not running(settings, name):
        return None
    written = _file(settings, name).read_text()
    return int(written) if written else None  # taken this very moment


@contextmanager
def alone(settings: Settings, name: str, seconds: float) -> Iterator[None]:
    """Work on ``name`` without any of those who would do so ``together``.

    Lets those who are in the middle of something finish it, and lets nobody else begin.
    ``WorkshopError`` when that takes longer than ``seconds``.
    """
    with _gate_and_room(settings, name) as (gate, room):
        wait_until(lambda: _take(gate, fcntl.LOCK_EX), seconds, f"another one alone with {name}")
        wait_until(lambda: _take(room, fcntl.LOCK_EX), seconds, f"those at work on {name}")
        yield


@contextmanager
def together(settings: Settings, name: str) -> Iterator[bool]:
    """Whether the block may work on ``name``, beside others; no while one is, or will be, alone."""
    with _gate_and_room(settings, name) as (gate, room):
        # Through the gate first, or one after the other would keep the room and nobody ever
        # be alone in it; and it is closed behind one only when one is inside.
        entered = _take(gate, fcntl.LOCK_SH) and _take(room, fcntl.LOCK_SH)
        fcntl.flock(gate, fcntl.LOCK_UN)
        yield entered


@contextmanager
def _gate_and_room(settings: Settings, name: str) -> Iterator[tuple[IO[str], IO[str]]]:
    with (
        _file(settings, f"{name}-gate").open("a") as gate,
        _file(settings, f"{name}-room").open("a") as room,
    ):
        yield gate, room


def _take(file: IO[str], how: int) -> bool:
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
