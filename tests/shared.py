"""What the workers of ``pytest -n`` share: a folder, the servers in it, and one lock for each."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def shared_home(folder: Path) -> Path:
    """The home of the servers that all workers share."""
    return folder / "servers" / "home 한글"  # as people call their folders


def shared_folder(factory: pytest.TempPathFactory) -> Path:
    """The folder of this run that is the same for all workers."""
    mine = factory.getbasetemp()
    return mine.parent if "PYTEST_XDIST_WORKER" in os.environ else mine


@contextmanager
def one_at_a_time(lock: Path) -> Iterator[None]:
    """What is inside, one worker does while the others wait."""
    lock.parent.mkdir(exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
