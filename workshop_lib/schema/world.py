"""The rules and defaults of the simulated world."""

from __future__ import annotations

from typing import Final

#: The offer of Stage 3, learned from clicks on the ad ADV_REDUCED_1DAY.
OFFER_CAMPAIGN: Final = "GOLD1DAY"

#: "The same track three times or more within 30 minutes."
INTEREST_PLAYS: Final = 3
INTEREST_MINUTES: Final = 30
