"""The live picture of real queries: dots marked dropped are those that Spark dropped."""

from __future__ import annotations

from typing import Any

import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from workshop_lib.lessons.live_view import view
from workshop_lib.lessons.live_view.frames import DROPPED, REPEATED
from workshop_lib.lessons.spark_streaming import EVENING, play, send
from workshop_lib.runtime.connections import create_topics
from workshop_lib.settings import Settings
from workshop_lib.stream.source import parse, plays, records

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures("nothing_left")]

#: Three a batch. 20:06 and 20:07 are of one window, which is closed; 20:16 comes in the batch that
#: closes its window, and counts.
MINUTES = (1, 4, 12, 14, 9, 20, 22, 13, 26, 6, 7, 36, 16, 31, 40, 11, 45, 46)


def with_partitions(stack: Settings, number: int) -> Settings:
    place = stack.model_copy(update={"plays_partitions": number})
    create_topics(place)
    return place


def by_window(spark: Any, place: Settings, late: str) -> DataFrame:
    found = plays(parse(records(spark, place, limit=3), place)).withWatermark("played_at", late)
    return found.groupBy(F.window("played_at", "5 minutes")).count()


def test_dots_marked_dropped_are_those_that_spark_dropped(spark: Any, stack: Settings) -> None:
    place = with_partitions(stack, 1)
    send(place, [play(n, 0, 7, minute) for n, minute in enumerate(MINUTES)])
    given: dict[int, int] = {}

    def keep(batch: DataFrame, number: int) -> None:
        rows = batch.selectExpr("unix_millis(window.start) AS start", "count").collect()
        given.update((row["start"], row["count"]) for row in rows)

    def counted(late: str) -> Any:
        given.clear()
        writer = by_window(spark, place, late).writeStream.outputMode("update").foreachBatch(keep)
        query = writer.trigger(availableNow=True).start()
        query.awaitTermination()
        return query

    picture = view(counted("10 minutes"), place, again=counted)
    frames = picture.all_frames
    assert [frame.differs for frame in frames] == [""] * len(frames) and not picture.note
    dots = [dot for frame in frames for dot in frame.dots]
    assert len(dots) == len(MINUTES)
    gone = [(dot.at - EVENING) // 60_000 for dot in dots if dot.kind == DROPPED]
    assert gone == [6, 7, 11]
    assert sum(frame.spark_dropped for frame in frames) == 2  # rows: 6 and 7 are of one window
    assert sum(given.values()) == picture.counted == len(MINUTES) - len(gone)
    assert {w.start: w.records for w in frames[-1].windows} == given

    picture.late = 60  # as the slider does: a run of the same query with another delay
    assert (picture.dropped, picture.counted, picture.note) == (0, len(MINUTES), "")
    assert [frame.differs for frame in picture.all_frames] == [""] * len(picture.all_frames)
    assert sum(given.values()) == len(MINUTES)


def test_a_running_query_is_followed_with_what_it_ignores(spark: Any, stack: Settings) -> None:
    place = with_partitions(stack, 2)
    evening = [play(n % 9, n % 2, 7, minute=n % 9) for n in range(12)]
    send(place, evening)
    some = records(spark, place, limit=6)
    distinct = plays(parse(some, place)).withWatermark("played_at", "10 minutes")
    distinct = distinct.dropDuplicatesWithinWatermark(["event_id"])
    counts = distinct.groupBy(F.window("played_at", "10 minutes", "5 minutes"), "customer_id")
    query = counts.count().writeStream.format("noop").outputMode("append").start()
    try:
        picture = view(query, place)
        picture.until(counted=9)
        assert sum(frame.count(REPEATED) for frame in picture.all_frames) == 3
        assert not any(frame.differs for frame in picture.all_frames) and not picture.note
    finally:
        query.stop()
        picture.close()
