"""The gate refuses what is useless, worse than a rule, or not known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from workshop_lib.marketing.baselines import baseline_models
from workshop_lib.marketing.drift import drift
from workshop_lib.marketing.gate import gate
from workshop_lib.settings import Settings

GOOD: dict[str, Any] = {
    "error": 0.05,
    "precision": 0.8,
    "recall": 0.85,
    "lift": 5.0,
    "baseline_error": 0.14,
    "baseline_lift": 2.4,
}


def test_a_good_model_passes_and_gives_no_reasons(settings: Settings) -> None:
    assert gate(GOOD, settings) == gate({**GOOD, "note": "ignored"}, settings)
    assert gate(GOOD, settings).accepted and gate(GOOD, settings).reasons == ()


def test_numbers_on_the_limits_pass(settings: Settings) -> None:
    limits = {"error": 0.10, "precision": 0.60, "recall": 0.50, "lift": 3.0}
    assert gate({**GOOD, **limits}, settings).accepted


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("error", 0.101, "error is 0.101, must be at most 0.1"),
        ("precision", 0.59, "precision is 0.590, must be at least 0.6"),
        ("recall", 0.49, "recall is 0.490, must be at least 0.5"),
        ("lift", 2.9, "lift is 2.900, must be at least 3"),
        ("baseline_error", 0.05, "error 0.050 does not beat the one-rule baseline's 0.050"),
        ("baseline_lift", 5.0, "lift 5.000 does not beat the one-rule baseline's 5.000"),
    ],
)
def test_each_number_alone_can_refuse_and_says_why(
    settings: Settings, name: str, value: float, reason: str
) -> None:
    decision = gate({**GOOD, name: value}, settings)
    assert not decision.accepted and decision.reasons == (reason,)


@pytest.mark.parametrize("name", list(GOOD))
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None, "0.9", True])
def test_what_is_not_a_number_refuses(settings: Settings, name: str, value: object) -> None:
    decision = gate({**GOOD, name: value}, settings)
    assert not decision.accepted and decision.reasons == (f"{name} is not known",)


@pytest.mark.parametrize("name", list(GOOD))
def test_a_missing_number_refuses(settings: Settings, name: str) -> None:
    decision = gate({n: v for n, v in GOOD.items() if n != name}, settings)
    assert not decision.accepted and decision.reasons == (f"{name} is not known",)
    assert not gate({}, settings).accepted


def test_the_floors_are_settings(settings: Settings) -> None:
    strict = settings.model_copy(update={"gate_min_precision": 0.9})
    assert gate(GOOD, settings).accepted and not gate(GOOD, strict).accepted


def test_a_model_that_is_right_nine_times_of_ten_and_useless_is_refused(
    settings: Settings,
) -> None:
    """The original's only demand, an error of at most 10 %, lets all three of them pass."""
    judged = baseline_models(settings)
    assert judged["passes_error_alone"].all()
    assert judged["accepted"].to_dict() == {
        "always no": False,
        "a few by chance": False,
        "useful": True,
    }
    assert judged.loc["always no", "error"] == pytest.approx(0.08)
    assert judged.loc["always no", "recall"] == 0
    assert "precision is not known" in judged.loc["always no", "reasons"]
    assert "lift" in judged.loc["a few by chance", "reasons"]


def test_drift_names_what_shifted_and_only_that() -> None:
    import pandas as pd

    rng = np.random.default_rng(2)
    before = pd.DataFrame({"customer_id": range(500), "evening": rng.random(500), "score": 0.5})
    now = before.assign(evening=before["evening"] ** 4, customer_id=before["customer_id"] + 9)
    assert drift(before, before) == {"psi": {"evening": 0.0, "score": 0.0}, "shifted": []}
    found = drift(before, now)
    assert found["shifted"] == ["evening"] and set(found["psi"]) == {"evening", "score"}
    assert drift(before, now.iloc[:0]) == {"psi": {}, "shifted": []}
