"""Known answers for the numbers a model is judged by."""

from __future__ import annotations

import numpy as np
import pytest

from workshop_lib.marketing.metrics import (
    apply_rule,
    auc,
    best_threshold,
    bootstrap,
    chance,
    confusion,
    one_rule,
    one_rule_at_volume,
    population_stability,
)

TAKEN = np.array([1, 1, 0, 0, 0, 0, 0, 0, 0, 0], dtype=float)


def test_confusion_of_a_decision_worked_by_hand() -> None:
    offered = np.array([True, False, True] + [False] * 7)
    assert confusion(TAKEN, offered) == pytest.approx(
        {
            "error": 0.2,  # one taker missed, one offer wasted
            "precision": 0.5,
            "recall": 0.5,
            "f1": 0.5,
            "lift": 2.5,  # 0.5 over the base rate 0.2
            "base_rate": 0.2,
            "volume": 0.2,
        }
    )


def test_offering_nothing_has_no_precision_rather_than_a_good_one() -> None:
    metrics = confusion(TAKEN, np.zeros(10, dtype=bool))
    assert metrics["error"] == pytest.approx(0.2)
    assert np.isnan(metrics["precision"]) and np.isnan(metrics["lift"])


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        ([9, 8, 7, 6, 5, 4, 3, 2, 1, 0], 1.0),
        ([0, 5, 7, 6, 4, 3, 2, 1, 8, 9], 4 / 16),
        ([1] * 10, 0.5),
    ],
)
def test_auc_is_the_chance_that_a_taker_ranks_above(score: list[float], expected: float) -> None:
    assert auc(TAKEN, np.array(score, dtype=float)) == pytest.approx(expected)


def test_auc_of_one_class_is_not_defined() -> None:
    assert np.isnan(auc(np.zeros(3), np.array([0.1, 0.2, 0.3])))


def test_the_threshold_with_the_fewest_errors_lies_between_scores() -> None:
    score = np.array([0.9, 0.7, 0.5, 0.4, 0.3, 0.3, 0.2, 0.2, 0.1, 0.1])
    assert best_threshold(TAKEN, score) == pytest.approx(0.6)


def test_the_best_rule_finds_the_feature_and_the_side() -> None:
    noise = np.array([3, 1, 2, 4, 1, 3, 2, 4, 1, 3], dtype=float)
    low_means_yes = np.array([0.1, 0.2, 0.5, 0.6, 0.7, 0.8, 0.9, 0.6, 0.7, 0.8])
    features = np.column_stack([noise, low_means_yes])
    rule = one_rule(features, TAKEN)
    assert (rule[0], rule[2]) == (1, False)
    assert apply_rule(features, rule).tolist() == (TAKEN > 0.5).tolist()


def test_the_bootstrap_interval_holds_the_estimate_and_repeats_with_its_seed() -> None:
    rng = np.random.default_rng(3)
    taken = (rng.random(500) < 0.2).astype(float)
    offered = (taken > 0.5) ^ (rng.random(500) < 0.1)
    intervals = bootstrap(taken, offered, seed=1, rounds=200)
    for name, (low, high) in intervals.items():
        assert low < confusion(taken, offered)[name] < high
    assert intervals == bootstrap(taken, offered, seed=1, rounds=200)


def test_the_interval_of_what_is_never_defined_is_not_defined() -> None:
    intervals = bootstrap(TAKEN, np.zeros(10, dtype=bool), seed=1, rounds=20)
    assert np.isnan(intervals["precision"]).all() and np.isnan(intervals["lift"]).all()
    assert intervals["recall"] == (0, 0)


def test_the_best_rule_at_a_volume_reaches_the_most_takers() -> None:
    noise = np.array([3, 1, 2, 4, 1, 3, 2, 4, 1, 3], dtype=float)
    low_means_yes = np.array([0.1, 0.2, 0.5, 0.6, 0.7, 0.8, 0.9, 0.6, 0.7, 0.8])
    features = np.column_stack([noise, low_means_yes])
    rule = one_rule_at_volume(features, TAKEN, 0.2)
    assert (rule[0], rule[2]) == (1, False)
    assert confusion(TAKEN, apply_rule(features, rule))["lift"] == pytest.approx(5)


def test_a_score_of_a_balanced_model_is_told_as_a_chance() -> None:
    assert chance(0.5, 0.1) == pytest.approx(0.1)  # no news: the base rate
    assert chance(0.9, 0.1) == pytest.approx(0.5)
    assert chance(0.3, 0.5) == pytest.approx(0.3)


def test_stability_is_zero_for_the_same_and_large_for_a_shift() -> None:
    values = np.random.default_rng(5).normal(size=2000)
    assert population_stability(values, values) == pytest.approx(0)
    assert population_stability(values, values + 2) > 0.25
