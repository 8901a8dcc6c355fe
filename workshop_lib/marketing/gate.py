"""Whether a model is good enough to be used.

An error of at most 10 % alone proves nothing: where 8 % of the listeners take the offer, a
model that always says no is wrong in 8 % of the cases. So the gate also asks for precision,
recall and lift, all on customers the model has not seen, and for more than a rule on one
feature can do. It fails closed: a number that is missing or not a number is a reason to refuse.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workshop_lib.settings import Settings


@dataclass(frozen=True)
class GateDecision:
    """``reasons`` says why a model was refused; it is empty for an accepted one."""

    accepted: bool
    reasons: tuple[str, ...]


def gate(metrics: Mapping[str, Any], settings: Settings) -> GateDecision:
    """Judge ``metrics`` of the untouched test part (each between 0 and 1, but for lift).

    Needs error, precision, recall, lift, and of the best rules on one feature the
    baseline_error and the baseline_lift at the same volume: a model that does not beat them
    is not worth its upkeep.
    """
    limits = (
        ("error", "at most", settings.gate_max_error),
        ("precision", "at least", settings.gate_min_precision),
        ("recall", "at least", settings.gate_min_recall),
        ("lift", "at least", settings.gate_min_lift),
    )
    known = {name: float(v) for name, v in metrics.items() if _is_number(v)}
    reasons = [
        f"{name} is not known"
        for name in (*(limit[0] for limit in limits), "baseline_error", "baseline_lift")
        if name not in known
    ]
    for name, side, limit in limits:
        value = known.get(name, limit)
        if (value > limit) if side == "at most" else (value < limit):
            reasons.append(f"{name} is {value:.3f}, must be {side} {limit:g}")
    for name, better in (("error", operator.lt), ("lift", operator.gt)):
        ours, theirs = known.get(name), known.get(f"baseline_{name}")
        if ours is not None and theirs is not None and not better(ours, theirs):
            reasons.append(f"{name} {ours:.3f} does not beat the one-rule baseline's {theirs:.3f}")
    return GateDecision(not reasons, tuple(reasons))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
