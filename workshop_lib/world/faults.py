"""Faults between a listener and the log: late, duplicated, too late and malformed lines.

In: the true plays in event time order. Out: the lines of the file in the order of their
arrival, each with its kind; and for a malformed line, its bytes. Serves ``generate``.

The age of a line is how far it is behind the latest play that arrived before it, in event
time: that is what a watermark sees.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from workshop_lib.world.plays import HOUR, MINUTE, SECOND, Plays
from workshop_lib.world.randomness import Ints, rng

PLAY, LATE, TOO_LATE, DUPLICATE, MALFORMED = range(5)
KIND_NAMES: Final = ("play", "late", "too_late", "duplicate", "malformed")

#: Shares of all lines.
LATE_SHARE: Final = 0.010
DUPLICATE_SHARE: Final = 0.005
TOO_LATE_SHARE: Final = 0.0005
MALFORMED_SHARE: Final = 0.003
#: A small world has so many plays that are too late, too; three of them on the last day.
FEWEST_TOO_LATE: Final = 4

LATE_BY: Final = (1 * MINUTE, 10 * MINUTE)
DUPLICATE_AFTER: Final = (1 * SECOND, 10 * MINUTE)
TOO_LATE_BY: Final = (6 * HOUR, 11 * HOUR)
LAST_DAY: Final = 25 * HOUR

#: A fault → what it makes of a line (its six fields, as text).
BREAK: Final[dict[str, Callable[[list[str]], bytes]]] = {
    "five columns": lambda f: ",".join(f[:5]).encode(),
    "seven columns": lambda f: ",".join([*f, "web"]).encode(),
    "letters in the customer id": lambda f: _with(f, 1, "cust" + f[1]),
    "impossible date": lambda f: _with(f, 3, '"2026-02-30 12:00:00"'),
    "is_mobile 7": lambda f: _with(f, 4, "7"),
    "truncated": lambda f: ",".join(f)[: len(",".join(f)) * 2 // 3].encode(),
    "year 2099": lambda f: _with(f, 3, '"2099' + f[3][5:]),
    "empty": lambda f: b"",
    "invalid UTF-8": lambda f: _with(f, 5, '"') + b'\xff\xfe"',
    "control character": lambda f: _with(f, 2, f[2] + "\x07"),
    "unclosed quote": lambda f: _with(f, 5, '"12345'),
    "letters in the zip": lambda f: _with(f, 5, '"K1A 0B1"'),
    "negative track id": lambda f: _with(f, 2, "-" + f[2]),
    "customer id of 11 digits": lambda f: _with(f, 1, "99999999999"),
    "date of another order": lambda f: _with(f, 3, '"01/05/2026 12:00:00"'),
    "a header in the middle": lambda f: b"event_id,customer_id,track_id,played_at,is_mobile,zip",
}


def _with(fields: list[str], column: int, value: str) -> bytes:
    return ",".join([*fields[:column], value, *fields[column + 1 :]]).encode()


@dataclass(frozen=True)
class Lines:
    """``row``: which play each line is of; ``kind``: index into ``KIND_NAMES``;
    ``fault``: play → name in ``BREAK``, of the malformed lines."""

    row: Ints
    kind: Ints
    fault: dict[int, str]


def counts(lines: int) -> tuple[int, int, int, int]:
    """How many late, too late, duplicate and malformed among so many lines."""
    return (
        round(LATE_SHARE * lines),
        max(round(TOO_LATE_SHARE * lines), FEWEST_TOO_LATE),
        round(DUPLICATE_SHARE * lines),
        max(round(MALFORMED_SHARE * lines), len(BREAK)),
    )


def arrive(
    plays: Plays,
    natural: NDArray[np.bool_],
    planted_delay: Ints,
    planted_twice: Ints,
    lines: int,
    seed: int,
) -> Lines:
    """The lines that ``plays`` (sorted by time) become; faults go into ``natural`` ones only.

    ``planted_delay`` and ``planted_twice`` (ms, 0 for none) are those of the planted plays.
    """
    draw = rng(seed, "faults")
    late, too_late, duplicates, malformed = counts(lines)
    end = int(plays.played_at[-1])
    recent = int(np.searchsorted(plays.played_at, end - LAST_DAY))

    # Each fault takes from the plays that no earlier one took.
    free = natural.copy()
    broken = np.concatenate(
        [
            _pick(draw, free, len(BREAK), recent, len(plays)),  # each fault once on the last day
            _pick(draw, free, malformed - len(BREAK), 0, len(plays)),
        ]
    )
    names = list(BREAK)
    fault = {int(row): names[i % len(names)] for i, row in enumerate(broken)}
    is_broken = np.zeros(len(plays), dtype=bool)
    is_broken[broken] = True

    last_possible = int(np.searchsorted(plays.played_at, end - TOO_LATE_BY[1] - HOUR))
    too_late_rows = np.concatenate(
        [
            _pick(draw, free, FEWEST_TOO_LATE - 1, recent, last_possible, plays),
            _pick(draw, free, too_late - FEWEST_TOO_LATE + 1, 0, last_possible, plays),
        ]
    )

    delay = planted_delay.copy()
    delayed = _pick(draw, free, late, 0, len(plays))
    delay[delayed] = draw.integers(*LATE_BY, len(delayed))
    arrival = plays.played_at + delay
    # Written just after a play that is in time and hours ahead: at least so much behind it.
    in_time = plays.played_at[(delay == 0) & free]
    ahead = plays.played_at[too_late_rows] + draw.integers(*TOO_LATE_BY, len(too_late_rows))
    arrival[too_late_rows] = in_time[np.searchsorted(in_time, ahead)] + 1

    again = np.concatenate([_pick(draw, free, duplicates, 0, len(plays)), *planted_twice.nonzero()])
    after = np.concatenate(
        [
            draw.integers(*DUPLICATE_AFTER, len(again) - np.count_nonzero(planted_twice)),
            planted_twice[planted_twice > 0],
        ]
    )
    row = np.concatenate([np.arange(len(plays)), again])
    order = np.argsort(np.concatenate([arrival, arrival[again] + after]), kind="stable")
    row = row[order]
    kind = np.where(is_broken[row], MALFORMED, PLAY)
    latest = np.maximum.accumulate(np.where(kind == PLAY, plays.played_at[row], 0))
    kind[(kind == PLAY) & (plays.played_at[row] < latest)] = LATE
    kind[np.isin(row, too_late_rows)] = TOO_LATE
    kind[order >= len(plays)] = DUPLICATE
    return Lines(row, kind, fault)


def _pick(
    draw: np.random.Generator,
    free: NDArray[np.bool_],
    size: int,
    begin: int,
    end: int,
    plays: Plays | None = None,
) -> Ints:
    """``size`` of the ``free`` rows in ``[begin, end)``, no longer free afterwards.

    With ``plays``, only those without another play of their customer and track within an
    hour: no interest may depend on a play that a stream drops.
    """
    pool = begin + np.flatnonzero(free[begin:end])
    if plays is not None:
        pool = draw.choice(pool, min(len(pool), 4 * size + 100), replace=False)
        pool = pool[_isolated(plays, pool)]
    if len(pool) < size:
        raise ValueError(f"{size} faults do not fit among {len(pool)} plays")
    chosen = draw.choice(pool, size, replace=False)
    free[chosen] = False
    return chosen


def _isolated(plays: Plays, rows: Ints) -> NDArray[np.bool_]:
    """Whether no other play of the row's customer and track is within an hour of it."""
    key = (plays.customer << 32) + plays.track
    # A small table by a hash of the key finds all that share a key, and few others.
    slot = (plays.customer * 2_654_435_761 + plays.track * 40_503) % (1 << 20)
    wanted = np.zeros(1 << 20, dtype=bool)
    wanted[slot[rows]] = True
    near = np.flatnonzero(wanted[slot])
    order = near[np.lexsort((plays.played_at[near], key[near]))]
    gap = np.diff(plays.played_at[order])
    close = (np.diff(key[order]) == 0) & (gap <= HOUR)
    has_neighbour = np.zeros(len(plays), dtype=bool)
    has_neighbour[order[1:][close]] = True
    has_neighbour[order[:-1][close]] = True
    return ~has_neighbour[rows]
