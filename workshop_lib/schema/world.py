"""The rules and defaults of the simulated world."""

from __future__ import annotations

from typing import Final

#: A listener is interested in a track who plays it so often within so many minutes, ends included.
INTEREST_PLAYS: Final = 3
INTEREST_MINUTES: Final = 30
#: Small numbers in words, for the rule's messages.
NUMBER: Final = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight")
ORDINAL: Final = ("", "first", "second", "third", "fourth", "fifth", "sixth")
#: "three", "third", "three times within 30 minutes".
INTEREST_NUMBER: Final = NUMBER[INTEREST_PLAYS]
INTEREST_ORDINAL: Final = ORDINAL[INTEREST_PLAYS]
INTEREST_RULE: Final = f"{INTEREST_NUMBER} times within {INTEREST_MINUTES} minutes"
#: The end of the recording that is left to be replayed as "now"; a model learns from before it.
LIVE_HOURS: Final = 26
#: A listener's features are those of so many days; older plays say little about this week.
HISTORY_DAYS: Final = 30

#: The ad that offers a day of Gold, and the campaign that makes that offer in Stage 3.
OFFER_AD: Final = "ADV_REDUCED_1DAY"
OFFER_CAMPAIGN: Final = "GOLD1DAY"
