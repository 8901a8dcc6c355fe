"""The customers: who they are, and the tastes that drive how they listen.

In: seed and number. Out: a ``People`` of columns, one entry per customer id from 0; what of
it goes to ``cust.csv`` is in ``customers_table``. Serves ``generate``.

Three tastes are what the clicks on the offer will depend on (``clicks``): listening in the
evening, on a mobile, and to favourites again and again. Each is drawn from a bimodal
distribution: most people are clearly low or clearly high.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np
import pandas as pd

from workshop_lib.world import places
from workshop_lib.world.randomness import Floats, Ints, choose, logistic, rng

LEVEL_SHARE: Final = (0.60, 0.28, 0.12)  # Free, Silver, Gold
LEVEL_ACTIVITY: Final = np.array([1.0, 1.3, 1.8])  # who pays listens more
CLOSED_SHARE: Final = 0.06
NO_BIRTH_YEAR_SHARE: Final = 0.02
TRAVELLER_SHARE: Final = 0.08
#: (youngest, oldest, share of customers)
AGES: Final = ((14, 17, 0.06), (18, 24, 0.21), (25, 34, 0.27), (35, 44, 0.19),
               (45, 54, 0.13), (55, 64, 0.09), (65, 82, 0.05))  # fmt: skip

FIRST_NAMES: Final = (
    ("Liam", "Noah", "Mateo", "Oliver", "Kwame", "Henry", "Samuel", "Jamal", "Theo", "Chen",
     "Ravi", "Diego", "Emil", "Patrick", "Omar", "Yusuf"),
    ("Emma", "Olivia", "Sofía", "Amelia", "Zoë", "Aisha", "Grace", "Hana", "Ines", "Mei",
     "Priya", "Camila", "Renée", "Leah", "Fatima", "Nora"),
)  # fmt: skip
LAST_NAMES: Final = (
    "Adams", "Brooks", "Castillo", "Dubois", "Evans", "Foster", "García", "Hughes", "Iverson",
    "Johnson", "Kim", "Lopez", "Müller", "Nguyen", "O'Brien", "Patel", "Quinn", "Rossi",
    "Smith", "Turner", "Ueda", "Vargas", "Walker", "Young",
)  # fmt: skip
STREETS: Final = ("Cedar", "Harbor", "Juniper", "Lake", "Maple", "Mill", "Orchard", "Prairie")


@dataclass(frozen=True)
class People:
    """One entry per customer id. Tastes are probabilities, 0–1; the trip is in days of the
    world, from 0; ``days_open`` counts the world's days on which the account was open."""

    gender: Ints
    age: Ints
    birth_year: Ints  # 0: unknown
    zip: np.ndarray
    level: Ints
    status: Ints
    campaign: Ints
    activity: Floats
    evening: Floats
    mobile: Floats
    repeats: Floats
    loops: Floats  # chance of starting the same track once more
    days_open: Ints
    trip_zip: np.ndarray
    trip_from: Floats
    trip_to: Floats

    def __len__(self) -> int:
        return len(self.gender)


def make_people(seed: int, size: int, days: int, until: datetime) -> People:
    """``size`` customers of a world of ``days`` days that ends at ``until``."""
    draw = rng(seed, "people")
    low, high, share = (np.array(column) for column in zip(*AGES, strict=True))
    band = choose(draw, share.astype(float), size)
    age = draw.integers(low[band], high[band] + 1)
    level = choose(draw, np.array(LEVEL_SHARE), size)
    status = (draw.random(size) >= CLOSED_SHARE).astype(np.int64)
    status[0] = 1  # the lessons follow customer 0 to the end
    campaign = choose(draw, np.array([0.45, 0.2, 0.1, 0.1, 0.15]), size)
    # Closed a day and a half before the end or earlier: none of them plays on the last day.
    last = max(days - 2, 1)
    days_open = np.where(status == 1, days, draw.integers(max(last // 2, 1), last + 1, size))
    young = (35 - age) / 20
    away = draw.random(size) < TRAVELLER_SHARE
    trip_from = np.where(away, draw.uniform(0, days, size), np.inf)
    return People(
        gender=draw.integers(0, 2, size),
        age=age,
        birth_year=np.where(draw.random(size) < NO_BIRTH_YEAR_SHARE, 0, until.year - age),
        zip=places.homes(draw, size),
        level=level,
        status=status,
        campaign=campaign,
        activity=draw.lognormal(0, 0.55, size) * LEVEL_ACTIVITY[level] * days_open / days,
        evening=_bimodal(draw, size, np.full(size, 0.5), 0.16, 0.72),
        mobile=_bimodal(draw, size, logistic(1.1 * young), 0.20, 0.88),
        repeats=_bimodal(draw, size, np.full(size, 0.5), 0.12, 0.88),
        loops=np.where(draw.random(size) < 0.1, 0.04, 0.003),
        days_open=days_open,
        trip_zip=places.homes(draw, size),
        trip_from=trip_from,
        trip_to=trip_from + draw.uniform(1, 4, size),
    )


def _bimodal(
    draw: np.random.Generator, size: int, share_high: Floats, low: float, high: float
) -> Floats:
    """Values around ``low`` or, for ``share_high`` of the people, around ``high``."""
    middle = np.where(draw.random(size) < share_high, high, low)
    return np.clip(middle + draw.normal(0, 0.07, size), 0.02, 0.98)


def customers_table(people: People, seed: int, until: datetime) -> pd.DataFrame:
    """The rows of ``cust.csv``, as text and numbers, in the order of its header."""
    draw = rng(seed, "names")
    size = len(people)
    first = np.array(FIRST_NAMES)[people.gender, draw.integers(0, len(FIRST_NAMES[0]), size)]
    last = np.array(LAST_NAMES)[draw.integers(0, len(LAST_NAMES), size)]
    street = np.array(STREETS)[draw.integers(0, len(STREETS), size)]
    number = draw.integers(1, 9999, size)
    signed = [
        (until - timedelta(days=int(days))).strftime("%m/%d/%Y")
        for days in draw.integers(40, 2500, size)
    ]
    return pd.DataFrame(
        {
            "CustID": np.arange(size),
            "Name": [f"{a} {b}" for a, b in zip(first, last, strict=True)],
            "Gender": people.gender.astype(str),
            "Address": [f"{n} {s} Street" for n, s in zip(number, street, strict=True)],
            "zip": people.zip,
            "SignDate": signed,
            "Status": people.status.astype(str),
            "Level": people.level.astype(str),
            "Campaign": people.campaign.astype(str),
            "LinkedWithApps": draw.integers(0, 2, size).astype(str),
            "BirthYear": np.where(people.birth_year > 0, people.birth_year.astype(str), ""),
        }
    )
