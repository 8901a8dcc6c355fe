"""Pictures of a topic: partitions as lanes, who reads which, how far a group is behind.

In: records, shares and lags as ``by_hand`` gives them. Out: a matplotlib figure, to be shown
as the value of a cell. Serves the notebook "Kafka by hand".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from workshop_lib.lessons.by_hand import Lag

INK: Final = "#222222"
PALE: Final = "#eef1f5"
GREY: Final = "#9aa3ad"
#: Told apart by people who see colours differently; each also carries its number.
COLOURS: Final = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")


def draw_lanes(
    records: Iterable[Any], times: Mapping[tuple[int, int], int] | None = None
) -> Figure:
    """Each record as a dot at its offset, with its key (the listener) and the minute of its
    timestamp. ``times`` ({(partition, offset): n}) writes ×n at a dot instead, where n is not 1.
    """
    records = list(records)
    lanes = sorted({record.partition for record in records})
    keys = sorted({int(record.key) for record in records})
    colour = {key: COLOURS[place % len(COLOURS)] for place, key in enumerate(keys)}
    longest = max(record.offset for record in records) + 1
    figure, ax = plt.subplots(figsize=(9, 0.95 * len(lanes) + 0.9), layout="constrained")
    for row, lane in enumerate(lanes):
        _box(ax, -0.55, row - 0.36, longest + 0.1, 0.72, facecolor=PALE)
        ax.annotate(
            "", (longest + 0.25, row), (longest - 0.45, row), arrowprops={"arrowstyle": "->"}
        )
        ax.text(-0.75, row, f"partition {lane}", ha="right", va="center", color=INK)
    for record in records:
        row = lanes.index(record.partition)
        ax.scatter(record.offset, row - 0.06, s=330, color=colour[int(record.key)], zorder=3)
        _text(ax, record.offset, row - 0.05, record.key.decode(), color="white", weight="bold")
        minute = datetime.fromtimestamp(record.timestamp / 1000, UTC).strftime("%H:%M")
        count = 1 if times is None else times.get((record.partition, record.offset), 0)
        note, weight = (minute, "normal") if count == 1 else (f"× {count}", "bold")
        _text(ax, record.offset, row + 0.27, note, color=INK, size=8, weight=weight)
        if count != 1:
            ax.scatter(
                record.offset, row - 0.06, s=520, facecolor="none", edgecolor=INK, lw=1.6, zorder=2
            )
    ax.set(xlim=(-2.0, longest + 0.5), ylim=(len(lanes) - 0.5, -0.6), xticks=range(longest))
    ax.set(xlabel="offset", yticks=[])
    return _bare(figure, ax)


def draw_groups(shares: Sequence[Mapping[str, Sequence[int]]], partitions: int) -> Figure:
    """One panel per state of a group: lines from partitions to the member that reads them."""
    figure, axes = plt.subplots(
        1, len(shares), figsize=(3.4 * len(shares), 3.0), squeeze=False, layout="constrained"
    )
    height = max(partitions, *(len(shared) for shared in shares))
    for ax, shared in zip(axes[0], shares, strict=True):
        at = {name: _spread(place, len(shared), height) for place, name in enumerate(shared)}
        for lane in range(partitions):
            y = _spread(lane, partitions, height)
            _box(ax, 0, y - 0.3, 1.5, 0.6, facecolor=PALE)
            _text(ax, 0.75, y, f"partition {lane}", color=INK, size=9)
            for name, lanes in shared.items():
                if lane in lanes:
                    ax.plot([1.6, 2.9], [y, at[name]], color=COLOURS[0], lw=1.8)
        for name, lanes in shared.items():
            idle = {} if lanes else {"linestyle": "--"}
            face = COLOURS[0] if lanes else "white"
            _box(ax, 3.0, at[name] - 0.3, 1.5, 0.6, facecolor=face, edgecolor=GREY, **idle)
            label = name if lanes else f"{name}: idle"
            _text(ax, 3.75, at[name], label, color="white" if lanes else INK, size=9)
        ax.set_title(f"{len(shared)} member{'s' * (len(shared) != 1)}", size=11)
        ax.set(xlim=(-0.1, 4.6), ylim=(height - 0.4, -0.6))
        ax.axis("off")
    plt.close(figure)
    return figure


def draw_lag(before: Sequence[Lag], after: Sequence[Lag]) -> Figure:
    """Two panels, one bar a partition: what was committed, and hatched what is left."""
    figure, axes = plt.subplots(
        1, 2, figsize=(9, 0.55 * len(before) + 1.1), sharey=True, sharex=True, layout="constrained"
    )
    for ax, title, lags in zip(axes, ("before", "after"), (before, after), strict=True):
        for row, lag in enumerate(lags):
            ax.barh(row, lag.committed, color=COLOURS[0], height=0.6)
            ax.barh(
                *(row, lag.records, 0.6, lag.committed),
                color="white",
                edgecolor=COLOURS[5],
                hatch="///",
            )
            ax.text(lag.end + 0.15, row, f"lag {lag.records}", va="center", color=INK, size=9)
        ax.set_title(f"{title}: lag {sum(lag.records for lag in lags)} in all", size=11)
        ax.set_xlabel("offset: committed ■   not yet ▨")
        ax.set(yticks=range(len(lags)), yticklabels=[f"partition {lag.partition}" for lag in lags])
    axes[0].invert_yaxis()
    axes[0].set_xlim(0, max(lag.end for lag in after) * 1.2)
    for ax in axes:
        _bare(figure, ax)
        ax.xaxis.get_major_locator().set_params(integer=True)
    return figure


def times(records: Iterable[Any]) -> Counter[tuple[int, int]]:
    """How many times each place of a topic is among ``records``, for ``draw_lanes``."""
    return Counter((record.partition, record.offset) for record in records)


def _spread(place: int, count: int, height: int) -> float:
    return (place + 0.5) * height / count - 0.5


def _box(ax: Axes, x: float, y: float, width: float, height: float, **style: Any) -> None:
    look: dict[str, Any] = {"edgecolor": "none", "linewidth": 1.2, "zorder": 0, **style}
    ax.add_patch(FancyBboxPatch((x, y), width, height, "round,pad=0,rounding_size=0.12", **look))


def _text(ax: Axes, x: float, y: float, text: str, **style: Any) -> None:
    ax.text(x, y, text, ha="center", va="center", zorder=4, **style)


def _bare(figure: Figure, ax: Axes) -> Figure:
    """Without a frame, and closed: it is shown once, as the value of its cell."""
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
    plt.close(figure)
    return figure
