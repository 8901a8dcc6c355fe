"""What the servers and the kit's own state files hold, read with plain clients.

In: Settings. Out: sets, counts and small tables. None of the code that wrote them is used,
only the names of ``schema`` and the addresses of ``Settings``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
from kafka import TopicPartition

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime.connections import consumer, elasticsearch, redis_client
from workshop_lib.runtime.retry import retry_with_backoff
from workshop_lib.runtime.state_file import load
from workshop_lib.runtime.store_errors import StoreBusy, StoreUnavailable, elasticsearch_errors
from workshop_lib.schema.names import (
    DEAD_LETTER_HEADER,
    DEAD_LETTER_TOPIC,
    INTERESTS_INDEX,
    INTERESTS_PREFIX,
    OPTOUTS,
    PLAYS_INDEX,
    PLAYS_PER_MINUTE_INDEX,
    SMS_GROUP,
    SMS_OUTBOX,
)
from workshop_lib.settings import Settings
from workshop_lib.stack.kafka_users import READER_SERVICE

PAGE = 10_000
#: More labels than any field that a chart splits has (states, hours, bands).
ALL_LABELS = 200


# Elasticsearch --------------------------------------------------------------------


def health(settings: Settings) -> str:
    """green, yellow or red; an Elasticsearch that answers and is busy is waited for."""

    def ask() -> str:
        with elasticsearch_errors():
            return str(elasticsearch(settings).cluster.health()["status"])

    try:
        return retry_with_backoff(
            ask, StoreBusy, server="Elasticsearch", seconds=settings.patience_seconds
        )
    except StoreUnavailable as error:
        raise WorkshopError(
            f"Elasticsearch at {settings.elasticsearch_url} does not answer.",
            "Run `workshop up`; `workshop status` shows the servers.",
        ) from error


def refresh(settings: Settings) -> None:
    """Make every document written so far visible to the requests below."""
    elasticsearch(settings).indices.refresh(index=settings.index("*"))


def documents(
    settings: Settings, index: str, *fields: str, query: dict[str, Any] | None = None
) -> Iterator[dict[str, Any]]:
    """Every document of ``index`` (name without namespace) as ``_id`` and ``fields``.

    Pages by the first field, which must be unique with the second (ids, in all our tables).
    """
    client = elasticsearch(settings)
    after: list[Any] | None = None
    while True:
        answer = client.search(
            index=settings.index(index),
            ignore_unavailable=True,  # one that nothing was written to holds nothing
            size=PAGE,
            query=query or {"match_all": {}},
            sort=[{field: "asc"} for field in fields[:2]],
            source_includes=list(fields),
            search_after=after,
            track_total_hits=False,
        )
        hits = answer["hits"]["hits"]
        yield from ({"_id": hit["_id"], **hit["_source"]} for hit in hits)
        if len(hits) < PAGE:
            return
        after = hits[-1]["sort"]


def event_ids(settings: Settings, index: str) -> set[int | str]:
    """The event ids of ``index``; each must also be its document's ``_id``."""
    # With automatic ids a play written twice would be two documents of one event.
    return {
        found["event_id"]
        if found["_id"] == str(found["event_id"])
        else f"{found['event_id']} in document {found['_id']}"
        for found in documents(settings, index, "event_id")
    }


def count(settings: Settings, index: str) -> int:
    return int(elasticsearch(settings).count(index=settings.index(index))["count"])


def plays_by(
    settings: Settings, field: str, index: str = PLAYS_INDEX, size: int = ALL_LABELS
) -> dict[Any, int]:
    """Plays per label of ``field``, most first, equal ones in the label's order."""
    order = [{"_count": "desc"}, {"_key": "asc"}]
    answer = elasticsearch(settings).search(
        index=settings.index(index),
        size=0,
        aggs={"labels": {"terms": {"field": field, "size": size, "order": order}}},
    )
    buckets = answer["aggregations"]["labels"]["buckets"]
    return {bucket["key"]: bucket["doc_count"] for bucket in buckets}


def plays_per_hour_of_day(settings: Settings, index: str) -> dict[int, int]:
    """Plays per hour of day (0–23 in ``settings.timezone``) by a date histogram, folded over
    the days."""
    answer = elasticsearch(settings).search(
        index=settings.index(index),
        size=0,
        aggs={
            "hours": {
                "date_histogram": {
                    "field": "played_at",
                    "calendar_interval": "hour",
                    "time_zone": settings.timezone,
                    "min_doc_count": 1,
                }
            }
        },
    )
    zone = ZoneInfo(settings.timezone)
    hours: dict[int, int] = {}
    for bucket in answer["aggregations"]["hours"]["buckets"]:
        hour = datetime.fromtimestamp(bucket["key"] / 1000, zone).hour
        hours[hour] = hours.get(hour, 0) + bucket["doc_count"]
    return hours


def plays_per_minute(settings: Settings) -> pd.Series:
    """The stream's count of all plays, by minute (UTC)."""
    fields = ("minute", "plays")
    only = {"term": {"dimension": "all"}}
    rows = documents(settings, PLAYS_PER_MINUTE_INDEX, *fields, query=only)
    table = {row["minute"]: row["plays"] for row in rows}
    return pd.Series(
        table.values(), index=pd.to_datetime(list(table), utc=True), dtype="int64"
    ).sort_index()


def elasticsearch_interests(settings: Settings) -> dict[tuple[int, int], int]:
    """(customer id, track id) → the latest moment of interest, ms since 1970."""
    found: dict[tuple[int, int], int] = {}
    for document in documents(
        settings, INTERESTS_INDEX, "event_id", "customer_id", "track_id", "interested_at"
    ):
        key = document["customer_id"], document["track_id"]
        moment = pd.Timestamp(document["interested_at"]).value // 1_000_000
        found[key] = max(found.get(key, 0), moment)
    return found


# Redis ----------------------------------------------------------------------------


def redis_interests(settings: Settings) -> dict[tuple[int, int], int]:
    """The same from the sorted sets of Redis."""
    client = redis_client(settings)
    prefix = settings.key(INTERESTS_PREFIX)
    found = {}
    for key in client.scan_iter(match=prefix + "*", count=1000):
        listed: Any = client.zrange(key, 0, -1, withscores=True)
        for track, moment in listed:
            found[int(key.removeprefix(prefix)), int(track)] = int(moment)
    return found


def opted_out(settings: Settings) -> set[int]:
    return {int(each) for each in redis_client(settings).smembers(settings.key(OPTOUTS))}


def unfinished_messages(settings: Settings) -> int:
    """Outbox entries that a worker took and has not acknowledged."""
    waiting: Any = redis_client(settings).xpending(settings.key(SMS_OUTBOX), SMS_GROUP)
    return int(waiting["pending"])


# Kafka ----------------------------------------------------------------------------


def records(settings: Settings, topic: str) -> Iterator[Any]:
    """Every record that ``topic`` (name without namespace) holds now."""
    reader = consumer(settings, service=READER_SERVICE)
    try:
        name = settings.topic(topic)
        partitions = [TopicPartition(name, n) for n in reader.partitions_for_topic(name) or ()]
        if not partitions:
            return
        reader.assign(partitions)
        ends = reader.end_offsets(partitions)
        reader.seek_to_beginning(*partitions)
        while any(reader.position(p) < ends[p] for p in partitions):
            for batch in reader.poll(timeout_ms=1000).values():
                yield from batch
    finally:
        reader.close()


def dead_letters_of_topic(settings: Settings) -> dict[str, set[tuple[str, ...]]]:
    """Dead letters of the topic by stage, each as where it came from: written twice counts once."""
    letters: dict[str, set[tuple[str, ...]]] = {}
    for record in records(settings, DEAD_LETTER_TOPIC):
        headers = {
            name.removeprefix(DEAD_LETTER_HEADER): value.decode() for name, value in record.headers
        }
        origin = (headers["topic"], headers["partition"], headers["offset"])
        letters.setdefault(headers["stage"], set()).add(origin)
    return letters


# Files ----------------------------------------------------------------------------


def dead_letters_of_file(settings: Settings) -> int:
    path = settings.home / "dead-letters" / "plays-raw.jsonl"
    if not path.exists():
        return 0
    with path.open(encoding="utf-8") as file:
        return len({(r["source"], r["offset"]) for r in map(json.loads, file)})


def replayed(settings: Settings) -> dict[str, Any] | None:
    """State of the replay: ``first_line``, ``next_line``, ``shift_ms``; None before the first."""
    state = load(settings.home / "replay.json")
    if state and state["until_line"] != state["next_line"] and settings.live_log.exists():
        # It ended in the middle of a chunk: the log says how much of that was written.
        with settings.live_log.open("rb") as log:
            log.seek(state["log_size"])
            written = log.read().count(b"\n")
        state["next_line"] = min(state["next_line"] + written, state["until_line"])
    return state


def shipped(settings: Settings, to: str) -> dict[str, Any] | None:
    """State of a shipper: ``lines``, ``accepted``, ``rejected``; None before its first batch."""
    return load(settings.home / f"ship-{to}.json")


def stream_progress(settings: Settings, query: str) -> dict[str, Any] | None:
    """Progress of a query of the stream; None before its first batch."""
    return load(settings.home / "stream" / f"{query}.json")


def has_models(settings: Settings) -> bool:
    """Whether a model was ever trained, accepted or not."""
    return any((settings.home / "models").glob("[0-9]*/model.json"))


def active_model(settings: Settings) -> dict[str, Any] | None:
    """The record of the model that is in use; None before the first accepted one."""
    current = settings.home / "models" / "current"
    if not current.exists():
        return None
    return load(settings.home / "models" / current.read_text().strip() / "model.json")
