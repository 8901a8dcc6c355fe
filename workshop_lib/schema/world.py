"""The rules and defaults of the simulated world."""

from __future__ import annotations

from typing import Final

#: A listener is interested in a track who plays it so often within so many minutes, ends included.
INTEREST_PLAYS: Final = 3
INTEREST_MINUTES: Final = 30
#: The end of the recording that is left to be replayed as "now"; a model learns from before it.
LIVE_HOURS: Final = 26
#: A listener's features are those of so many days; older plays say little about this week.
HISTORY_DAYS: Final = 30

#: The ad that offers a day of Gold, and the campaign that makes that offer in Stage 3.
OFFER_AD: Final = "ADV_REDUCED_1DAY"
OFFER_CAMPAIGN: Final = "GOLD1DAY"
