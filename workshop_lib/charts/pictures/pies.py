"""Pies: one ring or two, one chart or several.

In: the table of an answer. Out: a figure. Slices are labelled where they are; small ones
below, so that nothing is hidden.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import cos, radians, sin

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workshop_lib.charts.pictures.style import INK, PALE, brief, number, patch

SMALL = 0.03
#: Least distance of two labels, in radii.
APART = 0.17


def pies(table: pd.DataFrame, size: float = 3.4) -> Figure:
    """A pie per value of ``charts``; slices by ``x``, and by ``split`` within them."""
    groups = list(table.groupby("charts", sort=False)) if "charts" in table else [("", table)]
    columns = 2 if len(groups) == 4 else min(3, len(groups))
    rows = -(-len(groups) // columns)
    width = max(5.4, columns * size)
    figure = Figure(figsize=(width, rows * size), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).flat
    names = list(dict.fromkeys(table["split" if "split" in table else "x"]))
    for ax, (name, rows_of) in zip(axes, groups, strict=False):
        _pie(ax, rows_of, names)
        if name != "":
            ax.set_title(f"{brief(name)}\n{number(rows_of['value'].sum())}")
    for ax in list(figure.axes)[len(groups) :]:
        ax.set_axis_off()
    return figure


def _pie(ax: Axes, table: pd.DataFrame, names: list[str]) -> None:
    total = float(table["value"].sum())
    ax.set(xlim=(-2.0, 2.0), ylim=(-1.55, 1.35), aspect="equal")
    ax.set_axis_off()
    if total <= 0:
        ax.text(0, 0, "No results", ha="center", va="center", color=PALE)
        return
    ringed = "split" in table
    outer = _ring(ax, table, "split" if ringed else "x", names, 1.0, 0.38 if ringed else 0.62)
    if ringed:
        inner = table.groupby("x", sort=False)["value"].sum().reset_index()
        wedges, _ = ax.pie(
            inner["value"],
            radius=0.6,
            startangle=90,
            counterclock=False,
            wedgeprops={"width": 0.42, "facecolor": "#ececec", "edgecolor": INK, "linewidth": 1},
        )
        for wedge, label, value in zip(wedges, inner["x"], inner["value"], strict=True):
            if value / total >= 0.08:
                at = radians((wedge.theta1 + wedge.theta2) / 2)
                said = f"{brief(label, 9)}\n{value / total:.0%}"
                ax.text(
                    *(0.4 * cos(at), 0.4 * sin(at)), said, ha="center", va="center", fontsize=7.5
                )
    small = [f"{brief(label)} {share:.1%}" for label, share, _ in outer if share < SMALL]
    _labels(ax, [(label, share, at) for label, share, at in outer if share >= SMALL])
    if small and not ringed:
        ax.text(0, -1.5, "smaller: " + ", ".join(small), ha="center", fontsize=8, color=INK)
    elif small:
        ax.text(0, -1.5, f"smaller slices have no label: {len(small)}", ha="center", fontsize=8)


def _ring(
    ax: Axes, table: pd.DataFrame, column: str, names: list[str], radius: float, width: float
) -> list[tuple[str, float, float]]:
    """Draw one ring; its slices as (label, share, angle in degrees)."""
    total = float(table["value"].sum())
    wedges, _ = ax.pie(
        table["value"],
        radius=radius,
        startangle=90,
        counterclock=False,
        wedgeprops={"width": width},
    )
    slices = []
    for wedge, label, value in zip(wedges, table[column], table["value"], strict=True):
        wedge.set(**patch(label, names.index(label)))
        slices.append((label, float(value) / total, (wedge.theta1 + wedge.theta2) / 2))
    return slices


def _labels(ax: Axes, slices: Iterable[tuple[str, float, float]]) -> None:
    """Labels beside the pie, pushed apart on each side, each with a line to its slice."""
    slices = list(slices)
    for side in (1, -1):
        ours = [
            (1.18 * sin(radians(angle)), label, share, angle)
            for label, share, angle in slices
            if (cos(radians(angle)) >= 0) == (side == 1)
        ]
        ours.sort(key=lambda each: each[0])
        heights = spread([each[0] for each in ours], APART)
        for (_, label, share, angle), y in zip(ours, heights, strict=True):
            x0, y0 = cos(radians(angle)), sin(radians(angle))
            x = side * max(1.12, abs(1.15 * x0))
            ax.plot([x0, x - side * 0.02], [y0, y], color=PALE, linewidth=0.7)
            ax.text(
                *(x, y),
                f"{brief(label, 18)} {share:.0%}",
                ha="left" if side == 1 else "right",
                va="center",
                fontsize=8.5,
                color=INK,
            )


def spread(heights: list[float], apart: float) -> list[float]:
    """Ascending ``heights``, moved as little as pushing allows, none closer than ``apart``."""
    moved: list[float] = []
    for height in heights:
        moved.append(max(height, moved[-1] + apart) if moved else height)
    if moved:  # pushed up only; half of the way back centres them
        back = max(0.0, moved[-1] - max(heights[-1], 1.25)) + max(
            0.0, (moved[-1] - heights[-1]) / 2
        )
        moved = [height - back for height in moved]
    return moved
