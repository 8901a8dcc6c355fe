"""What the tests of the page look at: a day of made-up plays, and all that hangs on it.

The plays are a small recorded world's, labelled by the ledger's own code and written straight
into the stores, so that the page is tested without Spark; the demo's test has the streams.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from workshop_lib.runtime.connections import bulk_index, create_index, elasticsearch, redis_client
from workshop_lib.schema.labels import UNKNOWN
from workshop_lib.schema.tables import INDICES
from workshop_lib.settings import Settings
from workshop_lib.verify.expected import expected
from workshop_lib.world.generate import generate
from workshop_lib.world.places import zip_places

MINUTE = 60_000
STREAMS = {"plays": 0, "aggregates": 7, "interests": 1234, "targets": 0}
MODEL = {
    "version": "20260131T120000Z-0123abcd",
    "trained_at": "2026-01-31T12:00:00Z",
    "accepted": True,
    "current": True,
    "error": 0.0273,
    "precision": 0.8731,
    "recall": 0.9812,
    "lift": 5.24,
}
REFUSED = MODEL | {
    "version": "20260201T120000Z-4567abcd",
    "trained_at": "2026-02-01T12:00:00Z",
    "accepted": False,
    "current": False,
    "reasons": ["lift 1.2 is below 3"],
}


def when(ms: int) -> str:
    """ISO 8601 with milliseconds, UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")


def fill(settings: Settings) -> None:
    """Three days of plays into ``plays``, and interests, offers, messages, models, counters.

    An evening moved to now: whatever the time of the test, the last hour is full of plays.
    """
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    evening = now.replace(hour=21, minute=0)
    generate(settings.world, seed=5, customers=300, tracks=120, plays=9000, days=3, until=evening)
    lines = len(pd.read_parquet(settings.world / "ledger.parquet"))
    want = expected(settings.world, 0, lines, int((now - evening).total_seconds()) * 1000)
    # Some people's device is unknown, as in one's own listening.
    want.plays.loc[want.plays["customer_id"] % 8 == 3, "device"] = UNKNOWN
    write(settings, "plays", {str(row["event_id"]): row for row in documents(want.plays)})
    hits = want.plays[want.plays["event_id"].isin(want.hits["event_id"])]
    listener = ("gender", "age_band", "level", "state")
    interests = {
        str(row["event_id"]): {
            **{name: row[name] for name in ("event_id", "customer_id", "track_id", *listener)},
            "interested_at": row["played_at"],
            "title": row["title"],
            "artist": row["artist"],
        }
        for row in documents(hits)
    }
    write(settings, "interests", interests)
    write(settings, "models", {m["version"]: m for m in (MODEL, REFUSED)})
    offers(settings, list(interests.values())[-9:])
    moment(settings, want.plays)


def documents(plays: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of ``expected`` as the stream writes them; each took two seconds to come in."""
    places = zip_places().set_index("zip")
    rows = []
    for row in plays.to_dict("records"):
        at = int(row["played_at"])
        document = {
            **{name: row[name] for name in ("event_id", "customer_id", "track_id", "zip")},
            **{name: row[name] for name in ("gender", "age_band", "level", "state", "hour")},
            **{name: row[name] for name in ("device", "title", "artist")},
            "is_mobile": None if row["device"] == UNKNOWN else bool(row["is_mobile"]),
            "customer_known": bool(row["customer_known"]),
            "track_known": bool(row["track_known"]),
            "played_at": when(at),
            "arrived_at": when(at + 1000),
            "processed_at": when(at + 3000),
        }
        if row["zip"] in places.index:
            place = places.loc[row["zip"]]
            document["location"] = {"lat": float(place["lat"]), "lon": float(place["lon"])}
        rows.append(document)
    return rows


def offers(settings: Settings, interests: list[dict[str, Any]]) -> None:
    """An offer per interest: the first ones sent, one dead, one not yet sent."""
    targets, messages = {}, {}
    for n, interest in enumerate(interests):
        id_ = f"GOLD1DAY-{interest['customer_id']}-{interest['event_id']}"
        targets[id_] = {
            **{k: interest[k] for k in ("customer_id", "event_id", "gender", "level", "state")},
            "target_id": id_,
            "campaign": "GOLD1DAY",
            "played_at": interest["interested_at"],
            "decided_at": interest["interested_at"],
            "score": 0.5 + n / 100,
        }
        if n < len(interests) - 1:
            status = "dead" if n == 0 else "sent"
            messages[id_] = {"target_id": id_, "status": status}
    write(settings, "targets", targets)
    write(settings, "sms", messages)


def moment(settings: Settings, plays: pd.DataFrame) -> None:
    """Redis: counters of the last two hours, how far the streams are, two waiting messages."""
    client = redis_client(settings)
    counts = (plays["played_at"] // MINUTE * MINUTE).value_counts()
    latest = int(plays["played_at"].max())
    for minute, n in counts.items():
        if int(minute) > latest - 120 * MINUTE:
            client.hset(settings.key(f"live:{when(int(minute))[:16]}Z"), "all:all", int(n))
    tell(settings)
    outbox = settings.key("sms:outbox")
    for n in range(3):
        client.xadd(outbox, {"target_id": str(n)})
    client.xgroup_create(outbox, "sms", id="0")
    client.xreadgroup("sms", "w", {outbox: ">"}, count=1)  # handed out, not finished
    client.xadd(settings.key("sms:dead"), {"reason": "test"})
    client.close()


#: What a stream publishes of its last batch, and totals.
MEASURES = {
    "rows_per_second": 812.6,
    "watermark_seconds": 600.5,
    "state_rows": 4321,
    "batch_seconds": 1.5,
    "dead_lettered": 2,
    "dropped_by_watermark": 1,
}


def tell(settings: Settings, **more: Any) -> None:
    """How far the streams are, as they say it while they run."""
    client = redis_client(settings)
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    for name, lag in STREAMS.items():
        about = {"lag": lag, "input_rows": 8765, "running": True, "failed": None, "at": at}
        about |= MEASURES | more
        client.hset(settings.key("streams:progress"), name, json.dumps(about))
    client.set(settings.key("streams:dead-letters"), 7)
    client.close()


def write(settings: Settings, index: str, rows: dict[str, dict[str, Any]]) -> None:
    """Into ``index``, with its real mapping, to be found at once."""
    client = elasticsearch(settings)
    create_index(settings, client, index)
    refused = list(bulk_index(client, settings.index(index), rows.items()))
    assert not refused, refused[0]
    client.indices.refresh(index=settings.index(index))


def read(settings: Settings, index: str) -> pd.DataFrame:
    """All that ``index`` holds, dates as ms since 1970."""
    client = elasticsearch(settings)
    rows: list[dict[str, Any]] = []
    after: list[Any] | None = None
    while True:
        found = client.search(
            index=settings.index(index), size=5000, sort=[{"_doc": "asc"}], search_after=after
        )["hits"]["hits"]
        if not found:
            break
        rows += [{"_id": hit["_id"], **hit["_source"]} for hit in found]
        after = found[-1]["sort"]
    table = pd.DataFrame(rows)
    for name, kind in INDICES[index].items():
        if kind == "timestamp" and name in table:
            moments = pd.to_datetime(table[name], utc=True, format="ISO8601")
            table[name] = moments.dt.as_unit("ms").astype("int64")
    return table


def clear(settings: Settings) -> None:
    """Take away what this namespace put into the stores."""
    client = elasticsearch(settings)
    for index in INDICES:
        client.options(ignore_status=404).indices.delete(index=settings.index(index))
    redis = redis_client(settings)
    for key in redis.scan_iter(match=settings.key("*"), count=1000):
        redis.delete(key)
    redis.close()
