"""Where listeners live: US zip codes with state and position, and how many live where.

In: the table of the package ``zipcodes``. Out: tables of places. Serves generation (homes)
and Stage 2 (the place of a play).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
import pandas as pd

from workshop_lib.runtime import collector
from workshop_lib.world.randomness import choose

#: Residents in thousands, census of 2020, rounded: the weight of each state (and D.C.).
STATE_THOUSANDS: Final[dict[str, int]] = {
    "AK": 733, "AL": 5024, "AR": 3012, "AZ": 7152, "CA": 39538, "CO": 5774, "CT": 3606,
    "DC": 690, "DE": 990, "FL": 21538, "GA": 10712, "HI": 1455, "IA": 3190, "ID": 1839,
    "IL": 12813, "IN": 6786, "KS": 2938, "KY": 4506, "LA": 4658, "MA": 7030, "MD": 6177,
    "ME": 1362, "MI": 10077, "MN": 5706, "MO": 6155, "MS": 2961, "MT": 1084, "NC": 10439,
    "ND": 779, "NE": 1962, "NH": 1378, "NJ": 9289, "NM": 2118, "NV": 3105, "NY": 20201,
    "OH": 11799, "OK": 3959, "OR": 4237, "PA": 13003, "RI": 1097, "SC": 5118, "SD": 887,
    "TN": 6911, "TX": 29146, "UT": 3272, "VA": 8631, "VT": 643, "WA": 7705, "WI": 5894,
    "WV": 1794, "WY": 577,
}  # fmt: skip


@lru_cache(maxsize=1)
def _all_zips() -> pd.DataFrame:
    import zipcodes

    with collector.paused():  # 42,000 dictionaries
        rows = [
            (z["zip_code"], z["state"], z["lat"], z["long"], z["zip_code_type"], z["active"])
            for z in zipcodes.filter_by()  # unlike list_all, it keeps none of them
        ]
    names = ["zip", "state", "lat", "lon", "type", "active"]
    table = pd.DataFrame.from_records(rows, columns=names)
    table = table.astype({"lat": float, "lon": float})
    return table.drop_duplicates("zip").sort_values("zip").reset_index(drop=True)


def zip_places() -> pd.DataFrame:
    """Every known zip: zip (str, leading zeros kept), state (two letters), lat, lon (degrees)."""
    return _all_zips()[["zip", "state", "lat", "lon"]].copy()


@lru_cache(maxsize=1)
def states_by_zip() -> dict[str, str]:
    """Zip → state, of every known zip."""
    table = _all_zips()
    return dict(zip(table["zip"], table["state"], strict=True))


def homes(rng: np.random.Generator, size: int) -> np.ndarray:
    """``size`` zips (str) where people live: a state by its residents, any of its zips."""
    table = _all_zips()
    table = table[(table["type"] == "STANDARD") & table["active"]]
    table = table[table["state"].isin(STATE_THOUSANDS.keys())]
    zips_of_state = table["state"].map(table["state"].value_counts())
    weights = np.asarray(table["state"].map(STATE_THOUSANDS) / zips_of_state, dtype=np.float64)
    return table["zip"].to_numpy(dtype=str)[choose(rng, weights, size)]
