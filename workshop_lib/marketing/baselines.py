"""Baseline models, and how the gate judges them (Stage 3).

For the notebook and the tests: where few listeners take an offer, a model that always says
no is right more than nine times out of ten. Judged by its error alone, as in the original demo,
it is put in use and nobody is ever offered anything.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from workshop_lib.marketing.gate import gate
from workshop_lib.marketing.metrics import confusion
from workshop_lib.settings import Settings


def baseline_models(
    settings: Settings, customers: int = 1000, takers: float = 0.08, seed: int = 7
) -> pd.DataFrame:
    """A row per model: its numbers, whether the error alone accepts it, and the gate's decision.

    "always no" offers nothing, "a few by chance" to 1 in 100 drawn blindly, "useful" finds
    most takers and errs now and then. Columns: error, precision, recall, lift,
    passes_error_alone, accepted, reasons.
    """
    rng = np.random.default_rng(seed)
    taken = np.zeros(customers)
    taken[: round(customers * takers)] = 1
    rng.shuffle(taken)
    models = {
        "always no": np.zeros(customers, dtype=bool),
        "a few by chance": rng.random(customers) < 0.01,
        "useful": (taken > 0.5) ^ (rng.random(customers) < np.where(taken > 0.5, 0.15, 0.015)),
    }
    rows = {}
    for name, offered in models.items():
        numbers = confusion(taken, offered)
        # The best rule on a feature without information is never to offer: errors = takers.
        best_rule = {"baseline_error": numbers["base_rate"], "baseline_lift": 1.0}
        decision = gate(numbers | best_rule, settings)
        rows[name] = {
            **{each: numbers[each] for each in ("error", "precision", "recall", "lift")},
            "passes_error_alone": numbers["error"] <= settings.gate_max_error,
            "accepted": decision.accepted,
            "reasons": "; ".join(decision.reasons),
        }
    return pd.DataFrame(rows).T


def shuffled_labels(labelled: pd.DataFrame, seed: int = 7) -> pd.DataFrame:
    """``labelled`` with its labels permuted: nothing is left to learn.

    A training that still finds something has a leak of the labels into the features.
    """
    order = np.random.default_rng(seed).permutation(len(labelled))
    return labelled.assign(label=labelled["label"].to_numpy()[order])
