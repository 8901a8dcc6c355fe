"""How long each store keeps what, in days. What is not here stays until `forget` or `reset`."""

from __future__ import annotations

from typing import Final, NamedTuple

from workshop_lib.schema import names

DAY_SECONDS: Final = 86_400
#: Kafka deletes by itself, by the broker's clock: ``retention.ms`` of each topic.
TOPIC_DAYS: Final = {names.PLAYS_TOPIC: 7, names.DEAD_LETTER_TOPIC: 30}


class Age(NamedTuple):
    """A document is as old as ``field`` says; `workshop expire` deletes those over ``days``."""

    field: str
    days: int


INDEX_AGE: Final = {
    names.PLAYS_RAW_INDEX: Age("played_at", 90),
    names.PLAYS_INDEX: Age("played_at", 90),
    names.PLAYS_PER_MINUTE_INDEX: Age("minute", 400),
    names.INTERESTS_INDEX: Age("interested_at", 90),
    names.TARGETS_INDEX: Age("decided_at", 400),
    names.SMS_INDEX: Age("decided_at", 400),
}

# Redis deletes by itself: seconds that a key has from its last write on.
LIVE_SECONDS: Final = 2 * DAY_SECONDS
SENT_SECONDS: Final = 60 * DAY_SECONDS
