"""The growing log, from the side of the one who writes it.

In: lines. Out: ``plays.log``, whole lines at its end. Others may rename or cut the file
between two writes; the writer then goes on in the file that bears the name.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from workshop_lib.errors import WorkshopError


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

    def mark(self) -> LogPosition:
        """Where the next line will stand; follows a rotation, and ends another's half line."""
        status = os.fstat(self._file)
        if not _is(self.path, status.st_ino):
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
                "Make room, then run `workshop replay` again: it goes on where it stopped.",
            ) from error

    def close(self) -> None:
        os.close(self._file)


def write_all(file: int, data: bytes) -> None:
    """``os.write`` until everything is written."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


def _is(path: Path, inode: int) -> bool:
    try:
        return path.stat().st_ino == inode
    except FileNotFoundError:
        return False


def find(path: Path, inode: int) -> Path | None:
    """The log ``path``, or what it was renamed to: the file beside it with that inode."""
    if _is(path, inode):
        return path
    if not path.parent.is_dir():
        return None
    return next((p for p in path.parent.glob(path.name + "*") if _is(p, inode)), None)


class Written(NamedTuple):
    """What a killed writer got done after its mark: whole lines, and the start of one more."""

    lines: int
    half: bytes
    file: Path | None


def written(
    path: Path, mark: LogPosition, intended: Sequence[bytes], same: Callable[[bytes, bytes], bool]
) -> Written:
    """How many of the ``intended`` lines stand in the log after ``mark``.

    ``same(line, intended)`` recognises a line; lines of others between them are passed over.
    When the file is gone none are found: a line twice is better than a line lost.
    """
    file = find(path, mark.inode)
    if file is None:
        return Written(0, b"", None)
    with file.open("rb") as log:
        # Cut to nothing by a rotation that copies: what we wrote can only be at its begin.
        log.seek(mark.size if file.stat().st_size >= mark.size else 0)
        *lines, half = log.read().split(b"\n")
    count = 0
    for line in lines:
        if count < len(intended) and same(line, intended[count]):
            count += 1
    return Written(count, half, file)
