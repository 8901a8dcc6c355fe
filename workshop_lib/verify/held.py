"""What the servers hold, read without the code that wrote it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pandas as pd

from workshop_lib.runtime.connections import consumer, elasticsearch, redis_client
from workshop_lib.schema.names import (
    DEAD_LETTER_HEADER,
    DEAD_LETTER_TOPIC,
    INTERESTS_INDEX,
    INTERESTS_PREFIX,
)
from workshop_lib.settings import Settings

PAGE = 10_000


def documents(settings: Settings, index: str, *fields: str) -> Iterator[dict[str, Any]]:
    """Every document of ``index`` (name without namespace) as ``_id`` and ``fields``.

    Pages by the first field, which must be unique with the second (ids, in all our tables).
    """
    client = elasticsearch(settings)
    after: list[Any] | None = None
    while True:
        answer = client.search(
            index=settings.index(index),
            size=PAGE,
            query={"match_all": {}},
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
    found: set[int | str] = set()
    for document in documents(settings, index, "event_id"):
        # With automatic ids a play written twice would be two documents of one event.
        found.add(
            document["event_id"]
            if document["_id"] == str(document["event_id"])
            else f"{document['event_id']} in document {document['_id']}"
        )
    return found


def count(settings: Settings, index: str) -> int:
    return int(elasticsearch(settings).count(index=settings.index(index))["count"])


def plays_per_hour_of_day(settings: Settings, index: str) -> dict[int, int]:
    """Plays per hour of day (0–23 UTC) by a date histogram, folded over the days."""
    answer = elasticsearch(settings).search(
        index=settings.index(index),
        size=0,
        aggs={"hours": {"date_histogram": {"field": "played_at", "calendar_interval": "hour"}}},
    )
    hours: dict[int, int] = {}
    for bucket in answer["aggregations"]["hours"]["buckets"]:
        if bucket["doc_count"]:
            hour = pd.Timestamp(bucket["key"], unit="ms").hour
            hours[hour] = hours.get(hour, 0) + bucket["doc_count"]
    return hours


def dead_letters_of_topic(settings: Settings) -> dict[str, set[tuple[str, ...]]]:
    """Dead letters of the topic by stage, each as where it came from: written twice counts once."""
    prefix = DEAD_LETTER_HEADER
    letters: dict[str, set[tuple[str, ...]]] = {}
    reader = consumer(settings, DEAD_LETTER_TOPIC, consumer_timeout_ms=2000)
    try:
        for message in reader:
            headers = {name.removeprefix(prefix): value.decode() for name, value in message.headers}
            origin = (headers["topic"], headers["partition"], headers["offset"])
            letters.setdefault(headers["stage"], set()).add(origin)
    finally:
        reader.close()
    return letters


def dead_letters_of_file(settings: Settings) -> int:
    path = settings.home / "dead-letters" / "plays-raw.jsonl"
    if not path.exists():
        return 0
    with path.open(encoding="utf-8") as file:
        return len({(r["source"], r["offset"]) for r in map(json.loads, file)})


def redis_interests(settings: Settings) -> dict[tuple[int, int], int]:
    """(customer id, track id) → the latest moment of interest, ms since 1970."""
    client = redis_client(settings)
    prefix = settings.key(INTERESTS_PREFIX)
    found = {}
    for key in client.scan_iter(match=prefix + "*", count=1000):
        listed: Any = client.zrange(key, 0, -1, withscores=True)
        for track, moment in listed:
            found[int(key.removeprefix(prefix)), int(track)] = int(moment)
    return found


def elasticsearch_interests(settings: Settings) -> dict[tuple[int, int], int]:
    """The same from index ``interests``."""
    found: dict[tuple[int, int], int] = {}
    for document in documents(
        settings, INTERESTS_INDEX, "event_id", "customer_id", "track_id", "interested_at"
    ):
        key = document["customer_id"], document["track_id"]
        moment = pd.Timestamp(document["interested_at"]).value // 1_000_000
        found[key] = max(found.get(key, 0), moment)
    return found
