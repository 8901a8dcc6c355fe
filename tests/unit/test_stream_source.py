"""Every record of topic plays is a good play or a bad record with its reason, never both."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pyspark.sql import SparkSession

from workshop_lib.settings import Settings
from workshop_lib.stream.source import bad, parse, plays

ARRIVED = datetime(2026, 1, 31, 12, 0, 30, tzinfo=UTC)
GOOD: dict[str, Any] = {
    "event_id": 7,
    "customer_id": 0,
    "track_id": 2,
    "played_at": "2026-01-31T12:00:00.250Z",
    "is_mobile": True,
    "zip": "02139",
}
TEXT = json.dumps(GOOD)


def changed(**fields: Any) -> bytes:
    return json.dumps(GOOD | fields).encode()


def at(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


#: value → a part of the reason
BAD: list[tuple[bytes | None, str]] = [
    (None, "empty"),
    (b"", "not one flat JSON object"),
    (b"null", "not one flat JSON object"),
    (b"junk", "not one flat JSON object"),
    (b"[" + TEXT.encode() + b"]", "not one flat JSON object"),
    (TEXT.encode() + b"xx", "not one flat JSON object"),
    (TEXT.encode() * 2, "not one flat JSON object"),
    (TEXT.encode()[:-1], "not one flat JSON object"),
    (changed(more={"a": 1}), "not one flat JSON object"),
    (b"\xef\xbb\xbf" + TEXT.encode()[:20], "not one flat JSON object"),
    (TEXT.encode().replace(b"02139", b"\xff\xfe"), "not UTF-8"),
    (b"{'a': 1, " + TEXT.encode()[1:], "event_id"),
    (changed(event_id="7"), "event_id"),
    (changed(event_id=7.0), "event_id"),
    (changed(event_id=None), "event_id"),
    (changed(event_id=-1), "event_id"),
    (changed(event_id=2**63), "event_id"),
    (changed(customer_id=2**31), "customer_id"),
    (changed(customer_id=True), "customer_id"),
    (changed(track_id="a"), "track_id"),
    (changed(track_id=[1]), "track_id"),
    (changed(played_at="2026-01-31 12:00:00"), "played_at"),
    (changed(played_at="2026-01-31T12:00:00.000+02:00"), "played_at"),
    (changed(played_at="2026-02-30T12:00:00.000Z"), "played_at"),
    (changed(played_at="0000-01-31T12:00:00.000Z"), "played_at"),
    (changed(played_at="2026-01-31T12:00:00.000Z\n"), "played_at"),
    (changed(zip="02139\n"), "zip"),
    (changed(played_at="2026-01-31T25:00:00.000Z"), "played_at"),
    (changed(played_at=1769860800000), "played_at"),
    (changed(is_mobile=1), "is_mobile"),
    (json.dumps({k: v for k, v in GOOD.items() if k != "is_mobile"}).encode(), "is_mobile"),
    (changed(is_mobile="true"), "is_mobile"),
    (changed(zip=10001), "zip"),
    (changed(zip=None), "zip"),
    (changed(zip="O2139"), "zip"),
    (changed(zip="12345678901"), "zip"),
    (changed(played_at=at(ARRIVED + timedelta(seconds=60, milliseconds=1))), "future"),
    (changed(played_at="2099-01-01T00:00:00.000Z"), "future"),
    *((json.dumps({k: v for k, v in GOOD.items() if k != name}).encode(), name) for name in GOOD),
]
FINE: list[bytes] = [
    TEXT.encode(),
    changed(zip=""),
    changed(zip="02139-4307"),
    changed(event_id=2**63 - 1, customer_id=2**31 - 1),
    changed(played_at="2026-01-31T12:00:00Z"),
    changed(played_at=at(ARRIVED + timedelta(seconds=60))),
    changed(something="new"),
    changed(is_mobile=None),  # the device is unknown
    b"  " + json.dumps(GOOD, indent=2).encode() + b"\n",
]


@pytest.fixture(scope="module")
def parsed(spark: SparkSession) -> Any:
    rows = [
        (b"key", value and bytearray(value), "plays", 3, n, ARRIVED)
        for n, value in enumerate([*(value for value, _ in BAD), *FINE])
    ]
    schema = (
        "key binary, value binary, topic string, partition int, offset long, timestamp timestamp"
    )
    return parse(spark.createDataFrame(rows, schema), Settings(future_tolerance_seconds=60)).cache()


def test_every_bad_record_is_refused_with_its_reason_and_its_own_bytes(parsed: Any) -> None:
    found = {row["offset"]: row for row in bad(parsed).collect()}
    assert sorted(found) == list(range(len(BAD)))
    for offset, (value, reason) in enumerate(BAD):
        row = found[offset]
        assert reason in row["reason"], (value, row["reason"])
        assert (row["value"] and bytes(row["value"])) == value
        assert (bytes(row["key"]), row["topic"], row["partition"]) == (b"key", "plays", 3)


def test_every_good_record_is_a_play(parsed: Any) -> None:
    assert sorted(row["offset"] for row in plays(parsed).collect()) == list(
        range(len(BAD), len(BAD) + len(FINE))
    )


def test_a_play_has_the_types_of_the_contract(parsed: Any) -> None:
    row = (
        plays(parsed)
        .where(f"offset = {len(BAD)}")
        .selectExpr("*", "unix_millis(played_at) as ms")
        .first()
    )
    assert row["event_id"] == 7
    assert row["customer_id"] == 0
    assert row["ms"] == datetime(2026, 1, 31, 12, tzinfo=UTC).timestamp() * 1000 + 250
    assert row["is_mobile"] is True
    assert row["zip"] == "02139"
