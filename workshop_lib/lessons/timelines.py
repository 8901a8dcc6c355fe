"""Pictures of plays in event time: what a watermark lets in, and who is interested.

In: plays and what queries said of them. Out: a matplotlib figure, to be shown as the value of
a cell. Serves the notebooks "Spark streaming" and "interests".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workshop_lib.lessons.lanes import COLOURS, GREY, INK, PALE

BLUE, ORANGE, GREEN, RED = COLOURS[0], COLOURS[1], COLOURS[2], COLOURS[5]


def draw_watermark(
    batches: Sequence[Sequence[float]],
    watermarks: Sequence[float | None],
    dropped: Sequence[tuple[int, float]],
) -> Figure:
    """Minutes of plays by batch; each batch's watermark (a minute or None) as a step line.

    ``dropped`` are (batch, minute) of the plays that were not counted.
    """
    figure, ax = plt.subplots(figsize=(9, 0.62 * len(batches) + 1.3), layout="constrained")
    first = min(min(batch) for batch in batches) - 4
    latest = float("-inf")
    for row, (batch, mark) in enumerate(zip(batches, watermarks, strict=True)):
        if mark is not None:
            ax.fill_betweenx([row - 0.5, row + 0.5], first, mark, color=PALE, zorder=0)
            ax.plot([mark, mark], [row - 0.5, row + 0.5], color=INK, lw=2.2)
            ax.text(mark - 0.25, row - 0.28, clock(mark), ha="right", va="center", size=8)
        for minute in batch:
            late, gone = minute < latest, (row, minute) in dropped
            marker, colour = ("X", RED) if gone else ("D", ORANGE) if late else ("o", BLUE)
            ax.scatter(minute, row, s=110, marker=marker, color=colour, zorder=3)
            latest = max(latest, minute)
    for label, marker, colour in (
        ("in order", "o", BLUE),
        ("late, counted", "D", ORANGE),
        ("too late, dropped", "X", RED),
    ):
        ax.scatter([], [], s=80, marker=marker, color=colour, label=label)
    ax.plot([], [], color=INK, lw=2.2, label="watermark")
    ax.legend(loc="lower left", ncols=4, bbox_to_anchor=(0, 1.0), frameon=False, fontsize=9)
    ax.set(ylim=(len(batches) - 0.5, -0.5), xlim=(first, latest + 2))
    ax.set(xlabel="event time: when it was played", ylabel="batch, in order of arrival ↓")
    ax.set_yticks(range(len(batches)))
    return _clock_axis(figure, ax, 5)


def draw_plays(rows: Mapping[str, Sequence[float]], hits: Mapping[str, Sequence[int]]) -> Figure:
    """One line per name, a dot per play (minutes), and a bracket over each span of three plays
    that ``hits`` says is an interest (positions of the third play)."""
    figure, ax = plt.subplots(figsize=(9, 0.6 * len(rows) + 0.9), layout="constrained")
    for row, (name, minutes) in enumerate(rows.items()):
        ax.axhline(row, color=PALE, lw=7, zorder=0)
        _dots(ax, row, minutes)
        for height, third in enumerate(hits.get(name, ())):
            y = row - 0.24 - 0.14 * height
            span = [minutes[third - 2], minutes[third]]
            ax.plot(span, [y, y], color=GREEN, lw=2, marker="|", ms=7, mew=2)
    ax.set(ylim=(len(rows) - 0.5, -0.75), yticks=range(len(rows)), yticklabels=list(rows))
    ax.tick_params(axis="y", length=0)
    return _clock_axis(figure, ax, 10)


def draw_verdicts(
    rows: Mapping[str, Sequence[float]],
    truth: Mapping[str, int],
    claims: Mapping[str, Mapping[str, int]],
    origin: str = "20:00",
) -> Figure:
    """Left the plays (minutes after ``origin``), full and half hours as dotted lines; right, a
    column per way of counting: its number of interests, ✓ when it is the true one."""
    figure, (ax, table) = plt.subplots(
        *(1, 2),
        figsize=(10.5, 0.44 * len(rows) + 1.0),
        width_ratios=(3, 0.6 + 0.72 * len(claims)),
        sharey=True,
        layout="constrained",
    )
    for row, (name, minutes) in enumerate(rows.items()):
        ax.axhline(row, color=PALE, lw=7, zorder=0)
        _dots(ax, row, minutes)
        table.text(0, row, str(truth[name]), ha="center", va="center", weight="bold", color=INK)
        for column, found in enumerate(claims.values(), 1):
            right = found.get(name, 0) == truth[name]
            table.text(
                *(column, row, f"{'✓' if right else '✗'} {found.get(name, 0)}"),
                ha="center",
                va="center",
                color=GREEN if right else RED,
                weight="normal" if right else "bold",
            )
    last = max(max(minutes) for minutes in rows.values())
    for edge in range(0, int(last) + 30, 30):
        ax.axvline(edge, color=GREY, ls=":", lw=1.4, zorder=0)
    ax.set(xlim=(-3, last + 4), xlabel=f"minutes after {origin}")
    ax.xaxis.set_major_locator(plt.MultipleLocator(15))
    table.set(xlim=(-0.5, len(claims) + 0.5), xticks=range(len(claims) + 1))
    table.set_xticklabels(["truth", *claims], size=9)
    table.xaxis.tick_top()
    table.tick_params(length=0)
    table.spines[:].set_visible(False)
    ax.set(ylim=(len(rows) - 0.5, -0.5), yticks=range(len(rows)), yticklabels=list(rows))
    ax.tick_params(axis="y", length=0)
    return _bare(figure, ax)


def clock(minute: float) -> str:
    """Minutes after 20:00 as a time of day."""
    return f"{20 + int(minute // 60)}:{int(minute % 60):02d}"


def _dots(ax: Axes, row: int, minutes: Sequence[float]) -> None:
    """Plays as dots; one that is there twice gets a second ring."""
    ax.scatter(minutes, [row] * len(minutes), s=70, color=BLUE, zorder=3)
    again = [m for place, m in enumerate(minutes) if m in minutes[:place]]
    style: dict[str, Any] = {"facecolor": "none", "edgecolor": BLUE, "linewidth": 1.5}
    ax.scatter(again, [row] * len(again), s=190, zorder=3, **style)


def _clock_axis(figure: Figure, ax: Axes, every: int) -> Figure:
    ax.xaxis.set_major_locator(plt.MultipleLocator(every))
    ax.xaxis.set_major_formatter(lambda minute, _: clock(minute))
    return _bare(figure, ax)


def _bare(figure: Figure, ax: Axes) -> Figure:
    """Without a frame, and closed: it is shown once, as the value of its cell."""
    ax.spines[["top", "right", "left"]].set_visible(False)
    plt.close(figure)
    return figure
