"""A tiny world for the tests of the streams, and answers worked out without the streams' code."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pandas as pd
from elasticsearch.helpers import scan

from workshop_lib.runtime import child, connections
from workshop_lib.schema.names import PLAYS_TOPIC
from workshop_lib.schema.play import Play, to_json
from workshop_lib.settings import Settings

MINUTE = 60_000
#: A moment that lies on no window's edge but its own: 2026-01-31 12:00 UTC, ms since 1970.
NOON = int(datetime(2026, 1, 31, 12, tzinfo=UTC).timestamp()) * 1000

CUSTOMERS = pd.DataFrame(
    {
        "customer_id": [0, 1, 2, 3],
        "gender": [1, 0, 1, 0],
        "birth_year": pd.array([2000, None, 1960, 2010], dtype="Int32"),
        "zip": ["02139", "10001", "94103", "00501"],
        "level": [2, 0, 1, 0],
        "status": [1, 0, 1, 1],
        "campaign": [4, 0, 1, 2],
    }
)
TRACKS = pd.DataFrame(
    {
        "track_id": [0, 1, 2],
        "title": ["Zero", 'One, "Two"', "<b>Drei</b>"],
        "artist": ["Nil", "Ünö", "Nil"],
        "length_seconds": [100, 200, 300],
    }
)
PLACES = pd.DataFrame(
    {
        "zip": ["02139", "10001", "94103", "00501"],
        "state": ["MA", "NY", "CA", "NY"],
        "lat": [42.36, 40.75, 37.77, 40.81],
        "lon": [-71.1, -73.99, -122.41, -73.04],
    }
)


def play(event: int, at: int, customer: int = 0, track: int = 0, **other: Any) -> Play:
    """A play ``at`` ms after noon."""
    fields = {"is_mobile": False, "zip": "02139"} | other
    return Play(event, customer, track, NOON + at, **fields)


def random_plays(seed: int, count: int, minutes: int, listeners: int = 3) -> list[Play]:
    """Plays in order of time over so many minutes, often of the same track; times fall on
    whole minutes half of the time, so that spans of exactly 30 minutes are common."""
    draw = random.Random(seed)
    times = sorted(
        draw.randrange(minutes) * MINUTE
        if draw.random() < 0.5
        else draw.randrange(minutes * MINUTE)
        for _ in range(count)
    )
    return [
        play(
            1000 + n,
            at,
            draw.randrange(listeners),
            draw.randrange(2),
            is_mobile=draw.random() < 0.5,
        )
        for n, at in enumerate(times)
    ]


def hits(plays: Iterable[Play]) -> set[int]:
    """Event ids that complete three plays within 30 minutes, by the rule's own words."""
    table = pd.DataFrame(plays, columns=Play._fields).drop_duplicates("event_id")
    table = table.sort_values(["played_at", "event_id"])
    before = table.groupby(["customer_id", "track_id"])["played_at"].shift(2)
    return set(table.loc[table["played_at"] - before <= 30 * MINUTE, "event_id"])


def minutes(plays: Iterable[Play]) -> Counter[int]:
    """Plays per minute (ms since 1970) over distinct events."""
    distinct = {play.event_id: play for play in plays}.values()
    return Counter(play.played_at // MINUTE * MINUTE for play in distinct)


def write_world(settings: Settings) -> None:
    """The files that ``workshop stream`` reads: customers and tracks."""
    settings.world.mkdir(parents=True, exist_ok=True)
    customers = CUSTOMERS.assign(Name="A B", Address="1 Road", SignDate="01/01/2020", Apps=0)
    header = {
        "CustID": "customer_id",
        "Name": "Name",
        "Gender": "gender",
        "Address": "Address",
        "zip": "zip",
        "SignDate": "SignDate",
        "Status": "status",
        "Level": "level",
        "Campaign": "campaign",
        "LinkedWithApps": "Apps",
        "BirthYear": "birth_year",
    }
    customers[list(header.values())].set_axis(list(header), axis=1).to_csv(
        settings.world / "cust.csv", index=False
    )
    TRACKS.set_axis(["TrackId", "Title", "Artist", "Length"], axis=1).to_csv(
        settings.world / "music.csv", index=False
    )


def send(settings: Settings, plays: Iterable[Play | tuple[bytes | None, bytes | None]]) -> None:
    """Put plays, or (key, value) as they are, into topic ``plays``."""
    producer = connections.producer(settings)
    topic = settings.topic(PLAYS_TOPIC)
    for each in plays:
        if isinstance(each, Play):
            producer.send(topic, to_json(each), str(each.customer_id).encode())
        else:
            producer.send(topic, each[1], each[0])
    producer.close()


def documents(
    settings: Settings, index: str, query: dict[str, Any] | None = None
) -> dict[str, dict[str, Any]]:
    """All documents of ``index`` (that ``query`` finds), by id."""
    client = connections.elasticsearch(settings)
    client.indices.refresh(index=settings.index(index))
    found = scan(client, index=settings.index(index), query={"query": query or {"match_all": {}}})
    return {hit["_id"]: hit["_source"] for hit in found}


def counted(settings: Settings) -> Counter[int]:
    """Plays per minute as Elasticsearch has them, dimension ``all``."""
    rows = documents(settings, "plays-per-minute", {"term": {"dimension": "all"}})
    return Counter(
        {pd.Timestamp(row["minute"]).value // 1_000_000: row["plays"] for row in rows.values()}
    )


def environment(settings: Settings) -> dict[str, str]:
    """The variables that give another process these settings."""
    return {"WORKSHOP_HOME": str(settings.home), **child.environment(settings)}
