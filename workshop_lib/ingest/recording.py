"""The recorded plays as ``workshop replay`` needs them.

In: ``tracks.csv``, in order of arrival. Out: where each line starts, its date and whether
that is plausible, and single lines with another date. Nothing is dropped: a malformed line
is a line without a date, passed on byte for byte. Serves ``replay`` and Stage 3.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from workshop_lib.errors import WorkshopError
from workshop_lib.ingest import schedule
from workshop_lib.ingest.schedule import MISSING, Mask, Millis
from workshop_lib.schema.play import PATTERNS, MalformedPlay, parse, when

#: Nothing else in a well-formed line looks like this.
_ID = re.compile(rb"\d+")  # the first number of a line
_DATE = re.compile(PATTERNS["played_at"].encode())


@dataclass(frozen=True)
class Recording:
    """``starts``: byte where each line starts, and the end of the file; ``dates``: ms or
    ``MISSING``, per line; ``last_event_id``: the largest; ``arrived``: ms;
    ``plausible``: whether the date is shifted."""

    path: Path
    starts: Millis
    dates: Millis
    last_event_id: int
    plausible: Mask
    arrived: Millis

    def __len__(self) -> int:
        return len(self.dates)

    def lines(self, first: int, end: int) -> list[bytes]:
        """Lines ``[first, end)`` as recorded, without line ends."""
        return read_lines(self.path, int(self.starts[first]), end - first)

    def first_of_last(self, hours: float) -> int:
        """The first line that arrived in the last ``hours`` of the recording."""
        return int(np.searchsorted(self.arrived, self.arrived[-1] - hours * 3_600_000))


def read_recording(path: Path) -> Recording:
    """Read the dates of all lines, again only when the file has changed.

    Raises ``WorkshopError`` when there is nothing to replay.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        raise WorkshopError(
            f"No recorded plays: {path} does not exist.",
            "Make a world with `workshop data generate`, or `workshop data import DIR`.",
        ) from None
    return _read(path, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=1)  # a notebook replays the same file part by part
def _read(path: Path, modified: int, size: int) -> Recording:
    """``read_recording`` of a file that was ``modified`` then, and is so large."""
    lengths: list[int] = []
    last_event_id = 0
    found: list[int] = []
    with path.open("rb") as file:
        for line in file:
            lengths.append(len(line))
            try:
                play = parse(line)
            except MalformedPlay:
                found.append(MISSING)
            else:
                found.append(play.played_at)
                last_event_id = max(last_event_id, play.event_id)
    if not found:
        raise WorkshopError(f"{path} is empty.", "Make a world with `workshop data generate`.")
    dates = np.array(found, dtype=np.int64)
    mask = schedule.plausible(dates)
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Recording(path, starts, dates, last_event_id, mask, schedule.arrivals(dates, mask))


def read_lines(path: Path, start: int, count: int) -> list[bytes]:
    """``count`` lines from byte ``start``, without their line feeds; fewer at the end."""
    with path.open("rb") as file:
        file.seek(start)
        return [line.removesuffix(b"\n") for line, _ in zip(file, range(count), strict=False)]


def fingerprint(path: Path) -> str:
    """Identifies a recording: its size and the hash of its first 64 KiB."""
    with path.open("rb") as file:
        head = hashlib.sha256(file.read(65536)).hexdigest()[:16]
    return f"{path.stat().st_size}-{head}"


def redate(line: bytes, played_at: int) -> bytes:
    """A well-formed line with another date, its other bytes as they are.

    A date outside the years 1 to 9999 leaves the line as it is.
    """
    try:
        date = when(played_at).encode()
    except (ValueError, OverflowError):
        return line
    return _DATE.sub(date, line, count=1)


def with_event_id(line: bytes, add: int) -> bytes:
    """A line with ``add`` more in its event id; as it is when it is no play."""
    if not add:
        return line
    try:
        event = parse(line).event_id
    except MalformedPlay:
        return line
    return _ID.sub(b"%d" % (event + add), line, count=1)


def same_but_for_date(one: bytes, other: bytes) -> bool:
    """Whether two lines are the same recorded line, written at whatever date."""
    return one == other or _DATE.sub(b"", one, count=1) == _DATE.sub(b"", other, count=1)
