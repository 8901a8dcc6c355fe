"""The joins: by id, with the contract's labels, and no play is lost for want of a match."""

from __future__ import annotations

from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from stream_world import CUSTOMERS, PLACES, TRACKS, play

from workshop_lib.schema.labels import AGE_BANDS, UNKNOWN
from workshop_lib.schema.play import Play
from workshop_lib.schema.tables import INDICES
from workshop_lib.stream.enrich import age_band, enrich
from workshop_lib.stream.reference import Reference, to_spark

SCHEMA = "event_id long, customer_id int, track_id int, ms long, is_mobile boolean, zip string"


def frame(spark: SparkSession, plays: list[Play]) -> Any:
    return spark.createDataFrame(plays, SCHEMA).select(
        "*", F.timestamp_millis("ms").alias("played_at")
    )


@pytest.fixture(scope="module")
def reference(spark: SparkSession) -> Reference:
    return to_spark(spark, CUSTOMERS, TRACKS, PLACES)


@pytest.fixture(scope="module")
def rows(spark: SparkSession, reference: Reference) -> dict[int, Any]:
    plays = [
        play(1, 0, customer=0, track=1, is_mobile=True),
        play(2, 0, customer=1, track=2, zip="00501"),
        play(3, 0, customer=999, track=998, zip="99999"),
        play(4, 0, customer=2, track=0, zip=""),
    ]
    return {row["event_id"]: row for row in enrich(frame(spark, plays), reference).collect()}


def test_no_play_is_lost_or_doubled(rows: dict[int, Any]) -> None:
    assert sorted(rows) == [1, 2, 3, 4]


def test_customer_0_is_joined_by_id(rows: dict[int, Any]) -> None:
    row = rows[1]
    assert (row["gender"], row["level"], row["campaign"]) == ("female", "Gold", "WEBOFFER")
    assert (row["age"], row["age_band"], row["account_open"]) == (26, "25-34", True)
    assert (row["title"], row["artist"], row["length_seconds"]) == ('One, "Two"', "Ünö", 200)
    assert (row["state"], row["location"]["lat"], row["device"]) == ("MA", 42.36, "mobile")
    assert (row["hour"], row["customer_known"], row["track_known"]) == (12, True, True)


def test_a_customer_without_birth_year_is_known_but_for_the_age(rows: dict[int, Any]) -> None:
    row = rows[2]
    assert (row["age"], row["age_band"], row["customer_known"]) == (None, UNKNOWN, True)
    assert (row["gender"], row["account_open"], row["state"]) == ("male", False, "NY")


def test_unknown_ids_stay_and_are_marked(rows: dict[int, Any]) -> None:
    row = rows[3]
    assert {row[f] for f in ("gender", "age_band", "level", "campaign", "title", "artist")} == {
        UNKNOWN
    }
    assert (row["customer_known"], row["track_known"], row["state"]) == (False, False, UNKNOWN)
    assert row["location"] is None
    assert row["account_open"] is None


def test_an_empty_zip_has_no_place(rows: dict[int, Any]) -> None:
    assert (rows[4]["state"], rows[4]["location"]) == (UNKNOWN, None)


def test_all_fields_of_the_index_are_there(rows: dict[int, Any]) -> None:
    from_kafka_and_clock = {"arrived_at", "processed_at"}
    assert set(INDICES["plays"]) - from_kafka_and_clock <= set(rows[1].asDict())


def test_age_bands_at_their_edges(spark: SparkSession) -> None:
    ages = [-1, None, 150, *(low + d for low, _ in AGE_BANDS[1:] for d in (-1, 0))]
    table = spark.createDataFrame([(n, age) for n, age in enumerate(ages)], "n int, age int")
    bands = [r[0] for r in table.orderBy("n").select(age_band(F.col("age"))).collect()]
    assert bands == [
        UNKNOWN, UNKNOWN, "65+",
        "under 18", "18-24", "18-24", "25-34", "25-34", "35-44", "35-44", "45-54",
        "45-54", "55-64", "55-64", "65+",
    ]  # fmt: skip
