"""Metrics of a binary classifier, from its scores: plain numpy, one formula a line.

In: ``taken`` (0/1 per customer) and ``score`` (0–1 per customer), same length. Definitions
as in any textbook of binary classification (e.g. Fawcett 2006, "An introduction to ROC
analysis"); lift is precision over the base rate.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
#: Column, value, whether to offer above it (or below).
Rule = tuple[int, float, bool]
#: The rule that offers nothing.
NEVER: Final[Rule] = (0, float("inf"), True)


def confusion(taken: Numbers, offered: NDArray[np.bool_]) -> dict[str, float]:
    """error, precision, recall, f1, lift, base_rate and volume (share offered) of a decision.

    A number that is not defined (precision when nobody is offered anything) is NaN.
    """
    yes = taken > 0.5
    hit = float(np.sum(yes & offered))
    made, takers, n = float(np.sum(offered)), float(np.sum(yes)), float(len(taken))
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.float64(hit) / made
        recall = np.float64(hit) / takers
        return {
            "error": float(np.mean(yes != offered)) if n else float("nan"),
            "precision": float(precision),
            "recall": float(recall),
            "f1": float(2 * precision * recall / (precision + recall)),
            "lift": float(precision / (np.float64(takers) / n)),
            "base_rate": takers / n if n else float("nan"),
            "volume": made / n if n else float("nan"),
        }


def auc(taken: Numbers, score: Numbers) -> float:
    """Chance that a taker scores above a non-taker (Mann–Whitney U; ties count half)."""
    yes = taken > 0.5
    positives, negatives = int(yes.sum()), int((~yes).sum())
    if not positives or not negatives:
        return float("nan")
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks = ends - (counts - 1) / 2  # mean rank of each tied group, from 1
    u = ranks[inverse][yes].sum() - positives * (positives + 1) / 2
    return float(u / (positives * negatives))


def best_threshold(taken: Numbers, score: Numbers) -> float:
    """The threshold with the fewest errors; of equal ones the lowest, which reaches more.

    Halfway between two scores, so that rounding decides about nobody.
    """
    order = np.argsort(-score, kind="stable")
    ranked, yes = score[order], taken[order] > 0.5
    # Offering to the first k: the takers left out plus the non-takers let in.
    errors = yes.sum() - np.cumsum(yes) + np.cumsum(~yes)
    last_of_tie = np.append(ranked[1:] != ranked[:-1], True)
    candidates = np.flatnonzero(last_of_tie)
    k = candidates[len(candidates) - 1 - np.argmin(errors[candidates][::-1])]
    below = ranked[k + 1] if k + 1 < len(ranked) else 0.0
    return float((ranked[k] + below) / 2)


def _rules(features: Numbers) -> Iterator[tuple[int, bool]]:
    """Each column, above and below."""
    return product(range(features.shape[1]), (True, False))


def one_rule(features: Numbers, taken: Numbers) -> Rule:
    """The best "feature above (or below) a value" rule: column, value, whether above.

    The simplest model that could work; what a model must beat to be worth its upkeep
    (Holte 1993, "Very simple classification rules").
    """
    best, fewest = NEVER, float(np.sum(taken > 0.5))
    for column, above in _rules(features):
        values = features[:, column] if above else -features[:, column]
        threshold = best_threshold(taken, values)
        errors = float(np.sum((values > threshold) != (taken > 0.5)))
        if errors < fewest:
            fewest, best = errors, (column, threshold if above else -threshold, above)
    return best


def one_rule_at_volume(features: Numbers, taken: Numbers, volume: float) -> Rule:
    """The rule on one feature that offers to a share ``volume`` and reaches the most takers.

    The baseline for lift: the rule with the fewest errors may be to offer nothing at all.
    """
    best, most = NEVER, -1.0
    for column, above in _rules(features):
        value = float(np.quantile(features[:, column], 1 - volume if above else volume))
        rule = (column, value, above)
        precision = confusion(taken, apply_rule(features, rule))["precision"]
        if precision > most:  # never for a rule that offers nothing: that is NaN
            best, most = rule, precision
    return best


def apply_rule(features: Numbers, rule: Rule) -> NDArray[np.bool_]:
    column, value, above = rule
    return features[:, column] > value if above else features[:, column] < value


def bootstrap(
    taken: Numbers, offered: NDArray[np.bool_], seed: int, rounds: int = 1000
) -> dict[str, tuple[float, float]]:
    """95 % percentile intervals of each number of ``confusion``, customers drawn with replacement.

    Efron and Tibshirani 1993, "An introduction to the bootstrap". Rounds in which a number
    is not defined are left out of its interval.
    """
    rng = np.random.default_rng(seed)
    draws = rng.integers(0, len(taken), size=(rounds, len(taken)))
    samples = [confusion(taken[draw], offered[draw]) for draw in draws]
    return {
        name: _interval(np.array([sample[name] for sample in samples]))
        for name in ("error", "precision", "recall", "lift")
    }


def _interval(values: Numbers) -> tuple[float, float]:
    """The middle 95 % of those that are defined; NaN when none is."""
    known = values[np.isfinite(values)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.percentile(known, [2.5, 97.5])
    return float(low), float(high)


def chance(score: float, base_rate: float) -> float:
    """What a ``score`` of a model with balanced classes means as a chance to take the offer.

    Balancing multiplied the odds by (1 − base rate) / base rate; this divides them again
    (King and Zeng 2001, "Logistic regression in rare events data", prior correction).
    """
    odds = np.float64(score) * base_rate
    return float(odds / (odds + (1 - np.float64(score)) * (1 - base_rate)))


def population_stability(expected: Numbers, actual: Numbers, bins: int = 10) -> float:
    """Population stability index: 0 alike, above 0.25 usually called a shift.

    Σ (aᵢ − eᵢ)·ln(aᵢ/eᵢ) over the deciles of ``expected``, an empty bin counted as 1e-4
    (Siddiqi 2006, "Credit risk scorecards").
    """
    edges = np.unique(np.quantile(expected, np.linspace(0, 1, bins + 1)))[1:-1]
    shares = [
        np.clip(np.bincount(np.digitize(v, edges), minlength=len(edges) + 1) / len(v), 1e-4, None)
        for v in (expected, actual)
    ]
    return float(np.sum((shares[1] - shares[0]) * np.log(shares[1] / shares[0])))
