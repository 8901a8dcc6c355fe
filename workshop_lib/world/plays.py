"""Plays as columns, and the bytes of ``tracks.csv`` that they become.

In: numpy columns; a row is one play, times are milliseconds since 1970, UTC. Out: columns,
or the lines of the file in the form of ``schema.play.to_line``, a million in half a second.
Serves ``generate`` and ``import_``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

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
