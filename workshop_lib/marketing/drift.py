"""Drift: how much the listeners have changed since the model in use was trained.

In: the features and scores of all customers now, and those kept with the model in use.
Out: the population stability index of each, for the record of the new model. It decides
nothing: the gate judges the new model on its own numbers; a shift is a hint for people.
"""

from __future__ import annotations

from typing import Any, Final

import pandas as pd

from workshop_lib.marketing.metrics import population_stability

#: Above it, the usual reading is that the population is another one (Siddiqi 2006).
SHIFTED: Final = 0.25
SCORE: Final = "score"


def drift(before: pd.DataFrame, now: pd.DataFrame) -> dict[str, Any]:
    """PSI of each column that both have but the id, and the names of those that shifted.

    Both: a row per customer with the features and ``score``; not the same customers
    necessarily. ``{"psi": {name: number}, "shifted": [names]}``
    """
    if before.empty or now.empty:
        return {"psi": {}, "shifted": []}
    names = [c for c in now.columns if c in before.columns and c != "customer_id"]
    psi = {n: population_stability(before[n].to_numpy(), now[n].to_numpy()) for n in names}
    return {"psi": psi, "shifted": [name for name, value in psi.items() if value > SHIFTED]}
