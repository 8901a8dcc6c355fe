"""The frames of a stream's picture, against answers worked out by hand and Spark's own numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from kafka import TopicPartition
from kafka.errors import (
    CoordinatorNotAvailableError,
    GroupAuthorizationFailedError,
    KafkaError,
)
from kafka.structs import OffsetAndMetadata, OffsetAndTimestamp
from live_world import BY_FIVE, EVENING, MINUTE, evening, record, report
from nbclient import NotebookClient

from workshop_lib.errors import WorkshopError
from workshop_lib.lessons.live_view import groups, pictures, shape, widget
from workshop_lib.lessons.live_view.frames import (
    DROPPED,
    IN_ORDER,
    KINDS,
    LATE,
    PARTLY,
    REPEATED,
    Batch,
    Record,
    batch,
    dropped,
    frames,
)
from workshop_lib.runtime.wait import wait_until
from workshop_lib.settings import Settings

TESTS = str(Path(__file__).parents[1])
#: As Spark 4.2 prints the plans of notebooks 04 and 05, shortened where nothing is read.
CONVERT = "precisetimestampconversion(played_at#18-T600000ms, TimestampType, LongType)"
FIVE = f"""Aggregate [window#30-T600000ms], [window#30-T600000ms, count(1) AS count#21L]
+- Project [named_struct(start, knownnullable(precisetimestampconversion((({CONVERT} - CASE WHEN
 ((({CONVERT} - 0) % 300000000) < cast(0 as bigint)) THEN ((({CONVERT} - 0) % 300000000) +
 300000000) ELSE (({CONVERT} - 0) % 300000000) END) - 0), LongType, TimestampType)), end,
 knownnullable(precisetimestampconversion(((({CONVERT} - CASE WHEN ((({CONVERT} - 0) % 300000000)
 < cast(0 as bigint)) THEN ((({CONVERT} - 0) % 300000000) + 300000000) ELSE (({CONVERT} - 0) %
 300000000) END) - 0) + 300000000), LongType, TimestampType))) AS window#30-T600000ms, offset#11L]
"""
FIVE = " ".join(FIVE.splitlines()) + "\n"
WATERMARK = "EventTimeWatermark 77acffa7-e5f1, played_at#18: timestamp, 10 minutes\n"


def test_dots_are_what_became_of_each_record_and_all_numbers_are_those_of_spark() -> None:
    drawn = evening()
    kinds = [[dot.kind for dot in frame.dots] for frame in drawn]
    assert kinds == [
        [IN_ORDER] * 3,
        [IN_ORDER, LATE, IN_ORDER],
        [IN_ORDER, LATE, IN_ORDER],
        [DROPPED, DROPPED, IN_ORDER],
        [IN_ORDER, DROPPED, IN_ORDER],
    ]
    assert dropped(drawn) == 3
    # Spark adds up a batch's records of one window before it drops them: two are one row.
    assert [frame.dropped_rows for frame in drawn] == [0, 0, 0, 1, 1]
    assert [frame.differs for frame in drawn] == [""] * 5


def test_a_picture_that_is_not_what_spark_reports_says_so() -> None:
    given = [(report(0, None, 1, dropped=4, state=9), [record(0, 1)])]
    assert next(frames(BY_FIVE, given)).differs == (
        "rows dropped: Spark 4, picture 0; rows of state: Spark 9, picture 1"
    )


def test_a_batch_is_judged_by_the_watermark_of_the_one_before() -> None:
    given = [
        (report(0, None, 1, 0, 1), [record(0, 20)]),
        (report(1, 10, 1, 0, 1), [record(1, 6)]),  # its window ends at the watermark of batch 1
        (report(2, 10, 1, 1, 1), [record(2, 6)]),
    ]
    drawn = list(frames(BY_FIVE, given))
    assert [frame.dots[0].kind for frame in drawn] == [IN_ORDER, LATE, DROPPED]
    assert [frame.differs for frame in drawn] == [""] * 3


def test_windows_fill_are_emitted_and_close_in_the_way_of_each_mode() -> None:
    def windows(mode: str, number: int) -> dict[int, tuple[int, bool, bool]]:
        found = evening(mode)[number].windows
        return {(w.start - EVENING) // MINUTE: (w.records, w.emitted, w.closed) for w in found}

    update = {0: (2, False, True), 5: (1, False, True), 10: (3, True, False)}
    assert windows("update", 2) == update | {20: (2, True, False), 25: (1, True, False)}
    append = {0: (2, True, True), 5: (1, True, True), 10: (3, False, False)}
    assert windows("append", 2) == append | {20: (2, False, False), 25: (1, False, False)}
    assert not any(closed for _, _, closed in windows("complete", 4).values())


def test_what_is_repeated_is_ignored_until_the_watermark_forgets_it() -> None:
    shape = BY_FIVE._replace(keys=("customer_id",), distinct=("event_id",))
    given = [
        (
            report(0, None, 3, 0, 4)._replace(duplicates=1),
            [record(n, 20, event_id=n % 2, customer_id=n % 2) for n in range(3)],
        ),
        # Two windows and two ids are kept; a play before the watermark is dropped as such.
        (report(1, 10, 0, 0, 4), []),
        (report(2, 10, 1, 1, 4), [record(3, 9, event_id=9, customer_id=1)]),
        (report(3, 30, 0, 0, 0), []),
    ]
    drawn = list(frames(shape, given))
    assert [dot.kind for frame in drawn for dot in frame.dots] == [
        *(IN_ORDER, IN_ORDER, REPEATED, DROPPED)
    ]
    assert [frame.differs for frame in drawn] == [""] * 4


def test_a_late_record_may_count_in_some_of_its_sliding_windows() -> None:
    sliding = BY_FIVE._replace(window=10 * MINUTE)
    given = [
        (report(0, 0, 1, 0, 2), [record(0, 30)]),
        (report(1, 20, 0, 0, 2), []),
        (report(2, 20, 1, 1, 3), [record(1, 17)]),
    ]
    assert [frame.differs for frame in frames(sliding, given)] == [""] * 3
    assert list(frames(sliding, given))[-1].dots[0].kind == PARTLY


def test_a_part_of_a_batch_is_drawn_and_not_counted() -> None:
    given = [(report(0, None, 20_000, 7, 50), [record(0, 1), Record(0, 1, {})])]
    frame = next(frames(BY_FIVE, given))
    assert (len(frame.dots), frame.no_event_time, frame.windows) == (1, 1, [])
    assert frame.differs == "1 of 20,000 records are drawn; counts are Spark's"
    assert frame.spark_dropped == 7


def test_progress_is_read_as_spark_writes_it() -> None:
    progress = {
        "batchId": 3,
        "timestamp": "2026-11-25T21:52:53.984Z",
        "numInputRows": 3,
        "eventTime": {"watermark": "1970-01-01T00:00:00.000Z"},
        "stateOperators": [
            {"numRowsDroppedByWatermark": 1, "numRowsTotal": 2, "customMetrics": {}},
            {
                "numRowsDroppedByWatermark": 4,
                "numRowsTotal": 5,
                "customMetrics": {"numDroppedDuplicateRows": 6},
            },
        ],
    }
    assert batch(progress) == Batch(3, "2026-11-25T21:52:53.984Z", None, 3, 5, 7, 6)


def test_the_shape_of_a_query_is_read_from_its_plan() -> None:
    assert shape.read(FIVE + WATERMARK, "Update") == BY_FIVE
    without = shape.read(FIVE, "Complete")
    assert without == BY_FIVE._replace(delay=None, mode="complete")
    keyed = FIVE.replace("[window#30-T600000ms]", "[window#30, customer_id#68, track_id#69]", 1)
    keyed += "DeduplicateWithinWatermark [event_id#67L]\n" + WATERMARK
    found = shape.read(keyed, "Append")
    assert (found.keys, found.distinct) == (("customer_id", "track_id"), ("event_id",))
    assert shape.duration("1 hours 30 minutes") == 90 * MINUTE
    with pytest.raises(WorkshopError, match="no event time"):
        shape.read("Project [value#1]", "Append")


def test_each_kind_of_record_has_a_shape_of_its_own() -> None:
    script = (Path(pictures.__file__).parent / "player.js").read_text()
    assert len({marker for marker, _ in pictures.LOOK.values()}) == len(KINDS)
    assert all(f'"{kind}": [' in script for kind in KINDS)


def test_without_a_browser_the_last_frame_is_a_picture_with_a_description() -> None:
    drawn = pictures.draw(evening(), "My stream")
    assert drawn.png.startswith(b"\x89PNG")
    assert drawn.alt.startswith(
        "My stream: 5 batches. Records: 10 in order, 2 late, counted, 3 too late, dropped. "
        "Watermark at the end: 20:20. Spark counted 2 dropped rows. "
        "Windows: 20:00–20:05: 2 (closed)"
    )
    assert "no batch yet" in pictures.draw([], "My stream").alt


def test_figures_that_a_notebook_draws_after_the_picture_are_shown() -> None:
    view = (
        f"import sys; sys.path.insert(0, {TESTS!r}); import live_world; live_world.recorded_view()"
    )
    sources = (
        view,
        "import pandas as pd\nax = pd.Series([1, 2]).plot();",
    )
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, kernel_name="python3", timeout=120).execute()
    picture, plot = ([set(each.data) for each in cell.outputs] for cell in notebook.cells)
    assert "application/vnd.jupyter.widget-view+json" in picture[0]
    assert [data & {"image/png"} for data in plot] == [{"image/png"}]


def test_a_group_is_drawn_as_kafkas_administration_describes_it() -> None:
    def member(name: str, partitions: list[int]) -> dict[str, Any]:
        given = {"assigned_partitions": [{"topic": "plays", "partitions": partitions}]}
        return {"client_id": name, "member_assignment": given if partitions else b""}

    offset = OffsetAndMetadata(2, "", 0)
    frame = groups.frame(
        "plays",
        {"group_state": "Stable", "members": [member("Cho", []), member("Ann", [1, 0])]},
        {TopicPartition("plays", 0): offset},
        {TopicPartition("plays", n): OffsetAndTimestamp(n + 3, -1, 0) for n in range(2)},
    )
    assert frame["members"] == [
        {"name": "Ann", "partitions": [0, 1]},
        {"name": "Cho", "partitions": []},
    ]
    assert frame["partitions"] == [
        {"number": 0, "committed": 2, "end": 3},
        {"number": 1, "committed": None, "end": 4},
    ]
    assert groups.describe([frame], "Ours") == (
        "Ours: Stable, 1 changes seen. Members: Ann reads 0, 1; Cho reads nothing. "
        "Partitions: 0: 2 of 3, 1: none of 4."
    )


class NewBroker:
    """Kafka's administration where the first question about a group has ``error`` as its answer."""

    def __init__(self, error: KafkaError) -> None:
        self.errors = [error]

    def describe_topics(self, topics: list[str]) -> list[dict[str, Any]]:
        return [{"partitions": [{"partition_index": 0}]} for _ in topics]

    def describe_groups(self, names: list[str]) -> dict[str, dict[str, Any]]:
        if self.errors:
            raise self.errors.pop()
        return {name: {"group_state": "Empty", "members": []} for name in names}

    def list_group_offsets(self, names: list[str]) -> dict[str, dict[TopicPartition, Any]]:
        return {name: {} for name in names}

    def list_partition_offsets(self, wanted: dict[TopicPartition, Any]) -> dict[Any, Any]:
        return {each: OffsetAndTimestamp(3, -1, 0) for each in wanted}

    def close(self) -> None:
        pass


def followed(monkeypatch: pytest.MonkeyPatch, error: KafkaError) -> groups.GroupView:
    broker = NewBroker(error)
    monkeypatch.setattr(groups, "kafka_admin", lambda settings: broker)
    picture = groups.view_group(Settings(), "plays", "readers")
    with picture:
        wait_until(lambda: bool(picture.frames or picture.note), 10, "the group's picture")
    return picture


def test_a_group_is_followed_although_a_new_broker_has_no_coordinator_yet(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    picture = followed(monkeypatch, CoordinatorNotAvailableError())
    assert picture.note == "" and picture.frames[-1]["state"] == "Empty"


def test_a_picture_of_a_group_that_kafka_refuses_says_so_until_it_begins_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    picture = followed(monkeypatch, GroupAuthorizationFailedError())
    assert "GroupAuthorizationFailedError" in picture.note and not picture.frames
    with picture:
        wait_until(lambda: bool(picture.frames), 10, "the group's picture")
    assert picture.note == ""


def test_the_browser_gets_the_newest_frames_that_are_not_too_many_dots(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(widget, "DOTS", 6)
    assert [frame["batch"] for frame in widget.newest(evening())] == [3, 4]
    monkeypatch.setattr(widget, "DOTS", 1)
    assert [frame["batch"] for frame in widget.newest(evening())] == [4]
    assert widget.newest([]) == []
