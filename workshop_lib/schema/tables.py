"""Every table, once.

From the field tables below, and the play in ``workshop_lib.schema.play``, come the Spark
schemas and the Elasticsearch mappings. Each table is ``{field name: kind}``; ``KINDS`` says
what a kind is in Spark and in Elasticsearch.
"""

from __future__ import annotations

from typing import Any, Final

from workshop_lib.schema.names import (
    INTERESTS_INDEX,
    MODELS_INDEX,
    PLAYS_INDEX,
    PLAYS_PER_MINUTE_INDEX,
    PLAYS_RAW_INDEX,
    SMS_INDEX,
    TARGETS_INDEX,
)
from workshop_lib.schema.play import PLAY

Fields = dict[str, str]

#: kind → (Spark SQL type, Elasticsearch mapping)
KINDS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "long": ("bigint", {"type": "long"}),
    "integer": ("int", {"type": "integer"}),
    "float": ("double", {"type": "double"}),
    "boolean": ("boolean", {"type": "boolean"}),
    # 256 is more than any title, artist or label has; a longer one stays in _source.
    "keyword": ("string", {"type": "keyword", "ignore_above": 256}),
    "timestamp": ("timestamp", {"type": "date", "format": "strict_date_optional_time"}),
    "geo_point": ("struct<lat: double, lon: double>", {"type": "geo_point"}),
}

#: What a play's customer, at the time of the play, adds for charts.
LISTENER: Final[Fields] = {
    "gender": "keyword",
    "age_band": "keyword",
    "level": "keyword",
    "state": "keyword",
    "location": "geo_point",  # of the play's zip; absent when the zip is unknown
}

INDICES: Final[dict[str, Fields]] = {
    PLAYS_RAW_INDEX: PLAY,
    PLAYS_INDEX: {
        **PLAY,
        **LISTENER,
        "hour": "integer",  # of played_at, 0–23 UTC: this Elasticsearch has no scripts
        "device": "keyword",
        "age": "integer",
        "campaign": "keyword",
        "account_open": "boolean",
        "title": "keyword",
        "artist": "keyword",
        "length_seconds": "integer",
        "customer_known": "boolean",
        "track_known": "boolean",
        "arrived_at": "timestamp",  # Kafka took it
        "processed_at": "timestamp",  # the stream wrote it
    },
    # One document per minute, dimension and value: as many as the labels, however many
    # plays there are. Dimension ``all`` has the one value ``all``.
    PLAYS_PER_MINUTE_INDEX: {
        "minute": "timestamp",
        "dimension": "keyword",
        "value": "keyword",
        "plays": "integer",
    },
    # One document per play that completes an interest (``world.INTEREST_RULE``); _id is that
    # play's event id.
    INTERESTS_INDEX: {
        "event_id": "long",
        "customer_id": "integer",
        "track_id": "integer",
        "interested_at": "timestamp",  # played_at of that play
        "title": "keyword",
        "artist": "keyword",
        **LISTENER,
    },
    # One document per trained model, accepted or not; _id is its version.
    MODELS_INDEX: {
        "version": "keyword",
        "trained_at": "timestamp",
        "accepted": "boolean",
        "current": "boolean",  # the one in use
        "reasons": "keyword",
        "threshold": "float",
        "customers": "integer",  # of the test part, which all numbers below are of
        "error": "float",
        "precision": "float",
        "recall": "float",
        "f1": "float",
        "auc": "float",
        "lift": "float",
        "base_rate": "float",
        "volume": "float",
        "baseline_rule": "keyword",
        "baseline_error": "float",
        "baseline_lift": "float",
        "features_to": "timestamp",
        "snapshot_as_of": "timestamp",
        "code_sha256": "keyword",
        "drift_features": "float",  # the largest PSI of a feature
        "drift_score": "float",
        "drift_shifted": "keyword",
    },
    # One document per offer that was decided; _id is target_id.
    TARGETS_INDEX: {
        "target_id": "keyword",  # campaign-customer-event
        "campaign": "keyword",
        "customer_id": "integer",
        "event_id": "long",  # of the play that triggered it
        "played_at": "timestamp",
        "model_version": "keyword",
        "score": "float",
        "threshold": "float",
        "decided_at": "timestamp",
        **LISTENER,
    },
    # One document per message; _id is dedup_key. No phone number: it is made from the id.
    SMS_INDEX: {
        "dedup_key": "keyword",  # the target's id
        "target_id": "keyword",
        "campaign": "keyword",
        "customer_id": "integer",
        "event_id": "long",
        "status": "keyword",  # sent, suppressed, failed (is tried again) or dead
        "reason": "keyword",  # of another status than sent
        "attempts": "integer",
        "provider": "keyword",
        "provider_id": "keyword",
        "text": "keyword",
        "decided_at": "timestamp",
        "updated_at": "timestamp",
    },
}

#: The dimension, and its one value, that counts all plays.
ALL: Final = "all"
#: The dimensions of ``plays-per-minute``, beside ``ALL``: fields of an enriched play.
DIMENSIONS: Final = ("gender", "age_band", "device", "level", "state")


def spark_schema(fields: Fields) -> str:
    """The table as a Spark DDL string."""
    return ", ".join(f"`{name}` {KINDS[kind][0]}" for name, kind in fields.items())


def mapping(index: str) -> dict[str, Any]:
    """The body that creates ``index`` (a name without namespace): settings and mapping."""
    return {
        "settings": {
            "number_of_shards": 1,
            "number_of_replicas": 0,
            # Unset, idle shards stop refreshing and a chart stands still.
            "refresh_interval": "1s",
        },
        "mappings": {
            "dynamic": "strict",
            "properties": {name: KINDS[kind][1] for name, kind in INDICES[index].items()},
        },
    }


def template(index: str) -> dict[str, Any]:
    """The composable template of ``index``: what it is, whoever is the first to write to it."""
    return {
        "index_patterns": [index, f"*-{index}"],  # with a namespace before it
        "priority": 500,
        "template": mapping(index),
    }
