"""Charts with two axes: lines, bars and heat maps, and single numbers.

In: the table of an answer and its chart. Out: a figure. Each series has a colour and a
marker, line or hatch of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from workshop_lib.charts.chart import Chart, DateHistogram, Histogram, Split
from workshop_lib.charts.pictures.style import (
    COLOURS,
    INK,
    LINES,
    MAP_COLOURS,
    MARKERS,
    PALE,
    SPECIAL,
    brief,
    days,
    label_text,
    number,
    patch,
    time_axis,
)
from workshop_lib.charts.time_range import Span, interval

Draw = Callable[[Axes, pd.DataFrame, Chart, list[Any], Span], None]


def with_axes(table: pd.DataFrame, chart: Chart, span: Span) -> Figure:
    """Lines, bars or a heat map: a pair of axes per value of ``charts``, below one another."""
    draw, height = _lines, 2.9
    if chart.kind == "heat map":
        draw, height = _heat, 1.9 + 0.34 * table["split"].nunique()
    elif chart.kind == "bar":
        draw, height = _bars, 2.9 if _ordered(chart.x) else 1.2 + 0.28 * table["x"].nunique()
    groups = list(table.groupby("charts", sort=False)) if "charts" in table else [("", table)]
    names = list(dict.fromkeys(table["split"])) if "split" in table else []
    figure = Figure(figsize=(8.4, height * len(groups)), layout="constrained")
    panels = figure.subplots(
        *(len(groups), 1), squeeze=False, sharex=True, sharey=chart.kind != "bar"
    )[:, 0]
    for ax, (name, rows) in zip(panels, groups, strict=True):
        draw(ax, rows, chart, names, span)
        if name != "":
            ax.set_title(brief(name), loc="left")
    if draw is _lines or (draw is _bars and _ordered(chart.x)):
        for ax in panels:  # when all are drawn: they share a scale
            ax.set_ylim(bottom=0)
    if names and chart.kind != "heat map":
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right upper", title=_name(chart.split))
    return figure


def numbers(table: pd.DataFrame, chart: Chart) -> Figure:
    """The metric alone, large; one for each value of ``charts``."""
    figure = Figure(figsize=(max(2.6, 2.0 * len(table)), 1.3), layout="constrained")
    ax = figure.subplots()
    ax.set_axis_off()
    names = table["charts"] if "charts" in table else [str(chart.metric)] * len(table)
    for place, (name, value) in enumerate(zip(names, table["value"], strict=True)):
        at = (place + 0.5) / len(table)
        ax.text(at, 0.62, number(value), ha="center", va="center", fontsize=24, color=COLOURS[0])
        ax.text(at, 0.1, brief(name), ha="center", va="center", fontsize=10, color=INK)
    return figure


def _series(table: pd.DataFrame, names: list[Any]) -> Iterator[tuple[int, str, pd.DataFrame]]:
    if not names:
        yield 0, "", table
        return
    for place, name in enumerate(names):
        rows = table[table["split"] == name]
        if len(rows):
            yield place, name, rows


def _lines(ax: Axes, table: pd.DataFrame, chart: Chart, names: list[Any], span: Span) -> None:
    for place, name, rows in _series(table, names):
        colour = PALE if name in SPECIAL else COLOURS[place % len(COLOURS)]
        x = _positions(rows["x"], chart.x)
        ax.plot(
            *(x, rows["value"]),
            color=colour,
            marker=MARKERS[place % len(MARKERS)],
            linestyle=LINES[place % len(LINES)],
            markersize=4,
            linewidth=1.6,
            label=brief(name, 20),
        )
    _scales(ax, chart, span)


def _bars(ax: Axes, table: pd.DataFrame, chart: Chart, names: list[Any], span: Span) -> None:
    """Upright along time or a number; lying for values with names, the first on top.

    Stacked if the parts add up to a whole, else side by side.
    """
    upright, stacked = _ordered(chart.x), chart.metric.additive
    labels = list(dict.fromkeys(table["x"]))
    series = list(_series(table, names))
    wide = 1.0
    if isinstance(chart.x, DateHistogram):
        wide = days(interval(span, chart.x.interval).ms)
    elif isinstance(chart.x, Histogram):
        wide = chart.x.step
    thick = (0.9 if upright else 0.8) * wide / (1 if stacked else len(series))
    middle = np.arange(len(labels), dtype=float)
    if upright:
        middle = np.array(_positions(pd.Series(labels), chart.x)) + wide / 2
    base = np.zeros(len(labels))
    for n, (place, name, rows) in enumerate(series):
        values = rows.set_index("x")["value"].reindex(labels).to_numpy()
        at = middle if stacked else middle + thick * (n - (len(series) - 1) / 2)
        draw, start = (ax.bar, "bottom") if upright else (ax.barh, "left")
        look: dict[str, Any] = {start: base, **patch(name, place)}
        bars = draw(at, values, thick, label=brief(name, 20), **look)
        if not upright and not (names and stacked):
            ax.bar_label(bars, [number(value) for value in values], padding=4, fontsize=8.5)
        if stacked:
            base = base + np.nan_to_num(values)
    if upright:
        _scales(ax, chart, span)
        return
    ax.set_yticks(range(len(labels)), [brief(label) for label in labels])
    ax.set_ylim(len(labels) - 0.5, -0.5)
    ax.set(xlabel=str(chart.metric), ylabel=_name(chart.x))
    ax.margins(x=0.08)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))


def _heat(ax: Axes, table: pd.DataFrame, chart: Chart, names: list[Any], span: Span) -> None:
    grid = table.pivot(index="split", columns="x", values="value").reindex(names)
    if chart.metric.additive:
        grid = grid.fillna(0)
    if _ordered(chart.x):
        grid = grid.sort_index(axis=1)
    image = ax.imshow(grid.to_numpy(dtype=float), aspect="auto", cmap=MAP_COLOURS, vmin=0)
    times = isinstance(chart.x, DateHistogram)
    labels = [brief(label_text(x)) for x in grid.columns]
    every = max(1, len(labels) // 12)
    ax.set_xticks(range(0, len(labels), every), labels[::every], rotation=45 if times else 0)
    ax.set_yticks(range(len(names)), [brief(name) for name in names])
    ax.set(xlabel=_name(chart.x, span), ylabel=_name(chart.split))
    ax.spines[:].set_visible(False)
    if len(labels) <= 24:
        half = np.nanmax(grid.to_numpy(dtype=float)) / 2
        for (row, column), value in np.ndenumerate(grid.to_numpy(dtype=float)):
            if value == value:
                colour = "white" if value < half else "black"
                ax.text(
                    *(column, row, number(value)),
                    ha="center",
                    va="center",
                    fontsize=7.5,
                    color=colour,
                )
    ax.figure.colorbar(image, ax=ax, label=str(chart.metric), pad=0.01)


def _scales(ax: Axes, chart: Chart, span: Span) -> None:
    if isinstance(chart.x, DateHistogram):
        time_axis(ax, span)
    ax.set(xlabel=_name(chart.x, span), ylabel=str(chart.metric))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    ax.grid(axis="y", color="#e6e6e6")
    ax.set_axisbelow(True)


def _positions(labels: pd.Series, split: Split | None) -> list[Any]:
    """Where on the x-axis ``labels`` are."""
    if isinstance(split, DateHistogram):
        return [days(label.timestamp() * 1000) for label in labels]
    return labels.tolist() if _ordered(split) else [brief(label) for label in labels]


def _ordered(split: Split | None) -> bool:
    return isinstance(split, DateHistogram | Histogram)


def _name(split: Split | None, span: Span | None = None) -> str:
    if split is None:
        return ""
    if isinstance(split, DateHistogram) and span:
        return f"{split.field} per {interval(span, split.interval).name} ({span.zone})"
    if isinstance(split, Histogram) and split.field == "hour":
        return f"hour of day ({span.zone if span else 'UTC'})"
    if isinstance(split, Histogram) and split.step != 1:
        return f"{split.field}, in steps of {number(split.step)}"
    return split.field
