"""The offer's clicks can be learned from behaviour, by a model and not by one rule."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workshop_lib.schema.world import OFFER_AD
from workshop_lib.world.clicks import habits, window
from workshop_lib.world.generate import UNTIL, generate
from workshop_lib.world.plays import DAY, HOUR, Plays
from workshop_lib.world.read import load_clicks, load_customers

FEATURES = ["habit_evening", "habit_mobile", "habit_unique_tracks"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clicks") / "demo"
    generate(folder, customers=2000, tracks=500, plays=200_000, days=14)
    return folder


@pytest.fixture(scope="module")
def labelled(world: Path) -> pd.DataFrame:
    """Who could take the offer, with their habits and whether the clicks file says they did."""
    customers = load_customers(world).set_index("customer_id")
    clicks = load_clicks(world)
    truth = pd.read_parquet(world / "ledger_customers.parquet").set_index("customer_id")
    could = (customers["level"] < 2) & (customers["status"] == 1) & (truth["habit_plays"] > 0)
    took = clicks.loc[clicks["ad"] == OFFER_AD, "customer_id"]
    return truth[could].assign(label=truth.index[could].isin(took).astype(float))


def _fit(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Logistic regression by Newton's method, with a little ridge."""
    x = np.c_[np.ones(len(x)), x]
    b = np.zeros(x.shape[1])
    for _ in range(40):
        p = 1 / (1 + np.exp(-np.clip(x @ b, -30, 30)))
        hessian = x.T @ ((p * (1 - p) + 1e-9)[:, None] * x) + 0.1 * np.eye(len(b))
        b += np.linalg.solve(hessian, x.T @ (y - p) - 0.1 * b)
    return b


def _judge(label: np.ndarray, said: np.ndarray) -> tuple[float, float, float]:
    """error, precision, recall"""
    hit = float((said * label).sum())
    return float((said != label).mean()), hit / max(said.sum(), 1), hit / label.sum()


def _split(labelled: pd.DataFrame, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x = labelled[FEATURES].to_numpy()
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    return x, labelled["label"].to_numpy(), np.random.default_rng(seed).random(len(x)) < 0.3


def test_a_logistic_regression_learns_it_and_no_single_rule_does(labelled: pd.DataFrame) -> None:
    x, y, test = _split(labelled, seed=1)
    base = y.mean()
    assert 0.11 < base < 0.16
    score = np.c_[np.ones(len(x)), x] @ _fit(x[~test], y[~test])
    error, precision, recall = _judge(y[test], score[test] > 0)
    assert error < 0.06 and precision > 0.8 and recall > 0.75 and precision / base > 3

    # Every "this feature above or below that value", even chosen on the test part itself.
    rules = (
        (feature * sign >= value * sign, y[test])
        for feature in x[test].T
        for sign in (1, -1)
        for value in np.quantile(feature, np.linspace(0, 1, 101))
    )
    assert min((said != label).mean() for said, label in rules) > 2 * error

    # Two of the causes are not enough either: the three act together.
    for left_out in range(3):
        kept = np.delete(x, left_out, axis=1)
        score = np.c_[np.ones(len(x)), kept] @ _fit(kept[~test], y[~test])
        assert _judge(y[test], score[test] > 0)[0] > 1.5 * error


def test_shuffled_labels_cannot_be_learned(labelled: pd.DataFrame) -> None:
    x, y, test = _split(labelled, seed=1)
    y = np.random.default_rng(0).permutation(y)
    score = np.c_[np.ones(len(x)), x] @ _fit(x[~test], y[~test])
    _, precision, recall = _judge(y[test], score[test] > 0)
    assert precision < 0.5 and recall < 0.1


def test_gold_and_closed_accounts_never_take_it(world: Path, labelled: pd.DataFrame) -> None:
    customers = load_customers(world).set_index("customer_id")
    truth = pd.read_parquet(world / "ledger_customers.parquet").set_index("customer_id")
    never = (customers["level"] == 2) | (customers["status"] == 0)
    assert never.any() and not truth.loc[never, "would_take"].any()
    assert (truth.loc[never, "p_take"] == 0).all()
    assert set(labelled.index[labelled["label"] == 1]) == set(truth.index[truth["clicked"]])


def test_habits_are_those_of_the_plays_before_the_clicks(world: Path) -> None:
    """Recounted from the ledger's lines, for every customer."""
    start, end = window(14, UNTIL)
    when = load_clicks(world)["clicked_at"]
    assert start <= when.min() and when.max() < end <= UNTIL - pd.Timedelta(hours=26)
    assert when.is_monotonic_increasing
    lines = pd.read_parquet(world / "ledger.parquet")
    plays = lines[lines["kind"] != "malformed"].drop_duplicates("event_id")
    plays = plays[plays["played_at"] < start.timestamp() * 1000]
    hour = plays["played_at"] // HOUR % 24
    own = plays.assign(evening=(hour >= 17) & (hour < 22)).groupby("customer_id")
    truth = pd.read_parquet(world / "ledger_customers.parquet").set_index("customer_id")
    truth = truth[truth["habit_plays"] > 0]
    for column, value in {
        "habit_plays": own.size(),
        "habit_evening": own["evening"].mean(),
        "habit_unique_tracks": own["track_id"].nunique() / own.size(),
    }.items():
        assert np.allclose(truth[column], value.reindex(truth.index).astype(float)), column


def test_habits_by_hand() -> None:
    before = 40 * DAY
    at = np.array([0, 11 * DAY + 17 * HOUR, 12 * DAY + 22 * HOUR, 13 * DAY + 21 * HOUR, before])
    plays = Plays(
        played_at=at,
        customer=np.array([1, 1, 1, 1, 1]),
        track=np.array([9, 5, 5, 6, 7]),
        mobile=np.array([True, True, False, False, True]),
        place=np.zeros(5, dtype=np.int64),
    )
    # The first play is too long ago, the last at the moment of the ads, the rest count.
    row = habits(plays, 3, before).loc[1]
    assert row.to_dict() == pytest.approx(
        {"evening": 2 / 3, "mobile": 1 / 3, "unique_tracks": 2 / 3, "plays": 3}
    )
    assert habits(plays, 3, before).loc[0, "plays"] == 0


@pytest.mark.parametrize("days", [3, 7, 8, 30])
def test_ads_are_shown_inside_the_world_and_before_its_last_26_hours(days: int) -> None:
    start, end = window(days, UNTIL)
    assert UNTIL - pd.Timedelta(days=days) < start < end <= UNTIL - pd.Timedelta(hours=26)
