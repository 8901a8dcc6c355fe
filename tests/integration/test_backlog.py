"""A backlog of many batches is counted exactly, whatever its partitions look like."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from stream_world import MINUTE, counted, documents, hits, minutes, play, write_world

from workshop_lib.runtime import connections
from workshop_lib.runtime.wait import wait_until
from workshop_lib.schema.names import PLAYS_TOPIC
from workshop_lib.schema.play import Play, to_json
from workshop_lib.settings import Settings
from workshop_lib.stack.reset import reset
from workshop_lib.stream.progress import caught_up, progress
from workshop_lib.stream.query_run import BatchWriter
from workshop_lib.stream.run import run

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures("spark")]

STATEFUL = ["aggregates", "interests"]
HOUR = 60 * MINUTE


def partitions() -> dict[int, list[Play]]:
    """Plays of a day: one partition has most, one very few, one is empty."""
    many = [play(n, n * MINUTE, customer=0, track=n % 7 % 2) for n in range(1440)]
    some = [play(10_000 + n, n * 5 * MINUTE, customer=1, track=n % 2) for n in range(288)]
    few = [play(20_000 + n, n * HOUR, customer=2) for n in range(24)]
    for each in (many, some):  # within the watermark: every tenth comes ten minutes late
        for n in range(20, len(each) - 20, 10):
            each[n] = each[n]._replace(played_at=each[n].played_at - 10 * MINUTE)
    return {0: many, 1: some, 2: few, 3: []}


def too_late() -> dict[int, list[Play]]:
    """Plays five hours behind those before them, at the end of two partitions."""
    return {
        0: [play(30_000 + n, (1440 - 300 - n) * MINUTE, customer=3) for n in range(5)],
        1: [play(31_000 + n, (1440 - 400 - n) * MINUTE, customer=3) for n in range(5)],
    }


def fill(settings: Settings, plays: dict[int, list[Play]]) -> None:
    producer = connections.producer(settings)
    for partition, each in plays.items():
        for one in each:
            producer.send(settings.topic(PLAYS_TOPIC), to_json(one), partition=partition)
    producer.close()


@pytest.fixture
def behind(stack: Settings) -> Iterator[Settings]:
    settings = stack.model_copy(update={"batch_records": 300, "trigger_seconds": 0.5})
    write_world(settings)
    connections.create_topics(settings)
    fill(settings, partitions())
    yield settings
    reset(settings)


def on_time() -> list[Play]:
    return [each for some in partitions().values() for each in some]


def state_rows(reports: list[tuple[str, dict[str, Any]]]) -> int:
    return max(report["state_rows"] for _, report in reports)


def test_nothing_is_late_that_is_in_order_in_its_partition(behind: Settings) -> None:
    reports: list[tuple[str, dict[str, Any]]] = []
    done = run(behind, STATEFUL, available_now=True, report=lambda *report: reports.append(report))
    for name in STATEFUL:
        known = done[name] or {}
        assert known["batch"] >= 5
        assert known["dropped_by_watermark"] == 0
        assert known["input_rows"] == len(on_time())
    assert counted(behind) == minutes(on_time())
    assert {int(id_) for id_ in documents(behind, "interests")} == hits(on_time())
    # A play has a row for its id and up to six for its counts, and is kept for two batches.
    assert state_rows(reports) < 3 * 7 * behind.batch_records < 7 * len(on_time())
    lags = [report["lag"] for name, report in reports if name == "aggregates"]
    assert lags == sorted(lags, reverse=True)
    assert lags[-1] == 0


def test_a_stream_that_starts_behind_catches_up_and_goes_on(behind: Settings) -> None:
    stop = threading.Event()
    late = [each for some in too_late().values() for each in some]

    def dropped() -> int:
        return int((progress(behind, "aggregates") or {})["dropped_by_watermark"])

    with ThreadPoolExecutor(1) as beside:
        running = beside.submit(run, behind, ["aggregates"], stop=stop)

        def written() -> bool:
            return running.done() or caught_up(behind, ["aggregates"])

        try:
            wait_until(written, 400, "the backlog to be written")
            assert not running.done(), running.exception()
            # Live now: partition 2, idle for hours, does not hold the watermark back.
            news = {0: [play(40_000 + n, (1500 + n) * MINUTE) for n in range(30)]}
            for part in (news, too_late()):
                fill(behind, part)
                wait_until(written, 200, "the news to be written")
            # Spark reports it after the batch.
            wait_until(lambda: dropped() == len(late), 60, "the late plays to be dropped")
        finally:
            stop.set()
        running.result()
    assert dropped() == len(late)
    assert counted(behind) == minutes([*on_time(), *news[0]])


def test_a_batch_with_the_wrong_watermarks_is_not_computed(
    behind: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the stream had been live when the plays came: it starts again for the same batch."""
    restarts: list[frozenset[int]] = []
    check = BatchWriter._check_watermarks

    def noted(writer: BatchWriter, number: int) -> None:
        try:
            check(writer, number)
        finally:
            if writer.restart:
                restarts.append(writer.restart.partitions)

    monkeypatch.setattr(BatchWriter, "_check_watermarks", noted)
    monkeypatch.setattr(
        "workshop_lib.stream.query_run.QueryRun._behind", lambda query_run: frozenset()
    )
    done = run(behind, ["aggregates"], available_now=True)
    assert restarts[0] == {0, 1, 2}
    assert (done["aggregates"] or {})["dropped_by_watermark"] == 0
    assert counted(behind) == minutes(on_time())


def test_with_one_watermark_for_all_partitions_plays_are_lost(
    behind: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: what the watermarks of the partitions are for."""
    old = {3: [play(50_000 + n, n * MINUTE, customer=2, track=1) for n in range(40)]}
    fill(behind, old)
    monkeypatch.setattr(BatchWriter, "_check_watermarks", lambda writer, number: None)
    monkeypatch.setattr(
        "workshop_lib.stream.query_run.QueryRun._behind", lambda query_run: frozenset()
    )
    done = run(behind, ["aggregates"], available_now=True)
    dropped = (done["aggregates"] or {})["dropped_by_watermark"]
    assert dropped > 0
    assert sum((minutes([*on_time(), *old[3]]) - counted(behind)).values()) == dropped


def test_the_plays_of_this_test_are_late_by_their_arrival(tmp_path: Path) -> None:
    latest: Counter[int] = Counter()
    for partition, plays in partitions().items():
        for each in plays:
            latest[partition] = max(latest[partition], each.played_at)
            assert latest[partition] - each.played_at < 15 * MINUTE
