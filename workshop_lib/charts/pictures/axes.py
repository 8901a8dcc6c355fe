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
    number,
    patch,
    time_axis,
)
from workshop_lib.charts.time_range import Span, interval

Draw = Callable[[Axes, pd.DataFrame, Chart, list[Any], Span], None]


def lines(table: pd.DataFrame, chart: Chart, span: Span) -> Figure:
    return _panels(table, chart, span, _lines, 2.9)


def bars(table: pd.DataFrame, chart: Chart, span: Span) -> Figure:
    flat = not isinstance(chart.x, DateHistogram | Histogram)
    values = table["x"].nunique() if len(table) else 1
    return _panels(
        table, chart, span, _flat_bars if flat else _bars, 1.2 + 0.28 * values if flat else 2.9
    )


def heat_map(table: pd.DataFrame, chart: Chart, span: Span) -> Figure:
    values = table["split"].nunique() if len(table) else 1
    return _panels(table, chart, span, _heat, 1.9 + 0.34 * values)


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


def _panels(
    table: pd.DataFrame, chart: Chart, span: Span, draw: Draw, height: float, width: float = 8.4
) -> Figure:
    """One pair of axes per value of ``charts``, below one another, with the same scale."""
    groups = list(table.groupby("charts", sort=False)) if "charts" in table else [("", table)]
    names = list(dict.fromkeys(table["split"])) if "split" in table else []
    rows = max(1, len(groups))
    figure = Figure(figsize=(width, height * rows), layout="constrained")
    panels = figure.subplots(rows, 1, squeeze=False, sharex=True, sharey=chart.kind != "bar")
    for ax, (name, rows_of) in zip(panels[:, 0], groups, strict=False):
        if rows_of.empty:
            ax.text(0.5, 0.5, "No results", ha="center", transform=ax.transAxes, color=PALE)
        else:
            draw(ax, rows_of, chart, names, span)
        if name != "":
            ax.set_title(brief(name), loc="left")
    if draw in (_lines, _bars):
        for ax in panels[:, 0]:  # when all are drawn: they share a scale
            ax.set_ylim(bottom=0)
    if names and chart.kind != "heat map":
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right upper", title=_name(chart.split))
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
    """Upright ones along time or a number; stacked if the parts add up to a whole."""
    if isinstance(chart.x, DateHistogram):
        width = days(interval(span, chart.x.interval).ms)
    else:
        width = chart.x.step if isinstance(chart.x, Histogram) else 1.0
    series = list(_series(table, names))
    part = 0.9 if chart.metric.additive else 0.9 / len(series)
    base: pd.Series | float = 0.0
    for place, name, rows in series:
        values = rows["value"].set_axis(_positions(rows["x"], chart.x))
        shift = 0 if chart.metric.additive else part * place
        ax.bar(
            values.index + width * (0.05 + shift),
            values.to_numpy(),
            width=width * part,
            align="edge",
            bottom=(
                base.reindex(values.index, fill_value=0).to_numpy()
                if isinstance(base, pd.Series)
                else 0
            ),
            label=brief(name, 20),
            **patch(name, place),
        )
        if chart.metric.additive:
            base = values.add(base, fill_value=0)
    _scales(ax, chart, span)


def _flat_bars(ax: Axes, table: pd.DataFrame, chart: Chart, names: list[Any], span: Span) -> None:
    """Lying ones for values with names, the first on top."""
    labels = list(dict.fromkeys(table["x"]))
    series = list(_series(table, names))
    thick = 0.8 if chart.metric.additive else 0.8 / len(series)
    base = np.zeros(len(labels))
    for place, name, rows in series:
        values = rows.set_index("x")["value"].reindex(labels).to_numpy()
        shift = 0 if chart.metric.additive else thick * (place - (len(series) - 1) / 2)
        bars = ax.barh(
            np.arange(len(labels)) + shift,
            values,
            height=thick,
            left=base,
            label=brief(name, 20),
            **patch(name, place),
        )
        if not names or not chart.metric.additive:
            ax.bar_label(bars, [number(value) for value in values], padding=4, fontsize=8.5)
        if chart.metric.additive:
            base = base + np.nan_to_num(values)
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
    labels = [f"{x:%d %b %H:%M}" if times else brief(number_or(x)) for x in grid.columns]
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
        time_axis(ax, span.start, span.end)
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
        return f"{split.field} per {interval(span, split.interval).name} (UTC)"
    if isinstance(split, Histogram) and split.step != 1:
        return f"{split.field}, in steps of {number(split.step)}"
    return split.field


def number_or(value: Any) -> str:
    return number(value) if isinstance(value, int | float) else str(value)
