"""Who wants no messages: some customers, among them some who would take the offer.

In: number of customers, who would take the offer. Out: customer ids, ascending, for
``optouts.csv``. Serves ``generate``; Stage 3 must be silent to them.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from workshop_lib.world.randomness import Ints, rng

SHARE: Final = 0.03  # of all customers
#: Of the takers besides: without some, nothing would show that an opt-out is kept to.
TAKER_SHARE: Final = 0.05


def opt_outs(would_take: np.ndarray, seed: int) -> Ints:
    """Ids of those who opted out; ``would_take``: a truth value per customer id."""
    draw = rng(seed, "optouts")
    out = draw.random(len(would_take)) < SHARE
    takers = np.flatnonzero(would_take)
    if len(takers):
        some = max(round(TAKER_SHARE * len(takers)), 1)
        out[draw.choice(takers, some, replace=False)] = True
    return np.flatnonzero(out).astype(np.int64)
