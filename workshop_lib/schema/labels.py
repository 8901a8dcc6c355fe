"""The labels of customers, plays and ads, and the bands of ages."""

from __future__ import annotations

from typing import Final

from workshop_lib.schema.world import OFFER_AD

UNKNOWN: Final = "unknown"
GENDER: Final[dict[int, str]] = {0: "male", 1: "female"}
LEVEL: Final[dict[int, str]] = {0: "Free", 1: "Silver", 2: "Gold"}
CAMPAIGN: Final[dict[int, str]] = {
    0: "NONE",
    1: "30DAYFREE",
    2: "SUPERBOWL",
    3: "RETAILSTORE",
    4: "WEBOFFER",
}
DEVICE: Final[dict[bool, str]] = {False: "pc", True: "mobile"}
ADS: Final = ("ADV_FREE_REFERRAL", OFFER_AD, "ADV_LIKE_FACEBOOK", "ADV_DONATION_CHARITY")
#: (youngest age of the band, label), ascending; age = year of the play − birth year
AGE_BANDS: Final = (
    (0, "under 18"),
    (18, "18-24"),
    (25, "25-34"),
    (35, "35-44"),
    (45, "45-54"),
    (55, "55-64"),
    (65, "65+"),
)
AGE_LABELS: Final = tuple(label for _, label in AGE_BANDS)
#: The youngest age of each band.
AGE_LIMITS: Final = tuple(youngest for youngest, _ in AGE_BANDS)
