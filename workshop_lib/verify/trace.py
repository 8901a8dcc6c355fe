"""One listener through log → Kafka → stream → Elasticsearch, Redis → SMS.

In: Settings and a customer id. Out: the listener, a ``TracedPlay`` per play with the delay of
each step, interests and offers. Names and addresses are never read into it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from elasticsearch import NotFoundError

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime.connections import elasticsearch, redis_client
from workshop_lib.runtime.identity import require_own_servers
from workshop_lib.schema.labels import CAMPAIGN, GENDER, LEVEL, UNKNOWN
from workshop_lib.schema.names import (
    INTERESTS_INDEX,
    PLAYS_INDEX,
    PLAYS_RAW_INDEX,
    PLAYS_TOPIC,
    SMS_INDEX,
    TARGETS_INDEX,
    interests_key,
)
from workshop_lib.schema.play import MalformedPlay, parse
from workshop_lib.settings import Settings
from workshop_lib.verify import actual
from workshop_lib.verify.expected import customers


@dataclass
class TracedPlay:
    """One play at every step; a time is ms since 1970, None where it was not seen."""

    event_id: int
    track_id: int
    played_at: int
    log_line: int | None = None
    raw: bool = False  # in index plays-raw
    kafka: list[str] = field(default_factory=list)  # partition:offset, more than one if resent
    arrived_at: int | None = None  # Kafka took it
    processed_at: int | None = None  # the stream wrote it
    title: str | None = None
    interest: bool = False  # completes one: see schema.world

    @property
    def delays(self) -> dict[str, float | None]:
        """Seconds from play to Kafka, and from Kafka to Elasticsearch."""
        return {
            "play_to_kafka": _seconds(self.played_at, self.arrived_at),
            "kafka_to_elasticsearch": _seconds(self.arrived_at, self.processed_at),
        }


def _seconds(start: int | None, end: int | None) -> float | None:
    return None if start is None or end is None else round((end - start) / 1000, 3)


def listener(settings: Settings, customer_id: int) -> dict[str, Any]:
    """What the customers file says of the listener, without name and address."""
    known = customers(settings.world)
    if customer_id not in known.index:
        return {"customer_id": customer_id, "known": False}
    row = known.loc[customer_id].to_dict()
    return {
        "customer_id": customer_id,
        "known": True,
        "gender": GENDER.get(int(row["gender"]), UNKNOWN),
        "birth_year": None if pd.isna(row["birth_year"]) else int(row["birth_year"]),
        "level": LEVEL.get(int(row["level"]), UNKNOWN),
        "campaign": CAMPAIGN.get(int(row["campaign"]), UNKNOWN),
        "account_open": bool(row["status"]),
        "zip": row["zip"],
    }


def trace(settings: Settings, customer_id: int) -> dict[str, Any]:
    """The listener, their plays step by step (oldest first), interests and offers."""
    require_own_servers(settings)
    plays: dict[int, TracedPlay] = {}
    _log(settings, customer_id, plays)
    _kafka(settings, customer_id, plays)
    _indices(settings, customer_id, plays)
    if not plays:
        raise WorkshopError(
            f"No play of customer {customer_id} anywhere.",
            "`workshop data describe` tells the ids that there are; `workshop replay` makes plays.",
        )
    interests: Any = redis_client(settings).zrevrange(
        settings.key(interests_key(customer_id)), 0, -1, withscores=True
    )
    return {
        "listener": listener(settings, customer_id),
        "plays": sorted(plays.values(), key=lambda play: (play.played_at, play.event_id)),
        "interests": [
            {"track_id": int(track), "interested_at": int(moment)} for track, moment in interests
        ],
        "offers": _offers(settings, customer_id),
    }


def _offers(settings: Settings, customer_id: int) -> list[dict[str, Any]]:
    """Each target of the listener with its message, and the seconds from decision to sending."""
    messages = {m["target_id"]: m for m in _found(settings, SMS_INDEX, customer_id)}
    offers = []
    for target in _found(settings, TARGETS_INDEX, customer_id):
        message = messages.get(target["target_id"])
        sent = _millis(message["updated_at"]) if message else None
        offers.append(
            {
                "target_id": target["target_id"],
                "event_id": target["event_id"],
                "score": target["score"],
                "model_version": target["model_version"],
                "status": message["status"] if message else "waiting",
                "decided_to_sent": _seconds(_millis(target["decided_at"]), sent),
            }
        )
    return offers


def _millis(text: str) -> int:
    return pd.Timestamp(text).value // 1_000_000


def _log(settings: Settings, customer_id: int, plays: dict[int, TracedPlay]) -> None:
    """The plays in the live log (a rotated part of it is not read)."""
    if not settings.live_log.exists():
        return
    wanted = f",{customer_id},".encode()
    with settings.live_log.open("rb") as log:
        for number, line in enumerate(log, 1):
            if wanted not in line:
                continue
            try:
                play = parse(line)
            except MalformedPlay:
                continue  # it is among the dead letters, with its reason
            if play.customer_id == customer_id:
                _seen(plays, play.event_id, play.track_id, play.played_at).log_line = number


def _kafka(settings: Settings, customer_id: int, plays: dict[int, TracedPlay]) -> None:
    """The listener's records: a key lives in one partition, but we look in all to be sure."""
    key = str(customer_id).encode()
    for record in actual.records(settings, PLAYS_TOPIC):
        if record.key == key:
            _message(plays, record)


def _message(plays: dict[int, TracedPlay], message: Any) -> None:
    try:
        value = json.loads(message.value)
        when = _millis(value["played_at"])
        play = _seen(plays, int(value["event_id"]), int(value["track_id"]), when)
    except (ValueError, KeyError, TypeError):
        return  # no play: the stream sends it to the dead letters
    play.kafka.append(f"{message.partition}:{message.offset}")
    play.arrived_at = play.arrived_at or message.timestamp


def _indices(settings: Settings, customer_id: int, plays: dict[int, TracedPlay]) -> None:
    for document in _found(settings, PLAYS_RAW_INDEX, customer_id):
        _seen_document(plays, document).raw = True
    for document in _found(settings, PLAYS_INDEX, customer_id):
        play = _seen_document(plays, document)
        play.title = document["title"]
        play.processed_at = _millis(document["processed_at"])
    for document in _found(settings, INTERESTS_INDEX, customer_id):
        if document["event_id"] in plays:
            plays[document["event_id"]].interest = True


def _found(settings: Settings, index: str, customer_id: int) -> list[dict[str, Any]]:
    try:
        answer = elasticsearch(settings).search(
            index=settings.index(index),
            size=10_000,
            query={"term": {"customer_id": customer_id}},
        )
    except NotFoundError:
        return []  # that stage has not run yet
    return [hit["_source"] for hit in answer["hits"]["hits"]]


def _seen_document(plays: dict[int, TracedPlay], document: dict[str, Any]) -> TracedPlay:
    when = _millis(document["played_at"])
    return _seen(plays, document["event_id"], document["track_id"], when)


def _seen(plays: dict[int, TracedPlay], event_id: int, track_id: int, when: int) -> TracedPlay:
    return plays.setdefault(event_id, TracedPlay(event_id, track_id, when))
