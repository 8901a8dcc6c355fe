"""Reading a growing log, as Filebeat and Logstash's file input do.

In: a log that grows, and is rotated by renaming (the renamed file is read to its end first)
or by copying and truncating. Out: whole lines, each with where it was read, and a
``Position`` from which another reader continues. A partial last line waits for its end.
Memory is bounded by ``BLOCK`` and ``LONGEST_LINE``. Nothing is parsed here. Stages 1 and 2.

What a copying rotation truncates before it was read is lost; rotate by renaming instead.
"""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path
from typing import Final, NamedTuple

from workshop_lib.ingest.log_file import find, siblings

logger = logging.getLogger(__name__)

BLOCK: Final = 1 << 20
#: Of a longer line only so many bytes are kept: half of what a Kafka message may have.
LONGEST_LINE: Final = 1 << 19
#: So many bytes at its beginning tell a file from another one with the same inode.
HEAD: Final = 256


class Position(NamedTuple):
    """Where to continue: a file and a byte in it.

    ``generation`` counts the files that were followed, from 0; it makes (generation, offset)
    unique where inodes are used again. ``head`` is a hash of the first bytes before
    ``offset``, ``changed_at`` (ns) when the file last changed: they tell files apart.
    """

    inode: int = 0
    offset: int = 0
    generation: int = 0
    head: str = ""
    changed_at: int = 0


class Line(NamedTuple):
    """``raw``: the line without its line feed, or the first ``LONGEST_LINE`` bytes of it;
    ``offset``: the byte where it starts; ``length``: bytes in the file, line feed included."""

    raw: bytes
    generation: int
    offset: int
    length: int


class _Harvester:
    """Reads one open file, line by line (Filebeat's word)."""

    def __init__(self, path: Path, generation: int, offset: int = 0, block: int = BLOCK) -> None:
        self.path = path
        self.generation = generation
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._block = block
        self._start_at(offset)

    def _start_at(self, offset: int) -> None:
        self._offset = offset  # of the first line that was not handed out
        self._partial = b""  # of that line, what was read and is kept
        self._skipped = 0  # of that line, bytes that were read and are not kept
        self._head = os.pread(self._file, min(HEAD, offset), 0)

    def position(self) -> Position:
        status = os.fstat(self._file)
        head = self._head[: self._offset]
        digest = hashlib.sha256(head).hexdigest()[:16] if head else ""
        return Position(status.st_ino, self._offset, self.generation, digest, status.st_mtime_ns)

    def size(self) -> int:
        return os.fstat(self._file).st_size

    def restart_if_truncated(self) -> None:
        """From 0 again when the file became shorter, or begins with other bytes."""
        if self.size() < self._read_to or os.pread(self._file, len(self._head), 0) != self._head:
            self.generation += 1
            self._start_at(0)

    @property
    def _read_to(self) -> int:
        return self._offset + len(self._partial) + self._skipped

    def read(self) -> list[Line]:
        """The whole lines of the next block that ends one; empty at the end of the file."""
        while data := os.pread(self._file, self._block, self._read_to):
            if len(self._head) < HEAD:
                self._head = os.pread(self._file, min(HEAD, self._read_to + len(data)), 0)
            lines = self._split(data)
            if lines:
                return lines
        return []

    def _split(self, data: bytes) -> list[Line]:
        *ended, partial = data.split(b"\n")
        lines = []
        for piece in ended:
            self._keep(piece)
            lines.append(self._end_line(1))
        self._keep(partial)
        return lines

    def _keep(self, piece: bytes) -> None:
        room = LONGEST_LINE - len(self._partial)
        self._partial = self._partial + piece[:room] if self._partial else piece[:room]
        self._skipped += max(0, len(piece) - room)

    def _end_line(self, end: int) -> Line:
        length = len(self._partial) + self._skipped + end
        line = Line(self._partial, self.generation, self._offset, length)
        self._offset += length
        self._partial, self._skipped = b"", 0
        return line

    def last_line(self) -> list[Line]:
        """The partial line at the end of a file that nobody writes to any more."""
        return [self._end_line(0)] if self._partial else []

    def close(self) -> None:
        os.close(self._file)


class LogTail:
    """Reads the log ``path`` from ``position`` on; without one, from the beginning of the
    oldest file that it was rotated to.

    A warning is logged when lines may be missing: the file of the position is gone, or
    files beside the log are compressed or have no name that rotation gives.
    """

    def __init__(
        self,
        path: Path,
        position: Position | None = None,
        block: int = BLOCK,
    ) -> None:
        self._path = path
        self._position = position or Position()
        self._block = block
        self._log: _Harvester | None = None
        self._warn_of_what_is_not_read()

    def read(self) -> list[Line]:
        """The next whole lines, of one block; empty when there are none yet."""
        while True:
            self._log = self._log or self._opened()
            if self._log is None:
                return []
            self._log.restart_if_truncated()
            lines = self._log.read()
            if lines or not self._rotated(self._log):
                return lines
            # Once more: it may have been written to until the writer moved on.
            lines = self._log.read()
            if lines:
                return lines
            lines = self._log.last_line()
            following = self._following(self._log.position(), self._log.generation + 1)
            if following is None:
                return lines
            self._log.close()
            self._log = following
            if lines:
                return lines

    def position(self) -> Position:
        """Behind the last line that was handed out."""
        return self._log.position() if self._log else self._position

    def behind(self) -> int:
        """Bytes of the current file that were not handed out."""
        if self._log:
            return max(0, self._log.size() - self._log.position().offset)
        return self._path.stat().st_size if self._path.exists() else 0

    def close(self) -> None:
        if self._log:
            self._position = self._log.position()
            self._log.close()
            self._log = None

    def _opened(self) -> _Harvester | None:
        """The file of the position at its place, or else what follows it."""
        at = self._position
        if not at.inode:
            return self._following(at, at.generation)
        known = find(self._path, at.inode)
        if known:
            log = _Harvester(known, at.generation, at.offset, self._block)
            # Not changed_at: the file may have grown.
            if log.size() >= at.offset and log.position().head == at.head:
                return log
            log.close()
            if known == self._path:
                return _Harvester(known, at.generation + 1, 0, self._block)
        logger.warning(
            "The file where reading stopped was removed or changed beside %s;"
            " lines at its end may be missing.",
            self._path,
        )
        return self._following(at, at.generation + 1)

    def _following(self, at: Position, generation: int) -> _Harvester | None:
        """The file after that of ``at``, from its beginning."""
        try:
            path = min(self._rotated_after(at), default=(0, self._path))[1]
            return _Harvester(path, generation, 0, self._block)
        except FileNotFoundError:
            return None

    def _rotated_after(self, at: Position) -> list[tuple[int, Path]]:
        """(modification time, path) of rotated files that changed after that of ``at``: they
        come before the live one, the oldest first."""
        try:
            found = [(path.stat(), path) for path in siblings(self._path).rotated]
        except FileNotFoundError:  # renamed in between
            return self._rotated_after(at)
        return [
            (status.st_mtime_ns, path)
            for status, path in found
            if status.st_mtime_ns > at.changed_at and status.st_ino != at.inode
        ]

    def _warn_of_what_is_not_read(self) -> None:
        """Files whose lines nobody will see, written after the position's."""
        unread = siblings(self._path)
        for paths, why in (
            (unread.compressed, "compressed; uncompress it to have its lines read"),
            (unread.others, f"no rotated {self._path.name}: it is taken for a copy"),
        ):
            for path in paths:
                status = path.stat()
                if status.st_mtime_ns > self._position.changed_at and (
                    status.st_ino != self._position.inode
                ):
                    logger.warning("%s is not read: it is %s.", path.name, why)

    def _rotated(self, log: _Harvester) -> bool:
        """Whether there is something in a later file: a writer opens that one only when it
        has finished with the one before."""
        at = log.position()
        try:
            live = self._path.stat()
        except FileNotFoundError:
            return bool(self._rotated_after(at))
        if live.st_ino == at.inode:
            return False
        return live.st_size > 0 or bool(self._rotated_after(at))
