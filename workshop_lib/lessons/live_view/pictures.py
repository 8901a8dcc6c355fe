"""The last frame as a picture that needs no browser, and its description.

In: frames. Out: ``Picture``: for printed notebooks, and where no widget can be shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MultipleLocator

from workshop_lib.charts.pictures.style import Picture, picture, styled
from workshop_lib.lessons.figures import BLUE, GREY, INK, ORANGE, PALE, RED, finished
from workshop_lib.lessons.live_view.frames import (
    DROPPED,
    IN_ORDER,
    LATE,
    PARTLY,
    REPEATED,
    Frame,
    Window,
)

#: Shape and colour of what became of a record; the browser draws the same.
LOOK: Final = {
    IN_ORDER: ("o", BLUE),
    LATE: ("D", ORANGE),
    PARTLY: ("^", ORANGE),
    DROPPED: ("X", RED),
    REPEATED: ("s", GREY),
}
#: More batches than these do not fit; the last ones are drawn.
ROWS: Final = 14


def draw(frames: Sequence[Frame], title: str) -> Picture:
    """All batches (the last ``ROWS``), and below them the windows after the last one."""
    shown = frames[-ROWS:]
    words = describe(frames, title)
    with styled():
        # Not of pyplot's: used here for the first time, it would leave the notebook's own figures
        # unseen, as the look that ends with this block has their switch among its settings.
        height = 0.42 * max(len(shown), 3)
        figure = Figure(figsize=(9, height + 2.2), layout="constrained")
        ax, below = figure.subplots(2, 1, height_ratios=(height, 0.9), sharex=True)
        for row, frame in enumerate(shown):
            _row(ax, row, frame, shown)
        for kind, (marker, colour) in LOOK.items():
            if any(frame.count(kind) for frame in shown):
                ax.scatter([], [], s=60, marker=marker, color=colour, label=kind)
        ax.plot([], [], color=INK, lw=2.2, label="watermark")
        ax.legend(loc="lower left", ncols=5, bbox_to_anchor=(0, 1.0), fontsize=9)
        ax.set(ylim=(max(len(shown), 1) - 0.5, -0.5), ylabel="processing time ↓")
        ax.set_yticks(range(len(shown)), [f"{f.time[11:19]}  batch {f.batch}" for f in shown])
        _windows(below, shown[-1].windows if shown else [])
        below.set_xlabel("event time (UTC). Windows: their records; ↑ emitted now; hatched: closed")
        low, high = ax.get_xlim()
        below.xaxis.set_major_locator(MultipleLocator(tick(high - low)))
        below.xaxis.set_major_formatter(FuncFormatter(lambda ms, _: clock(ms)))
        finished(figure, ax, below)
        return picture(figure, words)


def describe(frames: Sequence[Frame], title: str) -> str:
    """What the picture shows, in words."""
    if not frames:
        return f"{title}: no batch yet."
    last = frames[-1]
    kinds = {kind: sum(frame.count(kind) for frame in frames) for kind in LOOK}
    counts = ", ".join(f"{number} {kind}" for kind, number in kinds.items() if number) or "none"
    windows = "; ".join(
        f"{clock(w.start)}–{clock(w.end)}: {w.records}{' (closed)' if w.closed else ''}"
        for w in last.windows[-12:]
    )
    mark = "none" if last.after is None else clock(last.after)
    spark = sum(frame.spark_dropped for frame in frames)
    return (
        f"{title}: {len(frames)} batches. Records: {counts}. Watermark at the end: {mark}. "
        f"Spark counted {spark} dropped rows. Windows: {windows or 'none'}."
    )


def clock(ms: float) -> str:
    """A moment as the time of day, UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%H:%M")


def tick(span: float) -> float:
    """Between two ticks of an axis so many ms long: a step as clocks have it, ten at most."""
    steps = [minutes * 60_000 for minutes in (1, 5, 10, 15, 30, 60, 180, 360, 720)]
    return next((step for step in steps if span <= 10 * step), span / 8)


def _row(ax: Axes, row: int, frame: Frame, shown: Sequence[Frame]) -> None:
    if frame.mark is not None:
        left = min(dot.at for each in shown for dot in each.dots) - 60_000
        ax.fill_betweenx([row - 0.5, row + 0.5], left, frame.mark, color=PALE, zorder=0)
        ax.plot([frame.mark] * 2, [row - 0.5, row + 0.5], color=INK, lw=2.2)
        ends = (frame.mark, frame.after if frame.after is not None else frame.mark)
        ax.plot(ends, [row + 0.5] * 2, color=INK, lw=2.2)
    for place, dot in enumerate(frame.dots):
        marker, colour = LOOK[dot.kind]
        y = row - 0.35 + 0.7 * (place + 0.5) / len(frame.dots)
        ax.scatter(dot.at, y, s=60, marker=marker, color=colour, zorder=3)


def _windows(ax: Axes, windows: Sequence[Window]) -> None:
    """A box for each window, overlapping ones in lanes; hatched when closed."""
    lanes: list[int] = []  # where each lane is free again
    for window in windows:
        lane = next((n for n, end in enumerate(lanes) if end <= window.start), len(lanes))
        lanes[lane : lane + 1] = [window.end]
        ax.barh(
            *(lane, window.end - window.start, 0.8, window.start),
            color="white" if window.closed else PALE,
            edgecolor=GREY if window.closed else INK,
            hatch="///" if window.closed else None,
            hatchcolor=GREY,
        )
        text = f"{window.records}{'↑' if window.emitted else ''}"
        box = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none"}
        ax.text(
            *((window.start + window.end) / 2, lane, text),
            ha="center",
            va="center",
            size=8,
            bbox=box,
        )
    ax.set(yticks=[], ylim=(-0.6, max(len(lanes), 1) - 0.4))
    ax.set_ylabel("windows", rotation=0, ha="right", va="center")
