"""What the pictures of several lessons share: colours, bare axes, the scorecard's table.

In: numbers. Out: matplotlib axes and figures, and tables. No picture relies on colour alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workshop_lib.charts.pictures import fonts
from workshop_lib.verify.check import Stage

fonts.use()

INK: Final = "#222222"
PALE: Final = "#e6ecf4"
GREY: Final = "#8a8f98"
#: Okabe and Ito's: people who see colours differently can tell them apart.
COLOURS: Final = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
BLUE, ORANGE, GREEN, RED = COLOURS[0], COLOURS[1], COLOURS[2], COLOURS[5]


def axes(width: float = 8, height: float = 3) -> Axes:
    """Axes of a new figure without a frame above and on the right."""
    ax: Axes = plt.subplots(figsize=(width, height), layout="constrained")[1]
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def finished(figure: Figure, *without_frame: Axes) -> Figure:
    """``figure``, closed: a notebook shows it once, as the value of its cell."""
    for ax in without_frame:
        ax.spines[["top", "right", "left"]].set_visible(False)
        ax.tick_params(axis="y", length=0)
    plt.close(figure)
    return figure


def scorecard(stages: Sequence[Stage]) -> pd.DataFrame:
    """A row per check: what the ledger says, what the servers hold, ✓ or ✗."""
    return pd.DataFrame(
        {
            "stage": stage.stage,
            "check": check.name,
            "expected": _short(check.expected),
            "found": "the same" if check.expected == check.actual else _short(check.actual),
            "": "✓" if check.ok else "✗ WRONG",
        }
        for stage in stages
        for check in stage.checks
    ).set_index(["stage", "check"])


def _short(value: Any) -> str:
    if isinstance(value, dict):
        value = ", ".join(f"{key} {number}" for key, number in value.items())
    elif isinstance(value, list):
        value = f"{len(value)} in order, first {value[0]}" if value else "none"
    text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    return text if len(text) <= 60 else text[:57] + "…"
