"""When each recorded line is written, and how its date is shifted to today. Pure functions.

In: the dates of the recorded lines, in file order. Out: the moments of writing and the
shift of all dates, for Stages 1 and 2. All times are milliseconds since 1970, UTC.

Two rules hold for every mode: gaps between events stay exactly what they were (the
shift is one number for all lines), and no event is dated later than the moment it is written.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

Millis = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

#: The date of a line that has none.
MISSING: Final = np.iinfo(np.int64).min

DAY: Final = 24 * 3600 * 1000
#: So many lines after a jump decide whether it is a gap in the recording or a wrong date.
LOOK_AHEAD: Final = 25

#: (pause in ms, weight): mostly short ones, sometimes a long one, as listeners come and go.
GAPS: Final = ((20, 30), (50, 25), (100, 20), (250, 12), (500, 8), (1000, 4), (5000, 1))


def plausible(dates: Millis) -> Mask:
    """Which dates are plausible: those that are at most a day ahead of all before them.

    A longer jump is plausible if most of the lines after it are as late: then the recording
    has a gap. Otherwise the clock of that one line was wrong.
    """
    known = np.flatnonzero(dates != MISSING)
    values: list[int] = dates[known].tolist()
    mask = np.zeros(len(dates), dtype=bool)
    good = np.ones(len(values), dtype=bool)
    newest: int | None = None
    for i, value in enumerate(values):
        if newest is None or value > newest + DAY:
            after = values[i + 1 : i + 1 + LOOK_AHEAD]
            alone = newest is None and not after
            if not alone and 2 * sum(other >= value - DAY for other in after) <= len(after):
                good[i] = False
                continue
        newest = value if newest is None else max(newest, value)
    mask[known] = good
    return mask


def arrivals(dates: Millis, mask: Mask) -> Millis:
    """When each line arrived in the recording: the latest plausible date up to it.

    Lines before the first plausible date arrived with it; without any, all arrived at 0.
    """
    if not mask.any():
        return np.zeros(len(dates), dtype=np.int64)
    newest = np.maximum.accumulate(np.where(mask, dates, MISSING))
    newest[newest == MISSING] = dates[mask][0]
    return newest


def at_speed(arrived: Millis, speed: float) -> Millis:
    """ms from the start until each line is written, ``speed`` times as fast as recorded."""
    return np.ceil((arrived - arrived[:1]) / speed).astype(np.int64)


def at_rate(count: int, rate: float) -> Millis:
    """ms from the start until each of ``count`` lines is written, ``rate`` lines a second."""
    return np.ceil(np.arange(count) * 1000 / rate).astype(np.int64)


def at_random(count: int, seed: int) -> Millis:
    """ms from the start until each of ``count`` lines is written, with gaps from ``GAPS``."""
    pauses, weights = np.array(GAPS).T
    gaps = np.random.default_rng(seed).choice(pauses, count, p=weights / weights.sum())
    return np.cumsum(gaps).astype(np.int64)


def shift(start: int, offsets: Millis, dates: Millis, mask: Mask) -> int:
    """What to add to every date: as much as possible with none later than its writing.

    With ``at_speed`` (speed ≥ 1) it is the last line that is written exactly at its date:
    start + (t_last − t_first) / speed − t_last.
    """
    if not mask.any():
        return 0
    return math.floor((start + offsets - dates)[mask].min())


def write_times(start: int, offsets: Millis, shifted: Millis | None = None) -> Millis:
    """When each line is written: at its offset, but never before its own date.

    ``shifted`` are the dates to be written, ``MISSING`` where there is none. Only a line
    whose speed was changed during the replay can have to wait for its date.
    """
    moments = start + offsets
    if shifted is not None:
        moments = np.maximum(moments, shifted)
    return np.maximum.accumulate(moments)
