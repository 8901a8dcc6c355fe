"""Plays as columns, and the bytes of ``tracks.csv`` that they become.

In: numpy columns; a row is one play, times are milliseconds since 1970, UTC. Out: columns,
or the lines of the file in the form of ``schema.play.to_line``, a million in half a second.
Serves ``generate`` and ``import_``.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from workshop_lib.schema.play import Play
from workshop_lib.world.randomness import Ints

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
#: Rows that are turned into text at a time: bounds the memory.
CHUNK = 1 << 18


@dataclass(frozen=True)
class Plays:
    """Columns of equal length; ``mobile`` is -1 where the device is unknown; ``place`` is an
    index into a list of zips (see ``zip_list``)."""

    played_at: Ints
    customer: Ints
    track: Ints
    mobile: NDArray[np.bool_] | NDArray[np.int8]
    place: Ints

    def __len__(self) -> int:
        return len(self.played_at)

    def take(self, rows: np.ndarray | slice) -> Plays:
        """The plays at the indices, or where the mask is true, in that order."""
        return Plays(*(getattr(self, field.name)[rows] for field in fields(self)))

    @staticmethod
    def concat(parts: Sequence[Plays]) -> Plays:
        return Plays(
            *(np.concatenate([getattr(p, field.name) for p in parts]) for field in fields(Plays))
        )


#: Zips that are in no list of places; a play has one now and then.
UNKNOWN_ZIPS = ("", "00000", "99999")


def zip_list(homes: np.ndarray, trips: np.ndarray) -> np.ndarray:
    """What ``Plays.place`` points into: homes by customer, trip places by customer, unknown."""
    return np.concatenate([homes, trips, np.array(UNKNOWN_ZIPS)])


def csv_lines(
    event_id: Ints, plays: Plays, zips: np.ndarray, malformed: Mapping[int, bytes]
) -> Iterator[bytes]:
    """``tracks.csv`` in pieces. ``malformed``: row → the bytes of its line, without a line end."""
    device = pa.array(['",0,"', '",1,"', '",,"'])  # the last: unknown
    place = pa.array([f'{code}"\n' for code in zips.tolist()])
    rows = np.array(sorted(malformed), dtype=np.int64)
    for start in range(0, len(plays), CHUNK):
        part = plays.take(slice(start, start + CHUNK))
        when = pc.cast(pa.array(part.played_at, pa.timestamp("ms")), pa.string())
        ids = (event_id[start : start + CHUNK], part.customer, part.track)
        lines = pc.binary_join_element_wise(
            *(piece for column in ids for piece in (pc.cast(pa.array(column), pa.string()), ",")),
            '"',
            pc.replace_substring(when, ".000", ""),  # decimals only where there are any
            device.take(pa.array(part.mobile.astype(np.int8) % 3)),
            place.take(pa.array(part.place)),
            "",
        ).cast(pa.binary())
        here = rows[slice(*np.searchsorted(rows, (start, start + len(part))))]
        if len(here):
            mask = np.zeros(len(part), dtype=bool)
            mask[here - start] = True
            bad = pa.array([malformed[row] + b"\n" for row in here.tolist()], pa.binary())
            lines = pc.replace_with_mask(lines, pa.array(mask), bad)
        yield pc.binary_join(pa.ListArray.from_arrays([0, len(lines)], lines), b"")[0].as_py()


class PlayColumns:
    """A growing table of plays in a few bytes each; zips are kept once."""

    def __init__(self) -> None:
        self.event, self.customer, self.track, self.played_at = (array("q") for _ in range(4))
        self.mobile, self.place = array("b"), array("q")
        self.code_of_zip: dict[str, int] = {}
        self.zips: list[str] = []

    def add(self, play: Play) -> None:
        code = self.code_of_zip.setdefault(play.zip, len(self.zips))
        if code == len(self.zips):
            self.zips.append(play.zip)
        mobile = -1 if play.is_mobile is None else play.is_mobile
        values = (play.event_id, play.customer_id, play.track_id, play.played_at, mobile)
        columns = (self.event, self.customer, self.track, self.played_at, self.mobile)
        for column, value in zip(columns, values, strict=True):
            column.append(value)
        self.place.append(code)

    def row(self, i: int) -> Play:
        return Play(
            self.event[i],
            self.customer[i],
            self.track[i],
            self.played_at[i],
            None if self.mobile[i] < 0 else bool(self.mobile[i]),
            self.zips[self.place[i]],
        )

    def plays(self) -> tuple[np.ndarray, Plays]:
        """Event ids, and the plays, in the order of time."""
        played_at = np.array(self.played_at)
        order = np.argsort(played_at, kind="stable")
        columns = (played_at, *map(np.array, (self.customer, self.track)))
        mobile, place = np.array(self.mobile), np.array(self.place)
        plays = Plays(*(column[order] for column in (*columns, mobile, place)))
        return np.array(self.event)[order], plays
