"""Maps of the United States without a map service: dots, or a square for each state.

In: the table of an answer, split by grid cell or by state. Out: a figure. Behind
the dots, the position of every zip code shows the country.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from workshop_lib.charts.chart import Chart
from workshop_lib.charts.pictures.style import COLOURS, INK, MAP_COLOURS, PALE, brief, number
from workshop_lib.schema.labels import UNKNOWN
from workshop_lib.world.places import STATE_THOUSANDS, zip_places

#: A square for each state, about where it is: rows from north to south.
TILES: Final = """
AK .  .  .  .  .  .  .  .  .  ME
.  .  .  .  .  .  .  .  .  VT NH
WA ID MT ND MN IL WI MI NY RI MA
OR NV WY SD IA IN OH PA NJ CT .
CA UT CO NE MO KY WV VA MD DE .
.  AZ NM KS AR TN NC SC DC .  .
.  .  .  OK LA MS AL GA .  .  .
HI .  .  TX .  .  .  .  FL .  .
"""


class Inset(NamedTuple):
    """Part of the earth in degrees, and where on the figure it is drawn (parts of 1)."""

    west: float
    east: float
    south: float
    north: float
    box: tuple[float, float, float, float]


#: The lower 48, and the two that are drawn beside them.
INSETS: Final = (
    Inset(-125.5, -66.3, 24.2, 49.8, (0.0, 0.0, 1.0, 1.0)),
    Inset(-172.0, -130.0, 52.5, 71.5, (0.0, 0.0, 0.2, 0.24)),
    Inset(-160.6, -154.5, 18.6, 22.5, (0.21, 0.0, 0.12, 0.18)),
)


def tile_positions() -> dict[str, tuple[int, int]]:
    """State → (column, row), row 0 in the north."""
    rows = [line.split() for line in TILES.split("\n") if line]
    return {
        name: (column, row)
        for row, names in enumerate(rows)
        for column, name in enumerate(names)
        if name != "."
    }


def dots(table: pd.DataFrame, chart: Chart) -> Figure:
    """A dot per cell, at the middle of its plays; its area is the metric."""
    figure = Figure(figsize=(8.4, 5.1))
    ground = zip_places()
    largest = float(table["value"].max()) if len(table) else 1.0
    shown = 0
    for inset in INSETS:
        ax = figure.add_axes(inset.box)
        ax.set_axis_off()
        ax.set(xlim=(inset.west, inset.east), ylim=(inset.south, inset.north))
        ax.set_aspect(1 / np.cos(np.radians((inset.south + inset.north) / 2)))
        land = _within(ground, inset)
        ax.scatter(land["lon"], land["lat"], s=1.2, color="#dedede", linewidths=0)
        seen = _within(table, inset)
        shown += len(seen)
        ax.scatter(
            *(seen["lon"], seen["lat"]),
            s=420 * seen["value"] / largest,
            color=COLOURS[0],
            alpha=0.55,
            edgecolors="white",
            linewidths=0.6,
        )
    _key(figure.axes[0], largest, chart)
    if shown < len(table):
        figure.text(0.99, 0.01, f"{len(table) - shown} cells elsewhere", ha="right", color=PALE)
    return figure


def _within(table: pd.DataFrame, inset: Inset) -> pd.DataFrame:
    return table[
        table["lon"].between(inset.west, inset.east)
        & table["lat"].between(inset.south, inset.north)
    ]


def _key(ax: Axes, largest: float, chart: Chart) -> None:
    """What the size of a dot means."""
    for place, part in enumerate((1.0, 0.25)):
        x, y = -70.5, 29.5 - 2.2 * place
        ax.scatter([x], [y], s=420 * part, color=COLOURS[0], alpha=0.55, linewidths=0)
        ax.text(x - 1.4, y, number(largest * part), ha="right", va="center", fontsize=9, color=INK)
    ax.text(-69.4, 31.6, str(chart.metric), ha="right", fontsize=9, color=INK)


def states(table: pd.DataFrame, chart: Chart) -> Figure:
    """A square per state with its letters and number, darker for less; what has no state
    is listed below."""
    values = state_values(table, chart.rate)
    places = tile_positions()
    figure = Figure(figsize=(7.4, 5.4), layout="constrained")
    ax = figure.subplots()
    ax.set(xlim=(-0.05, 11.05), ylim=(8.75, -0.05), aspect="equal")
    ax.set_axis_off()
    scale = Normalize(0, max(values.values(), default=1) or 1)
    colours = mpl.colormaps[MAP_COLOURS]
    for name, (column, row) in places.items():
        value = values.get(name)
        face = "white" if value is None else colours(scale(value))
        dark = value is not None and scale(value) < 0.5
        ax.add_patch(
            Rectangle((column + 0.04, row + 0.04), 0.92, 0.92, facecolor=face, edgecolor=PALE)
        )
        ink = "white" if dark else INK
        ax.text(column + 0.5, row + 0.36, name, ha="center", va="center", color=ink, weight="bold")
        said = "none" if value is None else number(value)
        ax.text(column + 0.5, row + 0.72, said, ha="center", va="center", color=ink, fontsize=8)
    rest = table[~table["x"].isin(places)]
    if len(rest):
        named = zip(rest["x"][:3], rest["value"][:3], strict=True)
        said = ", ".join(f"{brief(label)} {number(value)}" for label, value in named)
        said += f" and {len(rest) - 3} more" if len(rest) > 3 else ""
        ax.text(0.05, 8.5, f"not on the map: {said}", va="center", fontsize=9, color=INK)
    label = f"{chart.metric} per 100,000 residents" if chart.rate else str(chart.metric)
    bar = mpl.cm.ScalarMappable(scale, colours)
    figure.colorbar(bar, ax=ax, label=label, shrink=0.6, pad=0.01)
    return figure


def state_values(table: pd.DataFrame, rate: bool) -> dict[str, float]:
    """State → metric, or with ``rate`` per 100,000 residents; ``unknown`` is no state."""
    known = table[table["x"].isin(list(STATE_THOUSANDS)) & (table["x"] != UNKNOWN)]
    return {
        name: value / STATE_THOUSANDS[name] * 100 if rate else value
        for name, value in zip(known["x"], known["value"], strict=True)
    }
