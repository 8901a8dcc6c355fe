"""A log to ship, and what the servers hold of it, for the tests of the shipper."""

from __future__ import annotations

import json
import os
from typing import Any

from workshop_lib.ingest import dead_letters
from workshop_lib.runtime import child, connections
from workshop_lib.schema.names import PLAYS_TOPIC
from workshop_lib.schema.play import Play
from workshop_lib.settings import Settings

BEGIN = 1_700_000_000_000


def play(i: int) -> Play:
    return Play(i, i % 50, i % 20, BEGIN + i * 1000, i % 3 == 0, f"{i % 100_000:05d}")


def write(settings: Settings, lines: list[bytes]) -> None:
    settings.live_log.parent.mkdir(parents=True, exist_ok=True)
    with settings.live_log.open("ab") as log:
        log.write(b"".join(line + b"\n" for line in lines))


def messages(settings: Settings, topic: str) -> list[Any]:
    reader = connections.consumer(settings, topic, consumer_timeout_ms=1500)
    try:
        return list(reader)
    finally:
        reader.close()


def held(settings: Settings, to: str) -> dict[int, dict[str, Any]]:
    """Event id → document, as the target has them."""
    if to == "kafka":
        return {v["event_id"]: v for v in map(value_of, messages(settings, PLAYS_TOPIC))}
    client = connections.elasticsearch(settings)
    index = settings.index("plays-raw")
    client.indices.refresh(index=index)
    found: dict[int, dict[str, Any]] = {}
    after = None
    while True:
        answer = client.search(
            index=index, size=10_000, sort=[{"event_id": "asc"}], search_after=after
        )
        hits = answer["hits"]["hits"]
        assert all(hit["_id"] == str(hit["_source"]["event_id"]) for hit in hits)
        found |= {hit["_source"]["event_id"]: hit["_source"] for hit in hits}
        if len(hits) < 10_000:
            return found
        after = hits[-1]["sort"]


def value_of(message: Any) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(message.value)
    assert message.key == str(value["customer_id"]).encode()
    return value


def letters(settings: Settings, to: str) -> list[dead_letters.DeadLetter]:
    where = dead_letters.read_topic if to == "kafka" else dead_letters.read_file
    return list(where(settings))


def environment(settings: Settings) -> dict[str, str]:
    return os.environ | {"WORKSHOP_HOME": str(settings.home)} | child.environment(settings)
