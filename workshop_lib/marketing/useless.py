"""Models that are good for nothing, and what the gate says of them.

For the notebook and the tests: where few listeners take an offer, a model that always says
no is right more than nine times out of ten. Judged by its error alone, as the original demo would,
it goes live and nobody is ever offered anything.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from workshop_lib.marketing.gate import gate
from workshop_lib.marketing.metrics import confusion
from workshop_lib.settings import Settings


def demonstration(
    settings: Settings, customers: int = 1000, takers: float = 0.08, seed: int = 7
) -> pd.DataFrame:
    """A row per model: its numbers, whether the error alone would let it pass, the gate's word.

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
    return pd.DataFrame(
        {name: _judged(taken, offered, settings) for name, offered in models.items()}
    ).T


def _judged(taken: np.ndarray, offered: np.ndarray, settings: Settings) -> dict[str, Any]:
    numbers = confusion(taken, offered)
    # The best rule on a feature that tells nothing is never to offer: errors = takers.
    decision = gate(
        {**numbers, "baseline_error": numbers["base_rate"], "baseline_lift": 1.0}, settings
    )
    return {
        **{name: numbers[name] for name in ("error", "precision", "recall", "lift")},
        "passes_error_alone": numbers["error"] <= settings.gate_max_error,
        "accepted": decision.accepted,
        "reasons": "; ".join(decision.reasons),
    }


def shuffled(labelled: pd.DataFrame, seed: int = 7) -> pd.DataFrame:
    """``labelled`` with its labels dealt out anew: nothing is left to learn.

    A training that still finds something has let the answers leak in.
    """
    order = np.random.default_rng(seed).permutation(len(labelled))
    return labelled.assign(label=labelled["label"].to_numpy()[order])
