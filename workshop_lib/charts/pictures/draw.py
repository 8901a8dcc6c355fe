"""An answer as a picture with its description.

In: ``Answer`` (or what Discover found). Out: ``Picture``. ``draw`` chooses the figure by the
kind of chart; colours and fonts are in ``style``.
"""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from workshop_lib.charts.ask import Answer, Found
from workshop_lib.charts.chart import Chart, GeoGrid
from workshop_lib.charts.pictures import axes, maps, pies
from workshop_lib.charts.pictures.maps import state_values
from workshop_lib.charts.pictures.style import (
    COLOURS,
    INK,
    Picture,
    days,
    label_text,
    number,
    picture,
    styled,
    time_axis,
)

#: A description names so many parts; the table has all of them.
NAMED = 8


def draw(answer: Answer) -> Picture:
    """The picture of ``answer``."""
    chart, table = answer.chart, answer.table
    with styled():
        if table.empty or not table["plays"].sum():
            figure = _no_results()
        elif chart.kind == "pie":
            figure = pies.pies(table)
        elif chart.kind == "map":
            cells = isinstance(chart.x, GeoGrid)
            figure = maps.dots(table, chart) if cells else maps.states(table, chart)
        elif chart.kind == "metric":
            figure = axes.numbers(table, chart)
        else:
            figure = axes.with_axes(table, chart, answer.span)
        if chart.title:
            figure.suptitle(chart.title, x=0.02, ha="left", weight="bold")
        return picture(figure, describe(answer))


def histogram(found: Found, chosen: tuple[int, int] | None = None) -> Picture:
    """Discover's bars; those from ``chosen[0]`` to ``chosen[1]`` are marked."""
    with styled():
        figure = Figure(figsize=(8.4, 1.9))  # drawn often, so its margins are not worked out
        ax = figure.add_axes((0.075, 0.28, 0.88, 0.68))
        starts = [days(start.timestamp() * 1000) for start in found.histogram.index]
        width = days(found.interval.ms) * 0.92
        bars = ax.bar(starts, found.histogram, width=width, align="edge", color=COLOURS[0])
        if chosen and chosen != (0, len(starts) - 1):
            for place, bar in enumerate(bars):
                if chosen[0] <= place <= chosen[1]:
                    bar.set(facecolor=COLOURS[1], hatch="//", edgecolor="white")
        time_axis(ax, found.span)
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
        ax.set(xlabel=f"per {found.interval.name} ({found.span.zone})", ylabel="hits")
        ax.set_ylim(0, max(1, found.histogram.max() * 1.05) if len(starts) else 1)
        return picture(figure, _describe_bars(found))


def _no_results() -> Figure:
    figure = Figure(figsize=(5.4, 1.4), layout="constrained")
    style: Any = {"ha": "center", "color": INK}
    figure.text(0.5, 0.6, "No results match your search criteria.", size=11, **style)
    figure.text(0.5, 0.3, "Try a longer time range, or fewer filters.", size=9, **style)
    return figure


def title(chart: Chart) -> str:
    """The chart's title, or what it shows: ``Count by device``."""
    if chart.title:
        return chart.title
    by = [split.field for _, split in chart.nested()]
    what = f"{chart.metric} per 100,000 residents" if chart.rate else str(chart.metric)
    return f"{what} by {', '.join(by)}" if by else what


def describe(answer: Answer) -> str:
    """The picture in words: what it is, and its largest parts."""
    table, chart = answer.table, answer.chart
    head = f"{chart.kind.capitalize()}: {title(chart)}, {answer.search.time}."
    if table.empty or not table["plays"].sum():
        return f"{head} No results."
    columns = [name for name, _ in chart.nested()]
    if not columns:
        return f"{head} {number(table['value'].iloc[0])}."
    if chart.kind in ("line", "bar") and "split" in columns:
        per_series = table.groupby("split", sort=False)["value"]
        lows, highs = per_series.min(), per_series.max()
        parts = [f"{name} {number(lows[name])} to {number(highs[name])}" for name in lows.index]
        return f"{head} Lowest to highest: {'; '.join(parts[:NAMED])}."
    if chart.rate:
        rates = state_values(table, rate=True)
        table = table.assign(value=table["x"].map(rates)).dropna(subset=["value"])
    largest = table.sort_values("value", ascending=False, kind="stable").head(NAMED)
    total = answer.total
    parts = []
    for row in largest.to_dict("records"):
        name = _place(row) if "lat" in row else ", ".join(label_text(row[name]) for name in columns)
        share = f" ({row['value'] / total:.1%})" if chart.kind == "pie" and total else ""
        parts.append(f"{name}: {number(row['value'])}{share}")
    rest = len(table) - len(largest)
    return f"{head} {'; '.join(parts)}{f'; and {rest} smaller' if rest else ''}."


def _place(row: dict[Any, Any]) -> str:
    north, east = row["lat"], row["lon"]
    return f"{abs(north):.0f}°{'NS'[north < 0]} {abs(east):.0f}°{'EW'[east < 0]}"


def _describe_bars(found: Found) -> str:
    bars = found.histogram
    if not found.hits:
        return "Histogram without bars: no results."
    top = bars.idxmax()
    return (
        f"Histogram of {number(found.hits)} hits, a bar per {found.interval.name}: the highest, "
        f"{number(bars.max())}, begins {top:%d %b %H:%M} {found.span.zone}."
    )
