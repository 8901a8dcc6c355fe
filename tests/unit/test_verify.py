"""The score itself: it must see what is missing, invented or miscounted."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from workshop_lib.errors import WorkshopError
from workshop_lib.settings import Settings
from workshop_lib.verify import actual
from workshop_lib.verify.check import Check, Stage, equal, same_counts, same_ids
from workshop_lib.verify.expected import expected, top
from workshop_lib.verify.offers import stage3

MINUTE = 60_000
#: 2026-01-01T23:00:00Z
START = 1_767_308_400_000

CUSTOMERS = """\
CustID,Name,Gender,Address,zip,SignDate,Status,Level,Campaign,LinkedWithApps,BirthYear
0,"A","1","Street 1","02108","01/01/2020","1","2","0","1","1990"
7,"B","0","Street 2","90001","01/01/2020","1","0","4","0",""
"""
TRACKS = """TrackId,Title,Artist,Length
0,"First","One",180
5,"Fifth, the","Two",200
"""


def _row(line: int, kind: str, event: int, customer: int, track: int, minute: float) -> dict:
    return {
        "line": line,
        "kind": kind,
        "event_id": event,
        "customer_id": customer,
        "track_id": track,
        "played_at": START + int(minute * MINUTE),
        "is_mobile": customer == 0,
        "zip": "02108" if customer == 0 else "00000",
        "reason": None,
    }


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """Three plays of track 5 by customer 0 within exactly 30 minutes, over midnight; faults."""
    (tmp_path / "cust.csv").write_text(CUSTOMERS)
    (tmp_path / "music.csv").write_text(TRACKS)
    rows = [
        _row(1, "play", 1, 0, 5, 40),
        _row(2, "play", 2, 7, 0, 45),
        _row(3, "play", 3, 0, 5, 50),
        _row(4, "duplicate", 3, 0, 5, 50),
        _row(5, "malformed", 0, 0, 0, 0),
        _row(6, "play", 4, 0, 5, 70),
        _row(7, "late", 5, 9, 5, 65),
    ]
    frame = pd.DataFrame(rows).astype(
        {"event_id": "Int64", "customer_id": "Int64", "track_id": "Int64", "played_at": "Int64"}
    )
    frame.loc[4, ["event_id", "customer_id", "track_id", "played_at"]] = pd.NA
    frame.to_parquet(tmp_path / "ledger.parquet")
    return tmp_path


def test_the_truth_counts_each_event_once_and_labels_it(world: Path) -> None:
    want = expected(world, 0, 7, shift_ms=0)

    assert (len(want.lines), want.malformed, want.duplicates, len(want.plays)) == (7, 1, 1, 5)
    plays = want.plays.set_index("event_id")
    assert plays.loc[1, ["gender", "level", "age_band", "device", "state", "hour"]].tolist() == [
        "female", "Gold", "35-44", "mobile", "MA", 23,
    ]  # fmt: skip
    assert plays.loc[2, ["gender", "level", "age_band", "state", "title"]].tolist() == [
        "male", "Free", "unknown", "unknown", "First",
    ]  # fmt: skip
    # Customer 9 is in no file: the play stays, marked.
    assert plays.loc[5, ["gender", "level", "customer_known", "title"]].tolist() == [
        "unknown", "unknown", False, "Fifth, the",
    ]  # fmt: skip
    assert set(want.of_kind("late")["event_id"]) == {5}


def test_exactly_thirty_minutes_is_an_interest_and_the_duplicate_is_no_play(world: Path) -> None:
    assert expected(world, 0, 7, 0).hits["event_id"].tolist() == [4]
    # Without the sixth line there are two plays and a duplicate: no interest.
    assert expected(world, 0, 5, 0).hits.empty


def test_a_shift_moves_hours_and_years(world: Path) -> None:
    hour = 60 * MINUTE
    want = expected(world, 0, 7, shift_ms=24 * 365 * hour + 2 * hour)

    assert want.plays.set_index("event_id").loc[1, "hour"] == 1
    # 2027 − 1990 = 37: another year, the same band; the hits do not depend on the date.
    assert want.hits["event_id"].tolist() == [4]


def test_a_part_of_the_record_is_scored_as_that_part(world: Path) -> None:
    assert set(expected(world, 2, 6, 0).plays["event_id"]) == {3, 4}


def test_top_breaks_ties_by_value() -> None:
    plays = pd.DataFrame({"artist": ["b", "a", "c", "c"]})
    assert top(plays, "artist", 2) == [("c", 2), ("a", 1)]


@pytest.mark.parametrize(
    ("check", "ok", "actual"),
    [
        (equal("n", 3, 3), True, 3),
        (equal("n", 3, 4), False, 4),
        (same_ids("ids", {1, 2}, {1, 2}), True, {"found": 2, "missed": 0, "invented": 0}),
        (same_ids("ids", {1, 2}, {2, 3}), False, {"found": 1, "missed": 1, "invented": 1}),
        (same_counts("c", {"a": 1, "b": 0}, {"a": 1}), True, "1 in 2 groups"),
        (
            same_counts("c", {"a": 1}, {"a": 2, "b": 1}),
            False,
            {"a": {"expected": 1, "actual": 2}, "b": {"expected": 0, "actual": 1}},
        ),
    ],
)
def test_a_check_says_what_differs(check: Check, ok: bool, actual: object) -> None:
    assert (check.ok, check.actual) == (ok, actual)


def test_a_stage_holds_only_if_all_its_checks_do_and_there_are_any() -> None:
    good, bad = equal("good", 1, 1), equal("bad", 1, 2)
    assert Stage(1, "see it", [good]).ok
    assert not Stage(1, "see it", [good, bad]).ok
    assert not Stage(1, "see it", []).ok


def test_stage_3_scores_who_was_targeted_and_that_each_was_told_once(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Customer 7 is the one who may be asked, and would take it; customer 0 is Gold."""
    settings = Settings(home=tmp_path, data=world)
    pd.DataFrame({"customer_id": [0, 7], "would_take": [False, True]}).to_parquet(
        world / "ledger_customers.parquet"
    )
    metrics = {"error": 0.02, "lift": 5.0, "baseline_error": 0.1}
    found = {
        "active_model": {"accepted": True, "metrics": metrics},
        "opted_out": set(),
        "unfinished_messages": 0,
    }
    target = {"_id": "t", "customer_id": 7, "event_id": 2, "target_id": "t", "score": 0.9}
    stored = {"targets": [target], "sms": [{"_id": "t", "status": "sent"}]}
    for name in found:
        monkeypatch.setattr(actual, name, lambda settings, name=name: found[name])
    monkeypatch.setattr(actual, "documents", lambda settings, index, *_: iter(stored[index]))
    phone = {"messages": [{"key": "t"}]}

    def wrong() -> set[str]:
        stage = stage3(settings, expected(world, 0, 7, 0), phone)
        return {check.name for check in stage.checks if not check.ok}

    assert wrong() == set()
    found["opted_out"] = {7}
    assert wrong() == {"listeners targeted who opted out"}
    found["opted_out"] = set()
    stored["sms"] = []
    assert wrong() == {"messages sent, one per target", "messages at the phone"}
    stored["sms"] = [{"_id": "t", "status": "sent"}]
    stored["targets"] = [target, target | {"_id": "u", "target_id": "u", "customer_id": 0}]
    assert {"Gold members targeted", "targets triggered by a play of their own"} <= wrong()
    metrics["error"] = 0.2
    assert {
        "model's error on unseen customers",
        "model beats the best one-rule baseline",
    } <= wrong()
    found["active_model"] = None
    with pytest.raises(WorkshopError, match="No model is accepted"):
        wrong()


def test_what_the_kit_remembers_is_read_from_its_files(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert actual.replayed(settings) is None and actual.active_model(settings) is None
    assert not actual.has_models(settings)
    settings.live_log.parent.mkdir()
    settings.live_log.write_bytes(b"1\n2\n3\n4\n5")
    state = {"first_line": 0, "next_line": 2, "until_line": 9, "log_size": 4, "shift_ms": 0}
    (tmp_path / "replay.json").write_text(json.dumps(state))
    # Two whole lines of the chunk that was being written stand in the log.
    assert (actual.replayed(settings) or {})["next_line"] == 4
    folder = tmp_path / "models" / "20260101T000000Z-00000000"
    folder.mkdir(parents=True)
    (folder / "model.json").write_text('{"accepted": true}')
    (tmp_path / "models" / "current").write_text(folder.name)
    assert actual.has_models(settings)
    assert actual.active_model(settings) == {"accepted": True}
