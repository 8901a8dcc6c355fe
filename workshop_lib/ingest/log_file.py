"""The live log on disk: appending to it, and finding what it was rotated to.

In: lines. Out: ``plays.log``, whole lines at its end. Others may rename or truncate the file
between two writes; the writer then continues in the file that has the name. Serves
``replay`` (writes) and ``tail`` (reads).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from workshop_lib.errors import WorkshopError

COMPRESSED: Final = (".gz", ".bz2", ".xz", ".zst")
#: What rotation adds to a name: ".1", "-20260131" (dateext), ".2026-01-31_12", "-20260131-1769".
_NUMBER = r"[.-]\d+(?:[._T-]?\d+)*"


class LogPosition(NamedTuple):
    """A place in a log file: its inode and a byte. Where a writer was about to write."""

    inode: int
    size: int


class LogWriter:
    """Appends to the file named ``path``, made with its folder when it is not there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._open()

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def position(self) -> LogPosition:
        """Where the next line starts; reopens after a rotation, ends another's partial line."""
        status = os.fstat(self._file)
        if not _has_inode(self.path, status.st_ino):
            os.close(self._file)
            self._open()
            status = os.fstat(self._file)
        if status.st_size and os.pread(self._file, 1, status.st_size - 1) != b"\n":
            self.write(b"\n")
            status = os.fstat(self._file)
        return LogPosition(status.st_ino, status.st_size)

    def write(self, data: bytes) -> None:
        """Append ``data``, all of it."""
        try:
            write_all(self._file, data)
        except OSError as error:
            raise WorkshopError(
                f"Cannot write to {self.path}: {error.strerror}.",
                "Free some space, then run `workshop replay` again: it continues where it stopped.",
            ) from error

    def close(self) -> None:
        os.close(self._file)


def write_all(file: int, data: bytes) -> None:
    """``os.write`` until everything is written."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


def _has_inode(path: Path, inode: int) -> bool:
    try:
        return path.stat().st_ino == inode
    except FileNotFoundError:
        return False


def find(path: Path, inode: int) -> Path | None:
    """The log ``path``, or what it was renamed to: the file beside it with that inode."""
    if _has_inode(path, inode):
        return path
    if not path.parent.is_dir():
        return None
    return next((p for p in path.parent.glob(f"{path.stem}*") if _has_inode(p, inode)), None)


class Siblings(NamedTuple):
    """Files beside a log whose names begin like its own."""

    rotated: list[Path]
    compressed: list[Path]  # rotated ones; their lines cannot be read
    others: list[Path]  # copies and backups: their lines are not taken for rotated ones


def siblings(path: Path) -> Siblings:
    """What lies beside the log ``path``: ``plays.log.1``, ``plays.log-20260131`` and
    ``plays.1.log`` are rotated ones, ``plays.log.bak`` is not."""
    stem, suffix = re.escape(path.stem), re.escape(path.suffix)
    rotated = re.compile(f"(?:{stem}{suffix}{_NUMBER}|{stem}{_NUMBER}{suffix})")
    found = Siblings([], [], [])
    for other in sorted(path.parent.glob(f"{path.stem}*")):
        name = other.name.removesuffix(other.suffix) if other.suffix in COMPRESSED else other.name
        if rotated.fullmatch(name):
            (found.rotated if name == other.name else found.compressed).append(other)
        elif other.name.startswith(path.name) and other != path:
            found.others.append(other)
    return found


class Written(NamedTuple):
    """What a killed writer wrote after its position: whole lines, and a part of one more."""

    lines: int
    partial: bytes
    file: Path | None


def written(
    path: Path, at: LogPosition, intended: Sequence[bytes], same: Callable[[bytes, bytes], bool]
) -> Written:
    """How many of the ``intended`` lines stand in the log after ``at``.

    ``same(line, intended)`` recognises a line; lines of others between them are skipped.
    When the file is gone none are found: a line twice is better than a line lost.
    """
    file = find(path, at.inode)
    if file is None:
        return Written(0, b"", None)
    with file.open("rb") as log:
        # Truncated by a rotation that copies: what we wrote can only be at its beginning.
        log.seek(at.size if file.stat().st_size >= at.size else 0)
        *lines, partial = log.read().split(b"\n")
    count = 0
    for line in lines:
        if count < len(intended) and same(line, intended[count]):
            count += 1
    return Written(count, partial, file)
