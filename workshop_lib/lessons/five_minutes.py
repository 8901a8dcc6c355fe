"""What to look at while the demo runs: ``workshop demo --five``, for a stage of five minutes."""

from __future__ import annotations

from typing import Final

#: Phase of the demo → what to say when it begins.
STORY: Final = {
    "servers": (
        "1 · THE SERVERS. Kafka, Elasticsearch and Redis start on this machine: the real ones,"
        " without Docker and without a cloud."
    ),
    "world": (
        "2 · THE WORLD. Two weeks of listening on a music site are made up, with faults in it:"
        " late plays, duplicates, lines that are no plays. What is right is written into a ledger."
    ),
    "model": (
        "3 · THE MODEL. Spark learns from the clicks of the days before who takes an offer."
        " A gate decides whether the model is good enough to be used."
    ),
    "flow": (
        "4 · LIVE. The last 26 hours happen again in 40 seconds: log → Kafka → Spark →"
        " Elasticsearch and Redis → page and phone. Look at the page: counters, chart and map move."
    ),
    "verify": (
        "5 · IS IT RIGHT? Every result is compared with the ledger. Read three lines: plays,"
        " interests, messages: missed 0, invented 0."
    ),
}
TRACE: Final = (
    "6 · ONE LISTENER. Customer 0 through every step. A star marks the third play of a track within"
    " 30 minutes; the list of interests comes from Redis."
)
DEAD_LETTERS: Final = (
    "7 · NOTHING IS LOST. What was no play stopped no stream: it is kept with its reason."
)
END: Final = (
    "The servers still run: look around on the page. `make lab` opens the walk in which you build"
    " all of this yourself; `workshop down` stops it."
)
