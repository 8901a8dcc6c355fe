"""The account of a chaos run, and the faults' table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from workshop_lib.commands.chaos import markdown
from workshop_lib.verify.chaos.check import Account, Written, WrittenPlay, _interests, account
from workshop_lib.verify.chaos.faults import faults
from workshop_lib.verify.chaos.load import Writer
from workshop_lib.verify.chaos.page import Numbers, on_page
from workshop_lib.verify.chaos.run import Report, Round

MINUTE = 60_000


@pytest.mark.parametrize(
    ("stored", "dead", "lost", "duplicated", "invented"),
    [
        ([1, 2, 3], [], 0, 0, 0),
        ([1, 2], ["broken"], 1, 0, 1),
        ([1, 3], [2], 0, 0, 0),
        ([1, 2, 3, 3], [], 0, 1, 0),
        ([1, 2, 3], [3], 0, 1, 0),  # stored and dead-lettered
        ([1, 2, 3, 4], [], 0, 0, 1),
        ([], [], 3, 0, 0),
    ],
)
def test_what_was_attempted_is_stored_or_dead_lettered_once(
    stored: list[int], dead: list, lost: int, duplicated: int, invented: int
) -> None:
    found = account("hop", [1, 2, 3], stored, dead)
    assert (found.lost, found.duplicated, found.invented) == (lost, duplicated, invented)
    assert found.ok is not any((lost, duplicated, invented))


def test_a_hop_that_is_at_least_once_may_repeat_but_not_invent() -> None:
    found = account("hop", [1, 2], [1, 1, 2], at_least_once=True)
    assert found.ok and found.repeated == 1
    assert not account("hop", [1, 2], [1, 2, 3], at_least_once=True).ok


def test_interests_by_the_rules_own_words() -> None:
    def written(*minutes: float) -> Written:
        plays = {n: WrittenPlay(1, 2, int(m * MINUTE)) for n, m in enumerate(minutes)}
        return Written(plays | {99: WrittenPlay(1, 3, 0)})

    assert _interests(written(0, 15, 30)) == {2}
    assert _interests(written(0, 15, 30.001)) == set()
    assert _interests(written(0, 1, 2, 3)) == {2, 3}


def test_the_writer_knows_all_that_it_wrote(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "log" / "plays.log", 50, 20, rate=0, seed=1)
    for _ in range(20):
        writer._append(100)
    lines = writer.log.read_text().splitlines()
    written = writer.written
    assert len(lines) == written.lines > 2000, "some are written twice"
    assert {line for line in lines if line.startswith("broken")} == written.broken
    assert {int(line.split(",")[0]) for line in lines if line[0].isdigit()} == set(written.plays)
    assert max(written.plays) == writer.latest == len(written.plays)


def test_every_server_and_process_is_killed_frozen_and_restarted() -> None:
    table = faults(with_page=True, with_disk=True)
    for name in ("kafka", "elasticsearch", "redis", "stream", "ship-kafka", "sms-server", "web"):
        assert {f"{name} killed", f"{name} frozen", f"{name} restarted"} <= table.keys()
    assert {"spark-jvm killed", "python-workers killed", "down and up", "log rotated"} <= set(table)
    assert "disk full" in table
    without = faults(with_page=False, with_disk=False)
    assert not any("web" in name for name in without) and "disk full" not in without


def test_a_round_that_did_not_recover_or_a_control_that_was_missed_is_not_ok() -> None:
    fine = Account("hop", 1, 1, 0, 0, 0, 0)
    rounds = [Round("kafka killed", 5.0), Round("kafka killed", 7.0, "page", ["stream"])]
    good = Report(1, rounds, [fine], {"control": True}, 60)
    assert good.ok
    assert good.by_fault()[0] | {"errors": ""} == {
        "fault": "kafka killed",
        "rounds": 2,
        "recovered": 2,
        "median_seconds": 6.0,
        "longest_seconds": 7.0,
        "came_last": {"page": 1},
        "started_again": {"stream": 1},
        "errors": "",
    }
    for bad in (
        Report(1, [Round("kafka killed")], [fine], {"control": True}, 60),
        Report(1, [Round("kafka killed", 5.0, error="no")], [fine], {"control": True}, 60),
        Report(1, rounds, [Account("hop", 1, 0, 0, 1, 0, 0)], {"control": True}, 60),
        Report(1, rounds, [fine], {"control": False}, 60),
    ):
        assert not bad.ok
        assert "NOT OK" in markdown(bad.as_dict())
    assert "nothing lost" in markdown(good.as_dict())
    assert "Left out" not in markdown(good.as_dict())
    left_out = replace(good, left_out={"full disk": "no root"})
    assert left_out.ok and "| full disk | no root |" in markdown(left_out.as_dict())


def test_the_page_is_right_between_what_the_stores_hold_before_and_after() -> None:
    before, after = Numbers(10, 2, 9), Numbers(12, 2, 12)
    snapshot = {
        "elasticsearch": {"data": {"everything": {"plays": 11}, "messages": {"count": 2}}},
        "redis": {"data": {"minutes": [[0, 4], [60_000, 6]]}},
    }
    assert on_page(snapshot) == Numbers(11, 2, 10)
    assert on_page(snapshot).between(before, after)
    # One that shows what was, and one that shows what is nowhere.
    assert not Numbers(9, 2, 9).between(before, after)
    assert not Numbers(11, 2, 13).between(before, after)
