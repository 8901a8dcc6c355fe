"""Features and labels against hand-made plays, and the original's mistakes about them."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workshop_lib.marketing.features import FEATURES, features, history
from workshop_lib.marketing.learn import training_rows
from workshop_lib.marketing.train import labels
from workshop_lib.schema.play import MalformedPlay, parse
from workshop_lib.schema.world import OFFER_AD
from workshop_lib.world.generate import generate
from workshop_lib.world.read import load_clicks, load_customers

AS_OF = datetime(2026, 1, 5, 6, 0, tzinfo=UTC)
PARTS = ["morning", "afternoon", "evening", "night"]


def plays(spark: Any, *rows: tuple[int, int, str, bool]) -> Any:
    """(customer, track, time of 2026-01, mobile), event ids from 0."""
    return spark.createDataFrame(
        [
            (i, customer, track, datetime.fromisoformat(f"2026-01-{at}+00:00"), mobile)
            for i, (customer, track, at, mobile) in enumerate(rows)
        ],
        "event_id long, customer_id int, track_id int, played_at timestamp, is_mobile boolean",
    )


def table(rows: Any) -> pd.DataFrame:
    return rows.toPandas().set_index("customer_id").sort_index()


def test_the_features_of_two_customers_worked_by_hand(spark: Any) -> None:
    found = table(
        features(
            plays(
                spark,
                (0, 5, "03T18:00:00", True),
                (0, 5, "03T19:00:00", True),
                (0, 6, "04T08:00:00", False),
                (0, 5, "04T23:00:00", True),
                (7, 5, "05T00:00:00", False),
            ),
            AS_OF,
        )
    )
    assert found.loc[0].to_dict() == pytest.approx(
        {
            "morning": 0.25,
            "afternoon": 0,
            "evening": 0.5,
            "night": 0.25,
            "mobile": 0.75,
            "unique_tracks": 0.5,
            "plays_per_day": 2,
            "recency_days": 7 / 24,
        }
    )
    assert found.loc[7, "night"] == 1 and found.loc[7, "recency_days"] == 0.25
    assert found.index.tolist() == [0, 7]  # customer 0 is a customer


@pytest.mark.parametrize(
    ("at", "part"),
    [
        ("04:59:59", "night"),
        ("05:00:00", "morning"),
        ("11:59:59", "morning"),
        ("12:00:00", "afternoon"),
        ("16:59:59", "afternoon"),
        ("17:00:00", "evening"),
        ("21:59:59", "evening"),
        ("22:00:00", "night"),
        ("00:00:00", "night"),
    ],
)
def test_each_hour_is_in_exactly_one_part_of_the_day(spark: Any, at: str, part: str) -> None:
    (row,) = features(plays(spark, (1, 1, f"04T{at}", False)), AS_OF).select(*PARTS).collect()
    assert row.asDict() == {name: float(name == part) for name in PARTS}


def test_plays_from_the_click_window_on_change_nothing(spark: Any) -> None:
    """The moment itself belongs to the window; one millisecond before does not."""
    before = ((0, 1, "04T18:00:00", True), (3, 2, "04T09:00:00", False))
    alone = table(features(plays(spark, *before), AS_OF))
    later = [(0, 9, "05T06:00:00", False), (3, 9, "05T20:00:00", True), (8, 1, "06T01:00:00", True)]
    pd.testing.assert_frame_equal(table(features(plays(spark, *before, *later), AS_OF)), alone)
    # The control: a play a hair earlier is seen.
    seen = plays(spark, *before, (0, 9, "05T05:59:59.999", False))
    assert not table(features(seen, AS_OF)).equals(alone)


def test_plays_of_long_ago_are_forgotten(spark: Any) -> None:
    rows = plays(spark, (0, 1, "01T06:00:00", True), (0, 1, "04T06:00:00", True))
    counted = [features(rows, AS_OF, days).first()["plays_per_day"] for days in (4, 3)]
    unique = [features(rows, AS_OF, days).first()["unique_tracks"] for days in (4, 3)]
    assert counted == [1, 1] and unique == [0.5, 1]


def test_labels_are_of_those_who_can_take_the_offer_by_id() -> None:
    customers = pd.DataFrame(
        {"customer_id": [4, 0, 1, 2, 3], "level": [0, 0, 2, 1, 1], "status": [1, 1, 1, 0, 1]}
    )
    clicks = pd.DataFrame(
        {
            "customer_id": [0, 1, 2, 3, 0],
            "ad": [OFFER_AD, OFFER_AD, OFFER_AD, "ADV_LIKE_FACEBOOK", "ADV_FREE_REFERRAL"],
        }
    )
    # Not 1, who is Gold, nor 2, whose account is closed; 3 clicked on something else.
    found = labels(clicks, customers).set_index("customer_id")["label"].to_dict()
    assert found == {4: 0.0, 0: 1.0, 3: 0.0}


def test_a_line_is_a_play_where_the_one_parser_takes_it(spark: Any, tmp_path: Path) -> None:
    lines = [
        '1,0,3,"2026-01-01 10:00:00",1,"02108"',
        '2,0,3,"2026-01-01 10:00:00.25",0,""',
        "3,0,3,2026-01-01 10:00:00,0,02108",
        '4,"0", 3 ,"2026-01-01 10:00:00",1,"02108"',
        '5,0,3,"2026-01-01 10:00:00",1,"02108',
        '6,0,3,"2026-02-30 10:00:00",1,"02108"',
        '7,0,3,"2026-01-01T10:00:00",1,"02108"',
        '8,99999999999,3,"2026-01-01 10:00:00",1,"02108"',
        '9,0,-3,"2026-01-01 10:00:00",1,"02108"',
        '10,9999999999,3,"2026-01-01 10:00:00",1,"02108"',
        '11,0,3,"2026-01-01 10:00:00",2,"02108"',
        '12,0,3,"2026-01-01 10:00:00",1,"AB"',
        '13,0,3,"2026-01-01 10:00:00",1',
        "",
    ]
    (tmp_path / "tracks.csv").write_text("\n".join(lines))
    taken = []
    for line in lines:
        with suppress(MalformedPlay):
            taken.append(parse(line.encode()))
    found = history(spark, tmp_path / "tracks.csv").orderBy("event_id").toPandas()
    assert found["event_id"].tolist() == [play.event_id for play in taken] == [1, 2, 3, 4]
    assert found["is_mobile"].tolist() == [play.is_mobile for play in taken]
    millis = (found["played_at"] - datetime(1970, 1, 1)) // timedelta(milliseconds=1)
    assert millis.tolist() == [play.played_at for play in taken]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    generate(folder, seed=3, customers=300, tracks=80, plays=12_000, days=9)
    return folder


def test_history_is_the_well_formed_plays_each_once(spark: Any, world: Path) -> None:
    ledger = pd.read_parquet(world / "ledger.parquet")
    good = ledger[ledger["kind"] != "malformed"].drop_duplicates("event_id")
    assert len(good) < len(ledger)  # there was something to leave out
    found = history(spark, world / "tracks.csv").where("played_at < '2026-02-01'").toPandas()
    found = found.sort_values("event_id")
    good = good.sort_values("event_id")
    for column in ("event_id", "customer_id", "track_id", "is_mobile"):
        assert found[column].tolist() == good[column].tolist(), column
    millis = (found["played_at"] - datetime(1970, 1, 1)) // timedelta(milliseconds=1)
    assert millis.tolist() == good["played_at"].tolist()


def test_features_are_the_habits_that_made_the_clicks(spark: Any, world: Path) -> None:
    """Same meaning in the world's numpy and here; all customers who played, none else."""
    truth = pd.read_parquet(world / "ledger_customers.parquet").set_index("customer_id")
    truth = truth[truth["habit_plays"] > 0]
    start = datetime(2026, 1, 5, tzinfo=UTC) - timedelta(days=5)  # see world.clicks.window
    found = table(features(history(spark, world / "tracks.csv"), start))
    found = found[found.index < 300]  # plays of customers that are in no file
    assert found.index.tolist() == truth.index.tolist() and 0 in found.index
    for name in ("evening", "mobile", "unique_tracks"):
        assert np.allclose(found[name], truth[f"habit_{name}"]), name
    assert np.allclose(found[PARTS].sum(axis=1), 1)


def test_the_order_of_lines_means_nothing(spark: Any, world: Path, tmp_path: Path) -> None:
    """The original took the line number for the customer; here every file may be shuffled."""
    rng = np.random.default_rng(11)
    for name, header in (("tracks.csv", 0), ("cust.csv", 1), ("clicks.csv", 1)):
        lines = (world / name).read_bytes().splitlines(keepends=True)
        rest = [lines[header + i] for i in rng.permutation(len(lines) - header)]
        (tmp_path / name).write_bytes(b"".join(lines[:header] + rest))
    asked = _rows(spark, world)
    pd.testing.assert_frame_equal(_rows(spark, tmp_path), asked)
    assert set(asked.columns) == {"customer_id", "label", *FEATURES}
    truth = pd.read_parquet(world / "ledger_customers.parquet").set_index("customer_id")
    assert asked["label"].tolist() == truth.loc[asked["customer_id"], "clicked"].tolist()
    assert 0 < asked["label"].sum() < len(asked)


def _rows(spark: Any, folder: Path) -> pd.DataFrame:
    start = datetime(2026, 1, 5, tzinfo=UTC) - timedelta(days=5)
    plays = history(spark, folder / "tracks.csv")
    return training_rows(plays, start, load_clicks(folder), load_customers(folder))
