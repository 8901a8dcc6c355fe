"""Who clicks the offer, and why: the truth that Stage 3 has to learn. And who opts out.

In: people and their plays. Out: the rows of ``clicks.csv``, per customer the chance that
made them click, and the ids in ``optouts.csv``. Serves ``generate``.

A listener below Gold with an open account takes the one-day Gold upgrade when three habits
come together: listening in the evening, on a mobile, and to the same tracks again and
again. The chance is logistic in the sum of the three, steep around a threshold that one of
them, or two, seldom reach; so a rule on one feature performs badly and a logistic
regression well. The habits are measured from the plays before the clicks.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np
import pandas as pd

from workshop_lib.schema.labels import ADS, LEVEL
from workshop_lib.schema.world import HISTORY_DAYS, LIVE_HOURS, OFFER_AD
from workshop_lib.world.people import People
from workshop_lib.world.plays import DAY, HOUR, SECOND, Plays
from workshop_lib.world.randomness import Ints, logistic, rng

GOLD: Final = max(LEVEL)
#: Habit → (middle, spread, weight) in the sum: weight × (value − middle) / spread.
CAUSES: Final[dict[str, tuple[float, float, float]]] = {
    "evening": (0.40, 0.25, 1.0),
    "mobile": (0.60, 0.30, 1.0),
    "unique_tracks": (0.55, 0.22, -1.0),
}
STEEPNESS: Final = 7.0
TAKERS: Final = 0.14  # of those who could: the threshold lies where about so many are above
OTHER_AD_SHARE: Final = 0.03
#: Opt-outs: a share of all customers, and of the takers besides, so that a missing check shows.
OPT_OUT_SHARE: Final = 0.03
OPT_OUT_TAKERS: Final = 0.05
EVENING: Final = (17, 22)  # first hour, hour after the last


@dataclass(frozen=True)
class Clicks:
    """``table``: the rows of ``clicks.csv``; ``customers``: the truth, a row per customer;
    ``start`` and ``end`` of the time in which the ads were shown; ``threshold`` of the sum."""

    table: pd.DataFrame
    customers: pd.DataFrame
    start: datetime
    end: datetime
    threshold: float


def window(days: int, until: datetime) -> tuple[datetime, datetime]:
    """When ads were shown: before the last ``LIVE_HOURS``, after enough plays to learn from."""
    if days >= 8:
        return until - timedelta(days=5), until - timedelta(days=2)
    return until - timedelta(hours=LIVE_HOURS + 14), until - timedelta(hours=LIVE_HOURS + 2)


def habits(plays: Plays, customers: int, before: int) -> pd.DataFrame:
    """evening, mobile (shares of plays), unique_tracks (different per play) and plays.

    One row per customer; of the ``HISTORY_DAYS`` before ``before`` (ms since 1970).
    """
    in_time = (
        (plays.played_at < before)
        & (plays.played_at >= before - HISTORY_DAYS * DAY)
        & (plays.customer < customers)
    )
    who, when = plays.customer[in_time], plays.played_at[in_time]
    hour = when // HOUR % 24
    evening = (hour >= EVENING[0]) & (hour < EVENING[1])
    pairs = np.sort((who << 32) + plays.track[in_time])
    different = pairs[np.diff(pairs, prepend=-1) != 0] >> 32
    number = np.bincount(who, minlength=customers)
    sums = {
        "evening": np.bincount(who, weights=evening, minlength=customers),
        "mobile": np.bincount(who, weights=plays.mobile[in_time], minlength=customers),
        "unique_tracks": np.bincount(different, minlength=customers),
    }
    shares = {name: total / np.maximum(number, 1) for name, total in sums.items()}
    return pd.DataFrame({**shares, "plays": number})


def click(people: People, plays: Plays, seed: int, days: int, until: datetime) -> Clicks:
    """Show the ads to the customers of ``plays`` (each play once, no malformed ones)."""
    draw = rng(seed, "clicks")
    start, end = window(days, until)
    size = len(people)
    seen = habits(plays, size, int(start.timestamp()) * SECOND)
    total = np.zeros(size)
    for name, (middle, spread, weight) in CAUSES.items():
        total += weight * (seen[name].to_numpy(dtype=float) - middle) / spread
    could = (people.level < GOLD) & (people.status == 1) & (seen["plays"].to_numpy() > 0)
    threshold = float(np.quantile(total[could], 1 - TAKERS)) if could.any() else 0.0
    p_take = np.where(could, logistic(STEEPNESS * (total - threshold)), 0.0)
    would_take = draw.random(size) < p_take

    others = [ad for ad in ADS if ad != OFFER_AD]
    who = [np.flatnonzero(would_take)]
    who += [np.flatnonzero(draw.random(size) < OTHER_AD_SHARE) for _ in others]
    ad = np.repeat([OFFER_AD, *others], [len(ids) for ids in who])
    table = _table(draw, np.concatenate(who), ad, start, end)
    customers = pd.DataFrame(
        {
            "customer_id": np.arange(size),
            "p_take": p_take,
            "would_take": would_take,
            "clicked": would_take,  # everybody who could was shown the ad
            **{f"habit_{name}": seen[name] for name in (*CAUSES, "plays")},
            "taste_evening": people.evening,
            "taste_mobile": people.mobile,
            "taste_repeats": people.repeats,
            "activity": people.activity,
        }
    )
    return Clicks(table, customers, start, end, threshold)


def _table(
    draw: np.random.Generator, who: Ints, ad: np.ndarray, start: datetime, end: datetime
) -> pd.DataFrame:
    """The rows of ``clicks.csv`` in order of time."""
    length = int((end - start).total_seconds())
    second = int(start.timestamp()) + draw.integers(0, length, len(who))
    order = np.argsort(second, kind="stable")
    when = pd.to_datetime(second[order], unit="s").strftime("%Y-%m-%d %H:%M:%S")
    return pd.DataFrame(
        {
            "EventID": np.arange(len(who)),
            "CustID": who[order],
            "AdClicked": ad[order],
            "Localtime": when,
        }
    )


def opt_outs(would_take: np.ndarray, seed: int) -> Ints:
    """Ids of those who want no messages, ascending; ``would_take``: a flag per customer id."""
    draw = rng(seed, "optouts")
    out = draw.random(len(would_take)) < OPT_OUT_SHARE
    takers = np.flatnonzero(would_take)
    if len(takers):
        some = max(round(OPT_OUT_TAKERS * len(takers)), 1)
        out[draw.choice(takers, some, replace=False)] = True
    return np.flatnonzero(out).astype(np.int64)
