"""Whether a model is good enough to be used.

An error of at most 10 % alone proves nothing: where 12 % of the listeners take the offer,
a model that always says no is wrong in 12 % of the cases, and where 8 % do, in 8 %. So the
gate also asks for precision, recall and lift, all on customers the model has not seen.
It fails closed: a number that is missing or not a number is a reason to refuse.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from workshop_lib.settings import Settings


@dataclass(frozen=True)
class Decision:
    """``reasons`` is empty for an accepted model, and says what was wrong for another."""

    accepted: bool
    reasons: tuple[str, ...]


def gate(metrics: Mapping[str, float | None], settings: Settings) -> Decision:
    """Judge ``metrics`` of the untouched test part (each between 0 and 1, but for lift).

    Needs error, precision, recall, lift and baseline_error, the error of the best rule on
    one feature: a model that does not beat it is not worth its upkeep.
    """
    limits = (
        ("error", "at most", settings.gate_max_error),
        ("precision", "at least", settings.gate_min_precision),
        ("recall", "at least", settings.gate_min_recall),
        ("lift", "at least", settings.gate_min_lift),
    )
    reasons = []
    for name, side, limit in limits:
        value = metrics.get(name)
        if value is None or not math.isfinite(value):
            reasons.append(f"{name} is not known")
        elif (value > limit) if side == "at most" else (value < limit):
            reasons.append(f"{name} is {value:.3f}, must be {side} {limit:g}")
    error, baseline = metrics.get("error"), metrics.get("baseline_error")
    if baseline is None or not math.isfinite(baseline):
        reasons.append("baseline_error is not known")
    elif error is not None and error >= baseline:
        reasons.append(f"error {error:.3f} does not beat the one-rule baseline's {baseline:.3f}")
    return Decision(not reasons, tuple(reasons))
