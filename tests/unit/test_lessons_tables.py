"""The tables of the lessons say what the gate and the scorecard say."""

from __future__ import annotations

import math
from typing import Any

import pytest

from workshop_lib.errors import WorkshopError
from workshop_lib.lessons.figures import scorecard
from workshop_lib.lessons.model_and_gate import gate_table
from workshop_lib.lessons.operate_it import outage
from workshop_lib.marketing.gate import gate
from workshop_lib.settings import Settings
from workshop_lib.verify.check import Stage, equal

GOOD = {
    "error": 0.02,
    "precision": 0.9,
    "recall": 0.8,
    "lift": 6.0,
    "baseline_error": 0.1,
    "baseline_lift": 2.0,
}


@pytest.mark.parametrize(
    ("change", "crosses"),
    [
        ({}, 0),
        ({"error": 0.10}, 1),  # at the limit, which is allowed, and no better than one rule
        ({"error": 0.2}, 2),
        ({"recall": 0.49}, 1),
        ({"recall": 0.5}, 0),
        ({"lift": 2.0}, 2),
        ({"baseline_lift": 6.0}, 1),
        ({"precision": math.nan}, 1),
        ({"baseline_error": None}, 1),
    ],
)
def test_a_model_has_a_cross_for_each_reason_of_the_gate(
    change: dict[str, Any], crosses: int, settings: Settings
) -> None:
    metrics = GOOD | change
    column = gate_table({"it": metrics}, settings)["it"]
    assert sum("✗" in cell for cell in column) == crosses == len(gate(metrics, settings).reasons)
    assert column["decision of the gate"] == ("REFUSED" if crosses else "accepted")


def test_a_check_that_does_not_hold_is_marked_and_shows_both_values() -> None:
    table = scorecard([Stage(1, "see it", [equal("right", 1200, 1200), equal("wrong", 3, 4)])])
    assert table.loc[(1, "right")].tolist() == ["1,200", "the same", "✓"]
    assert table.loc[(1, "wrong")].tolist() == ["3", "4", "✗ WRONG"]


def test_only_a_server_of_this_home_can_be_killed(settings: Settings) -> None:
    with pytest.raises(WorkshopError, match="redis is no server"), outage(settings, "redis"):
        raise AssertionError("the block must not run")
