"""A small disk for the home of a chaos run, which can be full from one moment to the next.

In: the home's folder. Out: a tmpfs mounted there, ``full`` for a while, and taken away again.
Mounting needs root; ``mount`` says why it cannot be done here. A tmpfs takes no more memory than
what is written to it, and is full when its size is set to what it holds: nothing need be written
for that, and nothing deleted.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime.wait import wait_until

#: Bytes. A run of fifty rounds writes less than a third of it.
SIZE: Final = 2 << 30
#: Seconds between two looks at whether somebody has deleted something, so that it is full again.
AGAIN: Final = 0.2


class SmallDisk:
    """The disk at ``home``, and beside it a folder of another disk, for the log."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.elsewhere = home.with_name(f"{home.name}-log")

    def mount(self) -> str:
        """Mount it; why it cannot be mounted here, or ""."""
        if sys.platform != "linux" or os.geteuid() != 0:
            return "a small disk is mounted by root, on Linux"
        self.home.mkdir(parents=True, exist_ok=True)
        problem = _mount("-t", "tmpfs", "-o", f"size={SIZE},mode=700", "tmpfs", str(self.home))
        if not problem:
            # The log is of a site that has another disk: it goes on, and so does the load.
            self.elsewhere.mkdir(exist_ok=True)
            (self.home / "log").symlink_to(self.elsewhere)
        return problem

    def unmount(self) -> None:
        """Take it away, if it is there; what processes printed stays in ``logs``.

        Raises ``WorkshopError`` when somebody still uses it.
        """
        if os.path.ismount(self.home):
            kept = self.home.with_name(f"{self.home.name}-logs")
            with suppress(FileNotFoundError):
                shutil.copytree(self.home / "logs", kept, dirs_exist_ok=True)
            wait_until(self._is_unmounted, 30, f"{self.home} to be free", every=0.5)
            if kept.exists():
                shutil.rmtree(self.home / "logs", ignore_errors=True)
                kept.rename(self.home / "logs")
        shutil.rmtree(self.elsewhere, ignore_errors=True)

    def _is_unmounted(self) -> bool:
        done = subprocess.run(["umount", str(self.home)], capture_output=True, check=False)
        return done.returncode == 0

    @contextmanager
    def full(self) -> Iterator[None]:
        """In the body not a byte more fits, but what somebody deletes: see ``keep_full``."""
        wait_until(self.keep_full, 10, f"{self.home} to be full", every=0.01)
        try:
            yield
        finally:
            problem = _resized(self.home, SIZE)
            if problem:
                raise WorkshopError(f"{self.home} stays full: {problem}.")

    def be_full(self, seconds: float) -> None:
        """Full for so long, whatever is deleted meanwhile."""
        end = time.monotonic() + seconds
        with self.full():
            while time.monotonic() < end:
                time.sleep(AGAIN)
                self.keep_full()

    def keep_full(self) -> bool:
        """Set its size to what it holds; False when more was written in between."""
        held = os.statvfs(self.home)
        blocks = max(1, held.f_blocks - held.f_bfree)  # a size of 0 would be no limit
        return not _resized(self.home, blocks * held.f_frsize)


def _resized(home: Path, size: int) -> str:
    return _mount("-o", f"remount,size={size}", str(home))


def _mount(*words: str) -> str:
    """What ``mount`` says against it; "" when it is done."""
    try:
        done = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "there is no program `mount`"
    reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[0]
    return reason if done.returncode else ""
