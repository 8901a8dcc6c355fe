"""Counts and interests as real streams: cut into micro-batches in any way, the same answers.

Each list of plays is one micro-batch of a file stream. What a batch gives is put into a
dictionary by id, as Elasticsearch does.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from stream_world import MINUTE, NOON, hits, minutes, play, random_plays

from workshop_lib.schema.play import Play
from workshop_lib.settings import Settings
from workshop_lib.stream.aggregate import distinct, per_minute
from workshop_lib.stream.interests import interests

SCHEMA = (
    "event_id long, customer_id int, track_id int, played_at long, is_mobile boolean, zip string"
)
HALF_HOUR = 30 * MINUTE


class Stream:
    """A file stream through ``step``; ``feed`` runs one micro-batch per list of plays.

    Every ``feed`` starts the query again from its checkpoint, so it also is a restart.
    """

    def __init__(
        self, spark: SparkSession, folder: Path, step: Callable[[DataFrame], DataFrame]
    ) -> None:
        self.spark, self.folder, self.step = spark, folder, step
        self.rows: dict[Any, dict[str, Any]] = {}
        self.batches: list[list[dict[str, Any]]] = []
        self.dropped = 0
        self.files = 0
        (folder / "in").mkdir(parents=True)

    def feed(self, *batches: list[Play]) -> Stream:
        for batch in batches:
            path = self.folder / "in" / f"{self.files:04d}.json"
            path.write_text("".join(json.dumps(p._asdict()) + "\n" for p in batch))
            self.files += 1
            os.utime(path, (1_700_000_000 + self.files,) * 2)  # the order in which files are read
        read = (
            self.spark.readStream.schema(SCHEMA)
            .option("maxFilesPerTrigger", 1)
            .json(str(self.folder / "in"))
            .withColumn("played_at", F.timestamp_millis("played_at"))
        )
        query = (
            self.step(read)
            .writeStream.outputMode("update")
            .option("checkpointLocation", str(self.folder / "checkpoint"))
            .trigger(availableNow=True)
            .foreachBatch(self._batch)
            .start()
        )
        query.awaitTermination()
        assert query.exception() is None
        for report in query.recentProgress:
            self.dropped += sum(s["numRowsDroppedByWatermark"] for s in report["stateOperators"])
        return self

    def _batch(self, frame: DataFrame, number: int) -> None:
        rows = [row.asDict() for row in frame.collect()]
        self.batches.append(rows)
        self.rows |= {row["id"]: row for row in rows}


@pytest.fixture
def interest_stream(spark: SparkSession, tmp_path: Path, settings: Settings) -> Stream:
    return Stream(
        spark,
        tmp_path / "interests",
        lambda plays: interests(distinct(plays, settings)).withColumn("id", F.col("event_id")),
    )


@pytest.fixture
def minute_stream(spark: SparkSession, tmp_path: Path, settings: Settings) -> Stream:
    return Stream(
        spark,
        tmp_path / "minutes",
        lambda plays: per_minute(distinct(plays, settings), ["zip"]).withColumn(
            "id", F.concat_ws("|", F.unix_millis("minute"), "dimension", "value")
        ),
    )


def in_all(stream: Stream) -> dict[int, int]:
    return {
        int(id_.split("|")[0]): row["plays"]
        for id_, row in stream.rows.items()
        if row["dimension"] == "all"
    }


def test_exactly_30_minutes_is_an_interest_and_1_ms_more_is_not(interest_stream: Stream) -> None:
    # the 3 × 31 positions have spans begin and end on every side of every window's edge
    plays = []
    for n, start in enumerate(range(-15 * MINUTE, 16 * MINUTE, MINUTE)):
        for more, edge in enumerate((0, 1, -1)):
            who = 3 * n + more
            for k, at in enumerate((start, start + 10 * MINUTE, start + HALF_HOUR + edge)):
                plays.append(play(10 * who + k, at, customer=who))
    interest_stream.feed(sorted(plays, key=lambda p: p.played_at))
    assert (
        set(interest_stream.rows)
        == {10 * who + 2 for who in range(3 * 31) if who % 3 != 1}
        == hits(plays)
    )


def test_a_hit_comes_once_in_a_batch_and_with_the_batch_that_completes_it(
    interest_stream: Stream,
) -> None:
    interest_stream.feed(
        [play(1, 0), play(2, MINUTE)], [play(3, 2 * MINUTE)], [play(4, 3 * MINUTE)]
    )
    ids = [sorted(row["event_id"] for row in batch) for batch in interest_stream.batches]
    assert ids == [[], [3], [3, 4]]


def test_a_duplicate_makes_no_third_play(interest_stream: Stream) -> None:
    again = play(2, MINUTE)
    interest_stream.feed([play(1, 0), again, again], [again], [again])
    assert interest_stream.rows == {}
    interest_stream.feed([play(3, 2 * MINUTE)])  # another event does
    assert set(interest_stream.rows) == {3}


def test_another_track_or_listener_makes_no_third_play(interest_stream: Stream) -> None:
    interest_stream.feed([play(1, 0), play(2, 1), play(3, 2, track=1), play(4, 3, customer=1)])
    assert interest_stream.rows == {}


def test_a_late_play_within_the_watermark_completes_an_interest(interest_stream: Stream) -> None:
    others = [play(50 + n, n * MINUTE, customer=9, track=n) for n in range(21)]
    interest_stream.feed(
        [play(1, 0), others[10]], [play(3, 20 * MINUTE), others[20]], others[11:12]
    )
    assert interest_stream.rows == {}
    interest_stream.feed([play(2, 10 * MINUTE)])  # ten minutes behind the latest play
    assert set(interest_stream.rows) == {3}
    assert interest_stream.dropped == 0


@pytest.mark.parametrize("seed", range(4))
def test_any_cut_into_batches_gives_the_same_interests_and_counts(
    interest_stream: Stream, minute_stream: Stream, seed: int
) -> None:
    plays = random_plays(seed, 120, 150)
    draw = random.Random(seed)
    # up to ten minutes late, and every tenth twice, up to ten minutes later
    arriving = [(p.played_at + draw.random() * 10 * MINUTE, p) for p in plays]
    arriving += [(p.played_at + draw.random() * 10 * MINUTE, p) for p in plays[::10]]
    order = [p for _, p in sorted(arriving)]
    cuts = sorted(draw.sample(range(1, len(order)), 4))
    batches = [order[a:b] for a, b in zip([0, *cuts], [*cuts, len(order)], strict=True)]
    interest_stream.feed(*batches[:3]).feed(*batches[3:])
    minute_stream.feed(*batches[:3]).feed(*batches[3:])
    want = hits(plays)
    assert len(want) > 10
    assert set(interest_stream.rows) == want
    assert in_all(minute_stream) == minutes(plays)


def test_a_duplicate_counts_once_in_whatever_batch(minute_stream: Stream) -> None:
    first, second = play(1, 0), play(2, 1000, zip="10001")
    minute_stream.feed([first, first], [second, first], [first])
    assert {id_: row["plays"] for id_, row in minute_stream.rows.items()} == {
        f"{NOON}|all|all": 2,
        f"{NOON}|zip|02139": 1,
        f"{NOON}|zip|10001": 1,
    }


def test_a_play_within_the_watermark_counts_and_one_too_late_is_counted_as_dropped(
    minute_stream: Stream,
) -> None:
    six_hours = 360 * MINUTE
    # Spark drops by the watermark that the batch before last left behind
    minute_stream.feed([play(1, 0)], [play(2, six_hours)], [play(3, six_hours + 1)])
    inside, outside = play(4, six_hours - 14 * MINUTE), play(5, MINUTE)
    minute_stream.feed([inside, outside, play(6, six_hours + 2)])
    assert minute_stream.dropped == 1
    assert in_all(minute_stream) == minutes(
        [play(1, 0), play(2, six_hours), play(3, six_hours + 1), inside, play(6, six_hours + 2)]
    )


def test_the_same_functions_work_on_a_batch(spark: SparkSession) -> None:
    plays = random_plays(5, 200, 200)
    frame = spark.createDataFrame(plays, SCHEMA).withColumn(
        "played_at", F.timestamp_millis("played_at")
    )
    assert {row["event_id"] for row in interests(frame).collect()} == hits(plays)
