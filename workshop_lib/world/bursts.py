"""Planted interests: plays whose verdict under the rule of interest is known.

In: people, and the world's end. Out: ``Burst``s, near misses among them, spread over every
day of the world, twice as many on the last. Serves ``generate``, and through the ledger the
score of Stage 2.

The rule, of ``schema.world``: a play is a hit if and only if it and the play ``BACK`` before
it, of the same track by the same customer, are at most ``LIMIT`` apart (event time, each event
once). It needs at least three plays here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np

from workshop_lib.schema.world import (
    INTEREST_MINUTES,
    INTEREST_NUMBER,
    INTEREST_ORDINAL,
    INTEREST_PLAYS,
    NUMBER,
    ORDINAL,
)
from workshop_lib.world.people import People
from workshop_lib.world.plays import DAY, HOUR, MINUTE, SECOND, Plays
from workshop_lib.world.randomness import Ints, rng

LIMIT: Final = INTEREST_MINUTES * MINUTE
BACK: Final = INTEREST_PLAYS - 1


@dataclass(frozen=True)
class Kind:
    """``offsets`` of the plays from the first, ms; ``late`` (with the delay of their arrival,
    ms) and ``twice`` (its line comes again) are indices into them."""

    why: str
    offsets: tuple[int, ...]
    late: tuple[tuple[int, int], ...] = ()
    twice: tuple[int, ...] = ()
    at: str = "anywhere"  # or on the hour, or at midnight: that moment is inside the burst

    @property
    def hits(self) -> tuple[int, ...]:
        """Indices of the plays that complete an interest."""
        at = self.offsets
        return tuple(i for i in range(BACK, len(at)) if at[i] - at[i - BACK] <= LIMIT)


def _after(*offsets: int) -> tuple[int, ...]:
    """A first play, as many right after it as the rule has more than three, and ``offsets``."""
    return (*(n * MINUTE for n in range(INTEREST_PLAYS - 2)), *offsets)


_MANY, _NTH = INTEREST_NUMBER, INTEREST_ORDINAL
_FEWER, _MORE = NUMBER[BACK], NUMBER[BACK + 2]
_MIN: Final = f"{INTEREST_MINUTES} min"
KINDS: Final = (
    Kind(f"{_MANY} plays, first to {_NTH} exactly {_MIN}", _after(14 * MINUTE, LIMIT)),
    Kind(f"{_MIN} and 1 ms: no interest", _after(14 * MINUTE, LIMIT + 1)),
    Kind(f"{_MIN} and 1 s: no interest", _after(14 * MINUTE, LIMIT + SECOND)),
    Kind(
        f"{_FEWER} plays, one line of them twice: no interest",
        _after(12 * MINUTE),
        twice=(BACK - 1,),
    ),
    Kind(
        f"the {_NTH} play arrives 6 min late",
        _after(9 * MINUTE, 20 * MINUTE),
        late=((BACK, 6 * MINUTE),),
    ),
    Kind(
        f"the {ORDINAL[BACK]} play arrives after the {_NTH}",
        _after(10 * MINUTE, 13 * MINUTE),
        late=((BACK - 1, 8 * MINUTE),),
    ),
    Kind(f"{_MANY} plays across the hour", _after(8 * MINUTE, 20 * MINUTE), at="hour"),
    Kind(f"{_MANY} plays across midnight", _after(8 * MINUTE, 20 * MINUTE), at="midnight"),
    Kind(
        f"{NUMBER[BACK + 3]} plays in {5 * (BACK + 2)} min",
        tuple(n * 5 * MINUTE for n in range(INTEREST_PLAYS + 2)),
    ),
    Kind(
        f"{_MORE} plays in an hour, no {_MANY} of them in {_MIN}: no interest",
        _after(29 * MINUTE, 31 * MINUTE, 60 * MINUTE),
    ),
)
#: No natural play of the same customer and track within so much of a burst.
CLEAR: Final = 2 * HOUR
#: Every so many bursts one is customer 0's, so that one listener can be followed in all stages.
CUSTOMER_0_EVERY: Final = 5
#: The first hour of a day's bursts stays free, and so does the end of the world.
_FIRST, _LAST = 23 * HOUR, int(1.7 * HOUR)


@dataclass(frozen=True)
class Bursts:
    """``plays`` of all bursts, and for each of them its burst, its position in it, and the
    delays (ms) of its arrival and of its line's second arrival, 0 for none."""

    kinds: tuple[Kind, ...]  # one entry per burst
    plays: Plays
    burst: Ints
    position: Ints
    delay: Ints
    twice: Ints


def plant(people: People, tracks: int, seed: int, days: int, until: datetime) -> Bursts:
    """One of each kind on every day of the world but its first, two of each on the last.

    Customer and track of a burst meet in no other burst of the same day.
    """
    draw = rng(seed, "bursts")
    end = int(until.timestamp()) * SECOND
    rounds = [(day, KINDS) for day in range(days - 2, 0, -1)] + [(0, KINDS + KINDS)]
    planned = [slot for day, kinds in rounds for slot in _one_day(draw, end - day * DAY, kinds)]
    kinds = tuple(kind for kind, _ in planned)

    open_ids = np.flatnonzero((people.status == 1) & (np.arange(len(people)) > 0))
    customer = draw.permutation(open_ids)[np.arange(len(planned)) % len(open_ids)]
    customer[::CUSTOMER_0_EVERY] = 0
    track = draw.permutation(tracks)[np.arange(len(planned)) % tracks]

    burst = np.repeat(np.arange(len(planned)), [len(kind.offsets) for kind in kinds])
    position = np.concatenate([np.arange(len(kind.offsets)) for kind in kinds])
    offset = np.concatenate([kind.offsets for kind in kinds])
    late = {(b, i): delay for b, kind in enumerate(kinds) for i, delay in kind.late}
    twice = {(b, i): 2 * MINUTE for b, kind in enumerate(kinds) for i in kind.twice}
    where = list(zip(burst.tolist(), position.tolist(), strict=True))
    plays = Plays(
        played_at=np.array([start for _, start in planned])[burst] + offset,
        customer=customer[burst],
        track=track[burst],
        mobile=(people.mobile > 0.5)[customer][burst],
        place=customer[burst],
    )
    return Bursts(
        kinds,
        plays,
        burst,
        position,
        delay=np.array([late.get(at, 0) for at in where], dtype=np.int64),
        twice=np.array([twice.get(at, 0) for at in where], dtype=np.int64),
    )


def _one_day(
    draw: np.random.Generator, end: int, kinds: tuple[Kind, ...]
) -> list[tuple[Kind, int]]:
    """(kind, start in ms) of the bursts in the 24 hours before ``end``, evenly spread."""
    order = draw.permutation(len(kinds))
    step = (_FIRST - _LAST - HOUR) // len(kinds)
    planned = []
    for slot, k in enumerate(order):
        start = end - _FIRST + slot * step + int(draw.integers(0, step // SECOND)) * SECOND
        start -= start % SECOND
        if kinds[k].at == "hour":
            start += HOUR - start % HOUR - 11 * MINUTE
        elif kinds[k].at == "midnight":
            # The last one that is not too near the end: at most 25 hours before it. The
            # second of two is a little earlier, or the two would be the same.
            start = (end - 45 * MINUTE) // DAY * DAY - 11 * MINUTE - slot * SECOND
        planned.append((kinds[k], start))
    return planned


def undisturbed(natural: Plays, bursts: Bursts) -> np.ndarray:
    """Mask of the ``natural`` plays that do not change the result of a burst.

    Removed are those of a burst's customer and track within two hours of it, and all of its
    customer while it lasts: nobody hears two tracks at once.
    """
    keep = np.ones(len(natural), dtype=bool)
    customers = int(max(natural.customer.max(), bursts.plays.customer.max())) + 1
    involved = np.zeros(customers, dtype=bool)
    involved[bursts.plays.customer] = True
    # Few plays are of customers with a burst; only those are looked at, customer by customer.
    maybe = np.flatnonzero(involved[natural.customer])
    maybe = maybe[np.argsort(natural.customer[maybe], kind="stable")]
    owner = natural.customer[maybe]
    starts = np.flatnonzero(np.diff(bursts.burst, prepend=-1))
    for first, after in zip(starts, np.append(starts[1:], len(bursts.burst)), strict=True):
        customer = bursts.plays.customer[first]
        own = maybe[slice(*np.searchsorted(owner, (customer, customer + 1)))]
        begin, end = bursts.plays.played_at[[first, after - 1]]
        when, track = natural.played_at[own], bursts.plays.track[first]
        near = (when > begin - CLEAR) & (when < end + CLEAR) & (natural.track[own] == track)
        during = (when > begin - 5 * MINUTE) & (when < end + 5 * MINUTE)
        keep[own[near | during]] = False
    return keep
