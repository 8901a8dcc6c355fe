"""One at a time: two replays in one log, or two streams on one checkpoint, would mix.

The operating system holds the lock and lets go of it however the process ends, so a
``kill -9`` leaves nothing to clean up.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workshop_lib.errors import WorkshopError
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
