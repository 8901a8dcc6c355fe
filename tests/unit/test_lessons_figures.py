"""The lessons about Kafka, Spark and operation: what their pictures show and their tables say."""

from __future__ import annotations

import json
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib.pyplot as plt
import pytest
from matplotlib.figure import Figure

from workshop_lib.lessons import interests, kafka_by_hand, operate_it, spark_streaming
from workshop_lib.lessons.kafka_by_hand import PartitionLag, evening
from workshop_lib.schema.play import when


def record(partition: int, offset: int, key: int) -> Any:
    return SimpleNamespace(partition=partition, offset=offset, key=b"%d" % key, timestamp=0)


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for ax in figure.axes for text in ax.texts]


def test_every_record_of_a_topic_carries_its_listener() -> None:
    figure = kafka_by_hand.draw_partitions([record(0, 0, 4), record(2, 0, 7), record(2, 1, 7)])
    assert Counter(texts(figure)) == Counter(
        {"partition 0": 1, "partition 2": 1, "": 2, "4": 1, "7": 2, "00:00": 3}
    )


def test_a_record_that_was_read_twice_or_never_says_so() -> None:
    records = [record(0, 0, 4), record(0, 1, 4), record(0, 2, 4)]
    seen = kafka_by_hand.times_read([records[0], records[1], records[1]])
    marks = [text for text in texts(kafka_by_hand.draw_partitions(records, seen)) if "×" in text]
    assert marks == ["× 2", "× 0"]


def test_the_member_without_a_partition_is_called_idle() -> None:
    figure = kafka_by_hand.draw_groups([{"Ann": [0], "Ben": []}], count=1)
    assert "Ben: idle" in texts(figure) and "Ann: idle" not in texts(figure)


def test_lag_is_what_is_not_committed() -> None:
    figure = kafka_by_hand.draw_lag([PartitionLag(0, 0, 7)], [PartitionLag(0, 5, 7)])
    assert texts(figure) == ["lag 7", "lag 2"]
    assert [ax.get_title() for ax in figure.axes] == [
        "before: lag 7 in all",
        "after: lag 2 in all",
    ]


def test_each_play_of_the_evening_is_one_event_and_none_is_before_the_start() -> None:
    plays = evening(1000)
    assert len({play.event_id for play in plays}) == len(plays) == 12
    assert min(play.played_at for play in plays) == 1000


def test_a_play_that_comes_late_is_sent_after_those_that_overtook_it() -> None:
    plays = spark_streaming.evening({"late": (10, 23, 13), "other": (12, 22)})
    minutes = [
        (play.customer_id, spark_streaming.minute(when(play.played_at, iso=True))) for play in plays
    ]
    assert minutes == [(1, "20:10"), (2, "20:12"), (2, "20:22"), (1, "20:23"), (1, "20:13")]


def test_a_play_that_was_sent_twice_is_one_event() -> None:
    first, second, again = spark_streaming.evening({"twice": (2, 14, 14)})
    assert second == again and first.event_id != second.event_id


def test_a_way_of_counting_is_right_only_with_the_true_number() -> None:
    figure = interests.draw_comparison(
        {"a": (1, 2, 3), "b": (1, 2)}, {"a": 1, "b": 0}, {"some way": {"a": 2}}
    )
    assert texts(figure) == ["1", "✗ 2", "0", "✓ 0"]


def test_missed_and_invented_are_told_apart_from_counted_twice() -> None:
    truth = {(1, 7): 1, (2, 7): 1}
    table = interests.compare(truth, {"way": [(1, 7), (1, 7), (3, 7)]})
    assert table.loc["truth"].to_dict() == {
        "interests": 2,
        "right": 2,
        "missed": 0,
        "invented": 0,
    }
    assert table.loc["way"].to_dict() == {"interests": 3, "right": 1, "missed": 1, "invented": 1}


def test_a_moment_that_spark_collected_is_shown_in_utc_wherever_the_machine_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TZ", "Asia/Seoul")
    time.tzset()
    try:
        assert spark_streaming.minute(datetime(2026, 1, 5, 5, 30)) == "20:30"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_the_beginning_of_time_is_no_watermark() -> None:
    assert spark_streaming.minute("1970-01-01T00:00:00.000Z") == "none"
    assert spark_streaming.minute("2026-01-04T21:05:00.000Z") == "21:05"


def test_of_the_measured_runs_those_that_failed_are_left_out(tmp_path: Path) -> None:
    file = tmp_path / "benchmarks.json"
    assert operate_it.measured_runs(file) == []
    runs = [
        {"plays": 100, "seconds": 2.0},
        {"plays": 200, "seconds": 3.0, "failed": "out of memory"},
        {"plays": 300, "left_out": "too long"},
    ]
    file.write_text(json.dumps({"curve": {"result": runs}}))
    assert operate_it.measured_runs(file) == [(100, 2.0)]


def test_the_numbers_that_come_with_the_workshop_are_in_the_picture_of_costs() -> None:
    ours = operate_it.measured_runs()
    assert ours
    operate_it.draw_costs({200: [(200, 0.6)], 4000: [(4000, 1.36)]}, fixed=0.56, each=0.0002)
    (axes,) = plt.gcf().axes
    formula, alone, runs = axes.lines
    assert list(formula.get_ydata())[-1] == pytest.approx(200, rel=0.1)  # µs: hardly any fixed cost
    assert list(alone.get_ydata()) == pytest.approx([200, 200])
    assert list(runs.get_xdata()) == [plays for plays, _ in ours]
    batches = axes.collections[0].get_offsets()
    numbers = [number for point in batches for number in point]
    assert numbers == pytest.approx([200, 3000, 4000, 340])
    plt.close()
