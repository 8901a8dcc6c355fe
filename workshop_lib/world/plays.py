"""Plays as columns, the form in which the generator makes, mixes and sorts them.

Serves ``generate``; a row of a column is one play. Times are milliseconds since 1970, UTC.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from workshop_lib.world.randomness import Ints

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


@dataclass(frozen=True)
class Plays:
    """Columns of equal length; ``place`` is an index into a list of zips (see ``zip_list``)."""

    played_at: Ints
    customer: Ints
    track: Ints
    mobile: NDArray[np.bool_]
    place: Ints

    def __len__(self) -> int:
        return len(self.played_at)

    def take(self, which: np.ndarray) -> Plays:
        """The plays at the indices, or where the mask is true, in that order."""
        return Plays(*(getattr(self, field.name)[which] for field in fields(self)))

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
