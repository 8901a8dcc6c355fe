"""What became of every line that was written while faults were injected.

In: what the writer wrote, and Settings of the servers. Out: an ``Account`` per hop: attempted,
stored, dead-lettered, and what was lost, duplicated or invented. Kafka, Elasticsearch and Redis
are read with plain clients; nothing of what wrote into them is used.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import pandas as pd

from workshop_lib.runtime.connections import redis_client
from workshop_lib.schema.names import (
    DEAD_LETTER_TOPIC,
    INTERESTS_INDEX,
    PLAYS_INDEX,
    PLAYS_RAW_INDEX,
    PLAYS_TOPIC,
    SMS_DEAD,
    SMS_INDEX,
    SMS_OUTBOX,
    TARGETS_INDEX,
)
from workshop_lib.schema.world import INTEREST_MINUTES, INTEREST_PLAYS
from workshop_lib.settings import Settings
from workshop_lib.verify import actual


class WrittenPlay(NamedTuple):
    """A play as the writer wrote it; ``played_at`` is ms since 1970."""

    customer_id: int
    track_id: int
    played_at: int


@dataclass
class Written:
    """All that was attempted: plays by event id, the texts of broken lines, lines in all."""

    plays: dict[int, WrittenPlay] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    lines: int = 0


@dataclass(frozen=True)
class Account:
    """One hop. ``repeated`` is what an at-least-once hop may have written more than once."""

    name: str
    attempted: int
    stored: int
    dead_lettered: int
    lost: int
    duplicated: int
    invented: int
    repeated: int = 0

    @property
    def ok(self) -> bool:
        return not (self.lost or self.duplicated or self.invented)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"ok": self.ok}


def account(
    name: str,
    attempted: Iterable[Any],
    stored: Iterable[Any],
    dead: Iterable[Any] = (),
    at_least_once: bool = False,
) -> Account:
    """Compare what was attempted with what is stored (each as often as it is there) or dead."""
    wanted, found, letters = set(attempted), Counter(stored), set(dead)
    again = sum(found.values()) - len(found)
    return Account(
        name,
        attempted=len(wanted),
        stored=len(found),
        dead_lettered=len(letters),
        lost=len(wanted - found.keys() - letters),
        # Stored and dead-lettered is one too many as well.
        duplicated=len(found.keys() & letters) + (0 if at_least_once else again),
        invented=len((found.keys() | letters) - wanted),
        repeated=again if at_least_once else 0,
    )


def accounts(settings: Settings, written: Written, phone: Iterable[str]) -> list[Account]:
    """Every hop's account; ``phone``: the keys of all messages that a phone ever showed."""
    actual.refresh(settings)
    everything = written.plays.keys() | written.broken
    sent = [json.loads(r.value)["event_id"] for r in actual.records(settings, PLAYS_TOPIC)]
    file, topic = _letters_of_file(settings), _letters_of_topic(settings)
    outbox, dead_messages = _outbox(settings)
    sms = {
        d["_id"]: d["status"] for d in actual.documents(settings, SMS_INDEX, "dedup_key", "status")
    }
    done = {key for key, status in sms.items() if status in ("sent", "suppressed")}
    return [
        account("log → plays-raw", everything, _events(settings, PLAYS_RAW_INDEX), file),
        account("log → Kafka", everything, sent, topic, at_least_once=True),
        account("Kafka → plays", everything, _events(settings, PLAYS_INDEX), topic),
        _minutes(settings, written),
        account("plays → interests", _interests(written), _events(settings, INTERESTS_INDEX)),
        account(
            "interests → Redis",
            actual.elasticsearch_interests(settings).items(),
            actual.redis_interests(settings).items(),
        ),
        account("plays → outbox", set(outbox), outbox),
        account("outbox → targets", set(outbox), _targets(settings)),
        account("outbox → sms", set(outbox), done, dead_messages),
        account("outbox → phone", set(outbox) - dead_messages, phone, at_least_once=True),
    ]


def _events(settings: Settings, index: str) -> list[int]:
    """The event id of each document: one that is there twice comes twice."""
    return [row["event_id"] for row in actual.documents(settings, index, "event_id")]


def _letters_of_topic(settings: Settings) -> set[str]:
    letters = actual.records(settings, DEAD_LETTER_TOPIC)
    return {(letter.value or b"").decode("utf-8", "replace") for letter in letters}


def _letters_of_file(settings: Settings) -> set[str]:
    path = settings.home / "dead-letters" / "plays-raw.jsonl"
    if not path.exists():
        return set()
    with path.open(encoding="utf-8") as file:
        return {json.loads(line)["text"] for line in file}


def _minutes(settings: Settings, written: Written) -> Account:
    """Plays per minute: what is too few is lost, what is too many was counted twice."""
    expected = Counter(play.played_at // 60_000 for play in written.plays.values())
    found = {
        pd.Timestamp(str(moment)).value // 60_000_000_000: int(count)
        for moment, count in actual.plays_per_minute(settings).items()
    }
    return Account(
        "plays → plays-per-minute",
        attempted=sum(expected.values()),
        stored=sum(found.values()),
        dead_lettered=0,
        lost=sum(max(0, n - found.get(minute, 0)) for minute, n in expected.items()),
        duplicated=sum(max(0, n - expected[m]) for m, n in found.items() if m in expected),
        invented=sum(n for minute, n in found.items() if minute not in expected),
    )


def _interests(written: Written) -> set[int]:
    """Events that complete three plays of a track by a customer within 30 minutes."""
    by_pair: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for event, play in written.plays.items():
        by_pair.setdefault((play.customer_id, play.track_id), []).append((play.played_at, event))
    limit, back = INTEREST_MINUTES * 60_000, INTEREST_PLAYS - 1
    return {
        plays[i][1]
        for plays in map(sorted, by_pair.values())
        for i in range(back, len(plays))
        if plays[i][0] - plays[i - back][0] <= limit
    }


def _outbox(settings: Settings) -> tuple[list[str], set[str]]:
    """The target id of each entry ever written, and of those in the dead letters."""
    client = redis_client(settings)
    entries: Any = client.xrange(settings.key(SMS_OUTBOX))
    dead: Any = client.xrange(settings.key(SMS_DEAD))
    return (
        [fields["target_id"] for _, fields in entries],
        {fields["target_id"] for _, fields in dead},
    )


def _targets(settings: Settings) -> list[str]:
    return [d["target_id"] for d in actual.documents(settings, TARGETS_INDEX, "target_id")]
