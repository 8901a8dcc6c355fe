"""The capstone: what its programs left on the servers, compared with the ledger.

In: Settings of a home whose log was replayed. Out: a ``Result`` for each step. Nothing of the
learner's folder is read or imported: it may be anywhere.
"""

from __future__ import annotations

from typing import Any, Final

import orjson
import pandas as pd

from workshop_lib.lessons.exercises import live
from workshop_lib.lessons.exercises.outcome import Exercise, NotAttempted, NotYet, shown
from workshop_lib.runtime.connections import elasticsearch, redis_client
from workshop_lib.schema.labels import LEVEL, UNKNOWN
from workshop_lib.schema.names import (
    INTERESTS_INDEX,
    PLAYS_INDEX,
    PLAYS_PER_MINUTE_INDEX,
    TARGETS_INDEX,
    interests_key,
)
from workshop_lib.settings import Settings
from workshop_lib.verify import expected, score

#: Names as ``config.py`` of the capstone has them.
TOPIC: Final = "capstone-plays"
DEAD_LETTERS: Final = "capstone-plays.dlq"
KEYS: Final = "capstone:"
#: Of the targets, and of the takers who played: the ledger is about the days of the ads.
MIN_LIFT: Final = 2.5
MIN_RECALL: Final = 0.25


def environment(settings: Settings) -> dict[str, str]:
    """What the capstone's programs need to know of these servers and this world."""
    found = {
        "KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "ELASTICSEARCH_URL": settings.elasticsearch_url,
        "REDIS_URL": settings.redis_url,
        "DATA": str(settings.world),
        "LOG": str(settings.live_log),
        "PREFIX": settings.namespace,
        "KEYS": settings.key(""),
    }
    kafka = settings.kafka_login()
    if kafka:
        found["KAFKA_USERNAME"] = kafka["sasl_plain_username"]
        found["KAFKA_PASSWORD"] = kafka["sasl_plain_password"]
        found["KAFKA_MECHANISM"] = kafka["sasl_mechanism"]
    password = settings.elasticsearch_password.get_secret_value()
    if password:
        found["ELASTICSEARCH_USERNAME"] = settings.elasticsearch_username
        found["ELASTICSEARCH_PASSWORD"] = password
    return found


def produced(settings: Settings) -> None:
    """1: every play of the log is in the topic, by listener; every broken line a dead letter."""
    records = live.topic(settings, TOPIC)
    if not records:
        raise NotAttempted(f"There is nothing in topic {settings.topic(TOPIC)} yet.")
    plays = {play.event_id for play in live.log_plays(settings)}
    found: dict[int, set[int]] = {}
    sent = set()
    for record in records:
        try:
            play = orjson.loads(record.value or b"")
            sent.add(int(play["event_id"]))
            found.setdefault(int(play["customer_id"]), set()).add(record.partition)
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
            raise NotYet(f"Your record {shown(record.value, 80)} is not a play as JSON.") from None
    if sent != plays:
        raise NotYet(
            f"Your topic has {len(sent):,} different plays; {len(plays - sent):,} plays of the log"
            f" are missing, and {len(sent - plays):,} are not in the log."
        )
    split = [who for who, partitions in found.items() if len(partitions) > 1]
    if split:
        raise NotYet(f"Your listener {split[0]} has plays in several partitions: the key decides.")
    letters = {record.value for record in live.topic(settings, DEAD_LETTERS)}
    refused = _refused(settings)
    if refused - letters:
        raise NotYet(
            f"You have {len(letters)} different dead letters. Lines of the log are missing, such as"
            f" {shown(min(refused - letters), 60)}, or they were changed."
        )


def _refused(settings: Settings) -> set[bytes]:
    """Lines of the log that are not plays."""
    from workshop_lib.schema.play import MalformedPlay, parse

    refused = set()
    with settings.live_log.open("rb") as log:
        for line in log:
            try:
                parse(line)
            except MalformedPlay:
                refused.add(line.rstrip(b"\r\n"))
    return refused


def _documents(settings: Settings, name: str, *fields: str) -> pd.DataFrame:
    client, index = elasticsearch(settings), settings.index(f"capstone-{name}")
    if not client.indices.exists(index=index):
        raise NotAttempted(f"There is no index {index} yet.")
    client.indices.refresh(index=index)
    properties = client.indices.get_mapping(index=index)[index]["mappings"].get("properties", {})
    lost = [field for field in fields if field not in properties]
    if lost:
        raise NotYet(f"Your index {index} has no field {lost[0]}.")
    guessed = [field for field in fields if properties[field]["type"] == "text"]
    if guessed:
        raise NotYet(f"Your field {guessed[0]} is of type text: it was not in the mapping.")
    if not client.count(index=index)["count"]:
        raise NotAttempted(f"There is nothing in index {index} yet.")  # stream.py makes all four
    return live.documents(settings, f"capstone-{name}", *fields)


def plays_indexed(settings: Settings) -> None:
    """2: each distinct play once, with its listener's level and its track's title."""
    want = score.truth(settings)
    fields = ("event_id", "customer_id", "track_id", "level", "title")
    found = _documents(settings, PLAYS_INDEX, *fields)
    _same_events(set(found["event_id"]), set(want.plays["event_id"]), len(found), "plays")
    customers = expected.customers(settings.world)
    levels = customers["level"].map(LEVEL)
    right = found["customer_id"].map(levels).fillna(UNKNOWN)
    wrong = found[found["level"] != right]
    if len(wrong):
        row = wrong.iloc[0]
        raise NotYet(
            f"Your play {row['event_id']} of listener {row['customer_id']} has level"
            f" {row['level']!r}, which is not this listener's."
        )
    titles = expected.tracks(settings.world)["title"]
    right = found["track_id"].map(titles).fillna(UNKNOWN)
    wrong = found[found["title"] != right]
    if len(wrong):
        row = wrong.iloc[0]
        raise NotYet(f"Your play of track {row['track_id']} has the title {row['title']!r}.")


def _same_events(found: set[int], truth: set[int], documents: int, what: str) -> None:
    if documents > len(found):
        raise NotYet(f"You have {documents:,} documents of {len(found):,} {what}: some twice.")
    if found != truth:
        raise NotYet(
            f"You have {len(found):,} {what}; {len(truth - found):,} are missing, and"
            f" {len(found - truth):,} should not be there."
        )


def counted(settings: Settings) -> None:
    """2: plays per minute of event time."""
    want = score.truth(settings)
    found = _documents(settings, PLAYS_PER_MINUTE_INDEX, "minute", "plays")
    minutes = pd.to_datetime(found["minute"], utc=True)
    played = pd.to_datetime(want.plays["played_at"], unit="ms", utc=True).dt.floor("min")
    truth = played.value_counts()
    if minutes.duplicated().any():
        raise NotYet(f"You have the minute {minutes[minutes.duplicated()].iloc[0]} twice.")
    if int(found["plays"].sum()) != len(played):
        raise NotYet(f"Your minutes hold {int(found['plays'].sum()):,} plays together.")
    if dict(zip(minutes, found["plays"], strict=True)) != truth.to_dict():
        raise NotYet(f"Your {len(found):,} minutes have the right sum; some plays are in another.")


def interests_found(settings: Settings) -> None:
    """3: the interests of the ledger, in the index and in each listener's list."""
    want = score.truth(settings)
    found = _documents(
        settings, INTERESTS_INDEX, "event_id", "customer_id", "track_id", "played_at"
    )
    truth = set(want.hits["event_id"].astype(int))
    _same_events(set(found["event_id"]), truth, len(found), "interests")
    latest: dict[str, dict[str, float]] = {}
    for hit in want.hits.sort_values("played_at").to_dict("records"):
        key = settings.key(KEYS + interests_key(hit["customer_id"]))
        latest.setdefault(key, {})[str(hit["track_id"])] = float(hit["played_at"])
    redis = redis_client(settings)
    for key, tracks in latest.items():
        kind = str(redis.type(key))
        if kind != "zset":
            raise NotYet(f"Your key {key} is a {kind}. Make it a sorted set, by zadd.")
        held: Any = redis.zrange(key, 0, -1, withscores=True)
        if dict(held) != tracks:
            raise NotYet(f"Your list {key} is {shown(held, 80)}: other tracks, or other moments.")


def targets_chosen(settings: Settings) -> None:
    """4 and 5: one target each, of those who may get it, most of whom would take it."""
    found = _documents(settings, TARGETS_INDEX, "customer_id", "event_id", "score")
    want = score.truth(settings)
    if found["customer_id"].duplicated().any():
        twice = found.loc[found["customer_id"].duplicated(), "customer_id"].iloc[0]
        raise NotYet(f"Your listener {twice} has more than one target.")
    played = want.plays.groupby("event_id")["customer_id"].first()
    strange = found[found["event_id"].map(played) != found["customer_id"]]
    if len(strange):
        row = strange.iloc[0]
        raise NotYet(
            f"Your target has event {row['event_id']:.0f}, which is not a play of listener"
            f" {row['customer_id']:.0f}."
        )
    customers = expected.customers(settings.world)
    them = customers.reindex(found["customer_id"])
    forbidden = them[(them["level"] >= 2) | (them["status"] != 1)]
    if len(forbidden):
        raise NotYet(f"Your listener {forbidden.index[0]} is Gold or has a closed account.")
    optouts = settings.world / "optouts.csv"
    out = set(pd.read_csv(optouts)["CustID"]) & set(found["customer_id"])
    if out:
        raise NotYet(f"Your listener {min(out)} has opted out.")
    ledger = pd.read_parquet(settings.world / "ledger_customers.parquet")
    would = ledger.set_index("customer_id")["would_take"]
    may = customers[(customers["level"] < 2) & (customers["status"] == 1)].index
    could = would.reindex([who for who in want.plays["customer_id"].unique() if who in may])
    precision = would.reindex(found["customer_id"]).mean()
    lift = precision / could.mean()
    recall = would.reindex(found["customer_id"]).sum() / could.sum()
    if lift < MIN_LIFT:
        raise NotYet(
            f"Of your {len(found)} targets {precision:.0%} would take the offer: {lift:.1f} times"
            f" as many as at random. At least {MIN_LIFT:g} times are wanted."
        )
    if recall < MIN_RECALL:
        raise NotYet(f"Your {len(found)} targets are {recall:.0%} of those who would take it.")


HELP: Final = ("See README.md of the capstone, and the notebook of that step.",)

EXERCISES: Final = (
    Exercise("1", "The log in Kafka", produced, HELP, live=True),
    Exercise("2.plays", "Plays in Elasticsearch", plays_indexed, HELP, live=True),
    Exercise("2.counts", "Plays per minute", counted, HELP, live=True),
    Exercise("3", "Interests", interests_found, HELP, live=True),
    Exercise("4+5", "Model and targets", targets_chosen, HELP, live=True),
)
