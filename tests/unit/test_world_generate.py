"""The generated world: the same bytes again, an honest ledger, and people who live like people."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workshop_lib.errors import WorkshopError
from workshop_lib.schema.play import MalformedPlay, parse, to_line
from workshop_lib.world import faults
from workshop_lib.world.behaviour import _one_at_a_time
from workshop_lib.world.generate import generate
from workshop_lib.world.ledger import interest_hits
from workshop_lib.world.plays import DAY, HOUR, MINUTE, Plays, csv_lines
from workshop_lib.world.read import load_customers, load_tracks

SMALL = {"customers": 300, "tracks": 120, "plays": 20_000, "days": 8}
#: Neither midnight nor a full hour, so that the world begins and ends within a day.
UNTIL = datetime(2026, 1, 3, 13, 7, tzinfo=UTC)
END = int(UNTIL.timestamp()) * 1000

SCRIPT = """
import sys; from datetime import UTC, datetime; from pathlib import Path
from workshop_lib.world.generate import generate
generate(Path(sys.argv[1]), seed=int(sys.argv[2]), customers=60, tracks=50, plays=1500, days=3)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("worlds") / "small"
    generate(path, seed=7, until=UNTIL, **SMALL)
    return path


@pytest.fixture(scope="module")
def summary(folder: Path) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((folder / "ledger.json").read_text())
    return result


@pytest.fixture(scope="module")
def ledger(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder / "ledger.parquet")


@pytest.fixture(scope="module")
def plays(ledger: pd.DataFrame) -> pd.DataFrame:
    """Each play once, in the order of its arrival."""
    kept = ledger[ledger["kind"] != "malformed"].drop_duplicates("event_id")
    return kept.astype({n: "int64" for n in ("event_id", "customer_id", "track_id", "played_at")})


def _digests(folder: Path) -> dict[str, str]:
    return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in sorted(folder.iterdir())}


def test_the_same_seed_makes_the_same_bytes_and_another_seed_does_not(tmp_path: Path) -> None:
    # In processes of their own, with different hash seeds: the order of a set must not matter.
    for name, seed, hash_seed in (("a", "7", "1"), ("b", "7", "2"), ("c", "8", "1")):
        subprocess.run(
            [sys.executable, "-c", SCRIPT, str(tmp_path / name), seed],
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            check=True,
        )
    a, b, c = (_digests(tmp_path / name) for name in "abc")
    assert a == b and len(a) == 8
    assert all(a[name] != c[name] for name in ("tracks.csv", "cust.csv", "ledger.parquet"))


def test_every_line_is_what_the_ledger_says_by_the_real_parser(
    folder: Path, ledger: pd.DataFrame, summary: dict[str, Any]
) -> None:
    recorded = (folder / "tracks.csv").read_bytes().split(b"\n")
    assert recorded.pop() == b"" and len(recorded) == len(ledger) == SMALL["plays"]
    seen: dict[str, int] = {}
    earlier: set[bytes] = set()
    for line, row in zip(recorded, ledger.itertuples(index=False), strict=True):
        seen[row.kind] = seen.get(row.kind, 0) + 1
        try:
            play = parse(line, latest=END)
        except MalformedPlay as error:
            assert (row.kind, row.reason) == ("malformed", str(error))
            assert pd.isna(row.event_id) and pd.isna(row.played_at)
            continue
        assert row.kind != "malformed"
        assert to_line(play) == line
        assert tuple(play) == (
            row.event_id, row.customer_id, row.track_id, row.played_at, row.is_mobile, row.zip
        )  # fmt: skip
        assert (line in earlier) == (row.kind == "duplicate")
        earlier.add(line)
    assert seen == summary["kinds"]
    assert summary["distinct_plays"] == len(earlier)
    assert sum(summary["malformed"].values()) == seen["malformed"]


def test_the_faults_are_as_many_and_as_late_as_they_claim(ledger: pd.DataFrame) -> None:
    read = ledger[ledger["kind"] != "malformed"].copy()
    read["behind"] = read["played_at"].cummax() - read["played_at"]
    share = ledger["kind"].value_counts() / len(ledger)

    assert (read.loc[read["kind"] == "play", "behind"] == 0).all()
    late = read.loc[read["kind"] == "late", "behind"]
    assert late.min() > 0 and late.max() <= 10 * MINUTE and 0.007 < share["late"] < 0.015
    too_late = read.loc[read["kind"] == "too_late", "behind"]
    assert too_late.min() >= 6 * HOUR and too_late.max() <= 12 * HOUR and len(too_late) >= 4
    assert 0.004 < share["duplicate"] < 0.007 and 0.0025 < share["malformed"] < 0.004
    assert (read.loc[read["kind"] == "duplicate", "behind"] <= 20 * MINUTE).all()


def test_the_last_26_hours_have_every_fault_and_a_dozen_bursts(
    ledger: pd.DataFrame, summary: dict[str, Any]
) -> None:
    arrival = ledger["played_at"].cummax().ffill()
    recent = ledger[arrival >= END - 26 * HOUR]
    assert set(recent["kind"]) == set(faults.KIND_NAMES)
    # Each way of breaking a line once; some of them are refused with the same words.
    assert (recent["kind"] == "malformed").sum() >= len(faults.BREAK)
    bursts = [b for b in summary["bursts"] if b["played_at"][0] >= END - 24 * HOUR]
    assert len(bursts) >= 12
    assert {b["customer_id"] == 0 for b in bursts} == {True, False}
    assert all(b["played_at"][-1] < END - 20 * MINUTE for b in summary["bursts"])


def test_each_burst_has_exactly_the_hits_it_was_planted_for(
    plays: pd.DataFrame, summary: dict[str, Any]
) -> None:
    hits = interest_hits(plays)
    found = set(hits["event_id"])
    by_why: dict[str, int] = {}
    for burst in summary["bursts"]:
        assert [e for e in burst["event_ids"] if e in found] == burst["hits"], burst
        by_why[burst["why"]] = len(burst["hits"])
        own = plays[
            (plays["customer_id"] == burst["customer_id"])
            & (plays["track_id"] == burst["track_id"])
            & plays["played_at"].between(
                burst["played_at"][0] - 2 * HOUR, burst["played_at"][-1] + 2 * HOUR
            )
        ]
        assert sorted(own["event_id"]) == sorted(burst["event_ids"])
    assert sorted(by_why.values()) == [0, 0, 0, 0, 1, 1, 1, 1, 1, 3]
    assert len(hits) == summary["interests"]["hits"] > len(summary["bursts"]) / 2
    # No interest hangs on a play that a watermark may drop.
    dropped = interest_hits(plays[plays["kind"] != "too_late"])
    assert set(dropped["event_id"]) == found


def test_bursts_cross_midnight_and_the_hour_where_they_say_so(summary: dict[str, Any]) -> None:
    for burst in summary["bursts"]:
        first, last = burst["played_at"][0], burst["played_at"][-1]
        if "midnight" in burst["why"]:
            assert first // DAY + 1 == last // DAY
        if "the hour" in burst["why"]:
            assert first // HOUR + 1 == last // HOUR
    spans = {b["why"]: b["played_at"][-1] - b["played_at"][0] for b in summary["bursts"]}
    assert spans["three plays, first to third exactly 30 min"] == 30 * MINUTE
    assert spans["30 min and 1 ms: no interest"] == 30 * MINUTE + 1


def test_totals_equal_a_recount_from_the_files(
    folder: Path, plays: pd.DataFrame, summary: dict[str, Any]
) -> None:
    customers = load_customers(folder).set_index("customer_id")
    level = plays["customer_id"].map(customers["level"]).map({0: "Free", 1: "Silver", 2: "Gold"})
    when = pd.to_datetime(plays["played_at"], unit="ms")
    age = when.dt.year - plays["customer_id"].map(customers["birth_year"]).astype("Float64")
    totals = summary["totals"]

    assert {int(h): n for h, n in totals["hour"].items()} == when.dt.hour.value_counts().to_dict()
    assert totals["device"]["mobile"] == plays["is_mobile"].sum()
    assert totals["level"] == level.fillna("unknown").value_counts().to_dict()
    # The world crosses New Year: the age of a play is of its own year.
    assert totals["age_band"]["25-34"] == ((age >= 25) & (age < 35)).sum()
    assert totals["age_band"]["unknown"] == age.isna().sum()
    known = {"customers": customers.index, "tracks": load_tracks(folder)["track_id"]}
    for name, column in (("customers", "customer_id"), ("tracks", "track_id")):
        assert (~plays[column].isin(known[name])).sum() <= summary["unknown"][name] > 0
    assert all(sum(counts.values()) == len(plays) for counts in totals.values())


def test_the_world_spans_its_days_and_ends_in_time(plays: pd.DataFrame) -> None:
    assert END - SMALL["days"] * DAY <= plays["played_at"].min() < END - SMALL["days"] * DAY + HOUR
    assert END - HOUR < plays["played_at"].max() < END
    by_time = plays.sort_values("event_id")["played_at"]
    assert by_time.is_monotonic_increasing  # ids are given in the order of event time
    assert (plays["customer_id"] == 0).sum() > 20


def test_life_has_a_rhythm(folder: Path, tmp_path: Path) -> None:
    generate(tmp_path / "w", seed=3, customers=2000, tracks=300, plays=60_000, days=14)
    customers = load_customers(tmp_path / "w").set_index("customer_id")
    world = pd.read_parquet(tmp_path / "w" / "ledger.parquet").query("kind != 'malformed'")
    when = pd.to_datetime(world["played_at"], unit="ms")
    hour, weekend = when.dt.hour, when.dt.dayofweek >= 5
    per_hour = hour.value_counts()
    assert per_hour.loc[[19, 20]].mean() > 10 * per_hour.loc[[3, 4]].mean()
    assert per_hour[8] > 1.2 * per_hour[10]  # the way to work
    eight, ten = ((hour == h) & weekend for h in (8, 10))
    assert eight.sum() < ten.sum()  # but not on a Sunday
    mobile = world["is_mobile"].astype(float)
    assert mobile[hour == 8].mean() > mobile[hour == 21].mean() + 0.1
    age = when.dt.year - world["customer_id"].map(customers["birth_year"]).astype("Float64")
    assert mobile[age < 25].mean() > mobile[age > 55].mean() + 0.2
    night = (hour >= 22) | (hour < 5)
    assert night[age < 25].mean() > 1.5 * night[age > 55].mean()
    by_track = world["track_id"].value_counts()
    assert by_track.iloc[:30].sum() > 0.35 * len(world)  # a tenth of the tracks
    gender = world["customer_id"].map(customers["gender"])
    taste = pd.crosstab(world["track_id"], gender)
    taste = taste[taste.sum(axis=1) > 200]
    women = taste[1] / taste.sum(axis=1)
    assert women.max() > 0.6 > 0.4 > women.min()


def test_nobody_hears_two_tracks_at_once_and_plays_are_at_home_or_on_one_trip(
    plays: pd.DataFrame, folder: Path
) -> None:
    planted = set(plays.loc[plays["kind"] == "late", "event_id"])
    own = plays[~plays["event_id"].isin(planted)].sort_values(["customer_id", "played_at"])
    gap = own.groupby("customer_id")["played_at"].diff().dropna()
    assert (gap < 5000).mean() < 0.01  # what runs over the end of the world, and bursts
    home = plays["customer_id"].map(load_customers(folder).set_index("customer_id")["zip"])
    at_home = (plays["zip"] == home)[home.notna()]
    assert 0.90 < at_home.mean() < 1
    known = plays[plays["customer_id"] < SMALL["customers"]]
    known = known[~known["zip"].isin(["", "00000", "99999"])]
    assert known.groupby("customer_id")["zip"].nunique().max() <= 2


def test_closed_accounts_are_silent_at_the_end(plays: pd.DataFrame, folder: Path) -> None:
    customers = load_customers(folder)
    closed = set(customers.loc[customers["status"] == 0, "customer_id"])
    last = plays[plays["played_at"] >= END - 26 * HOUR]
    assert closed and plays["customer_id"].isin(closed).any()
    assert not last["customer_id"].isin(closed).any()


def test_customers_are_many_sided_and_awkward_titles_are_read_back(folder: Path) -> None:
    customers, tracks = load_customers(folder), load_tracks(folder)
    assert customers["customer_id"].tolist() == list(range(SMALL["customers"]))
    share = customers["level"].value_counts(normalize=True)
    assert share.loc[[0, 1, 2]].tolist() == pytest.approx([0.60, 0.28, 0.12], abs=0.08)
    assert customers["birth_year"].isna().any() and customers["birth_year"].dtype == "Int32"
    assert customers["zip"].str.fullmatch(r"\d{5}").all() and (customers["zip"] < "1").any()
    assert set(customers.columns).isdisjoint({"Name", "Address"})
    assert tracks["title"][0] == "Hello, Goodbye, Hello"
    assert tracks["title"][1] == 'The "Quoted" Song'
    assert '<img src=x onerror="alert(1)">' in set(tracks["title"])
    assert "東京ナイトライン" in set(tracks["artist"]) and "null" in set(tracks["artist"])


@pytest.mark.parametrize(
    "sizes", [{"plays": 5}, {"customers": 0}, {"days": 1}, {"days": 366}, {"seed": -1}]
)
def test_sizes_that_make_no_world_are_refused_and_the_old_one_stays(
    tmp_path: Path, sizes: dict[str, int]
) -> None:
    (tmp_path / "tracks.csv").write_text("old\n")
    with pytest.raises(WorkshopError):
        generate(tmp_path, **{"customers": 60, "tracks": 50, "plays": 1500, "days": 3} | sizes)
    assert [f.name for f in tmp_path.iterdir()] == ["tracks.csv"]
    assert not list(tmp_path.parent.glob(f".{tmp_path.name}-*"))


def test_every_fault_breaks_any_line() -> None:
    for line in ('1,0,0,"2026-01-01 00:00:00",0,""', '99,12,3,"2026-01-01 00:00:00.001",1,"02108"'):
        parse(line.encode(), END)
        for name, fault in faults.BREAK.items():
            broken = fault(line.split(","))
            assert b"\n" not in broken, name
            with pytest.raises(MalformedPlay):
                parse(broken, END)


def test_lines_have_the_form_of_the_one_and_only_writer() -> None:
    rows = 9
    zips = np.array(["02108", "", "99999"])
    event = np.array([0, 1, 9_999, 10_000, 10_001, 20_000, 12_345_678, 7, 8])
    plays = Plays(
        played_at=np.arange(rows) * 86_399_999 + END - END % DAY,
        customer=np.array([0, 1, 22, 333, 4444, 55_555, 9, 10, 11]),
        track=np.arange(rows) * 137,
        mobile=np.arange(rows) % 2 == 0,
        place=np.arange(rows) % 3,
    )
    written = b"".join(csv_lines(event, plays, zips, {3: b"broken \0\x01", 8: b""}))
    got = written.split(b"\n")
    assert (got[3], got[8], got[9]) == (b"broken \0\x01", b"", b"")
    for i in (0, 1, 2, 4, 5, 6, 7):
        play = parse(got[i])
        assert to_line(play) == got[i]
        assert play == (
            event[i], plays.customer[i], plays.track[i], plays.played_at[i], plays.mobile[i],
            zips[plays.place[i]],
        )  # fmt: skip


def test_sessions_of_one_listener_follow_each_other() -> None:
    customer = np.array([0, 0, 0, 1, 1])
    start = np.array([100, 110, 500, 50, 60])
    duration = np.array([30, 20, 5, 100, 1])
    assert _one_at_a_time(customer, start, duration).tolist() == [100, 130, 500, 50, 150]
