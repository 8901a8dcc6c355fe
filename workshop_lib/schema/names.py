"""The names of topics, indices, queries and Redis keys, each once.

``Settings.topic``, ``.index`` and ``.key`` put the namespace before them. Nothing else in the
code holds such a name; ``tests/unit/test_schema.py`` looks for them.
"""

from __future__ import annotations

from typing import Final

# Kafka --------------------------------------------------------------------------

PLAYS_TOPIC: Final = "plays"
DEAD_LETTER_TOPIC: Final = "plays.dlq"
#: Header names of a dead letter, as Kafka Connect writes them.
DEAD_LETTER_HEADER: Final = "__connect.errors."
DEAD_LETTER_HEADERS: Final = (
    "topic",
    "partition",
    "offset",
    "stage",
    "exception.class.name",
    "exception.message",
)

# Elasticsearch; what each holds is in ``schema.tables.INDICES`` ------------------------

PLAYS_RAW_INDEX: Final = "plays-raw"
PLAYS_INDEX: Final = "plays"
PLAYS_PER_MINUTE_INDEX: Final = "plays-per-minute"
INTERESTS_INDEX: Final = "interests"
MODELS_INDEX: Final = "models"
TARGETS_INDEX: Final = "targets"
SMS_INDEX: Final = "sms"

# Streaming queries; a query's name is also that of its checkpoint and scheduler pool ------

PLAYS_QUERY: Final = "plays"
AGGREGATES_QUERY: Final = "aggregates"
INTERESTS_QUERY: Final = "interests"
TARGETS_QUERY: Final = "targets"
#: The index that each query writes.
INDEX_OF_QUERY: Final[dict[str, str]] = {
    PLAYS_QUERY: PLAYS_INDEX,
    AGGREGATES_QUERY: PLAYS_PER_MINUTE_INDEX,
    INTERESTS_QUERY: INTERESTS_INDEX,
    TARGETS_QUERY: TARGETS_INDEX,
}

# Redis --------------------------------------------------------------------------

#: Stream of messages to be sent, its consumer group, and what could not be sent.
SMS_OUTBOX: Final = "sms:outbox"
SMS_GROUP: Final = "sms"
SMS_DEAD: Final = "sms:dead"
#: Hash, entry id → tries; and the next moment at which a message may be sent.
SMS_TRIES: Final = "sms:tries"
SMS_RATE_LIMIT: Final = "sms:slot"
#: Set of customer ids; and of the opt-out files that were read.
OPTOUTS: Final = "optouts"
OPTOUTS_LOADED: Final = "optouts:loaded"
#: Hash, query → JSON, how far it is; and the number of records in the dead-letter topic.
STREAMS_PROGRESS: Final = "streams:progress"
DEAD_LETTER_COUNT: Final = "streams:dead-letters"

#: Key without prefix and namespace: the identity of the home whose server it is.
IDENTITY_KEY: Final = "workshop-identity"

# The first parts of keys that go on with an id.
INTERESTS_PREFIX: Final = "interests:"
TARGETS_PREFIX: Final = "targets:"
LIVE_PREFIX: Final = "live:"
COOLDOWN_PREFIX: Final = "cooldown:"
CAP_PREFIX: Final = "cap:"
SMS_SENT_PREFIX: Final = "sms:sent:"
#: Patterns of all keys of a namespace.
ALL_KEYS: Final = (
    *(OPTOUTS, OPTOUTS_LOADED, "streams:*", "sms:*"),
    *(f"{INTERESTS_PREFIX}*", f"{TARGETS_PREFIX}*", f"{LIVE_PREFIX}*"),
    *(f"{COOLDOWN_PREFIX}*", f"{CAP_PREFIX}*"),
)
#: What offers and messages leave behind; opt-outs are not among them.
OFFER_KEYS: Final = (f"{COOLDOWN_PREFIX}*", f"{CAP_PREFIX}*", f"{TARGETS_PREFIX}*", "sms:*")


def interests_key(customer_id: int | str) -> str:
    """Sorted set: track id by the latest moment of interest, ms since 1970."""
    return f"{INTERESTS_PREFIX}{customer_id}"


def last_target_key(customer_id: int | str) -> str:
    """Hash: the customer's last target."""
    return f"{TARGETS_PREFIX}{customer_id}"


def live_key(minute: str) -> str:
    """Hash, ``dimension:value`` → plays; ``minute`` is like 2026-01-31T12:00Z."""
    return f"{LIVE_PREFIX}{minute}"


def cooldown_key(campaign: str, customer_id: int | str) -> str:
    """Hash of a campaign and customer: the latest target, and one per event."""
    return f"{COOLDOWN_PREFIX}{campaign}:{customer_id}"


def cap_key(campaign: str, day: str) -> str:
    """Number of the campaign's offers on the day (YYYY-MM-DD) of the events."""
    return f"{CAP_PREFIX}{campaign}:{day}"


def sent_key(dedup_key: str) -> str:
    """Receipt of a message that was sent."""
    return f"{SMS_SENT_PREFIX}{dedup_key}"
