"""Notebook 05, interests: those planted in the replayed plays, and how well each way finds them.

In: Settings of a replayed world, and claims: a (listener, track) for each interest that a way
of counting finds. Out: a table of missed and invented interests, and figures. The truth comes
from the ledger alone.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workshop_lib.lessons.figures import BLUE, GREEN, GREY, INK, PALE, RED, finished
from workshop_lib.lessons.kafka_by_hand import MINUTE
from workshop_lib.lessons.spark_streaming import clock_axis
from workshop_lib.settings import Settings
from workshop_lib.verify.expected import Expected

#: A listener and a track.
Pair = tuple[int, int]


class Burst(NamedTuple):
    """A planted burst: why it was, whose plays of what, and when (minutes after the last full
    or half hour before the first of them)."""

    why: str
    pair: Pair
    minutes: tuple[float, ...]


def planted_bursts(settings: Settings, want: Expected) -> list[Burst]:
    """One burst of each kind, of those that lie wholly in the replayed plays."""
    planted = json.loads((settings.world / "ledger.json").read_text())["bursts"]
    played = want.plays.set_index("event_id")["played_at"]
    found: dict[str, Burst] = {}
    for burst in planted:
        if burst["why"] not in found and set(burst["event_ids"]) <= set(played.index):
            at = sorted(int(played[event]) for event in burst["event_ids"])
            edge = at[0] // (30 * MINUTE) * 30 * MINUTE
            found[burst["why"]] = Burst(
                burst["why"],
                (burst["customer_id"], burst["track_id"]),
                tuple((moment - edge) / MINUTE for moment in at),
            )
    return list(found.values())


def true_pairs(want: Expected) -> Counter[Pair]:
    """The true number of interests of each listener in each track."""
    hits = want.hits[["customer_id", "track_id"]].astype(int)
    return Counter(zip(hits["customer_id"], hits["track_id"], strict=True))


def compare(truth: Mapping[Pair, int], claims: Mapping[str, Iterable[Pair]]) -> pd.DataFrame:
    """One row per way of counting: interests claimed; listeners' tracks found rightly, missed
    and invented."""
    rows = {"truth": _row(truth, Counter(truth))}
    for way, claimed in claims.items():
        rows[way] = _row(truth, Counter(claimed))
    return pd.DataFrame.from_dict(rows, orient="index")


def _row(truth: Mapping[Pair, int], found: Counter[Pair]) -> dict[str, int]:
    return {
        "interests": sum(found.values()),
        "right": len(found.keys() & truth.keys()),
        "missed": len(truth.keys() - found.keys()),
        "invented": len(found.keys() - truth.keys()),
    }


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
    return clock_axis(figure, ax, 10)


def draw_comparison(
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
    return finished(figure, ax)


def _dots(ax: Axes, row: int, minutes: Sequence[float]) -> None:
    """Plays as dots; one that is there twice gets a second ring."""
    ax.scatter(minutes, [row] * len(minutes), s=70, color=BLUE, zorder=3)
    again = [m for place, m in enumerate(minutes) if m in minutes[:place]]
    style: dict[str, Any] = {"facecolor": "none", "edgecolor": BLUE, "linewidth": 1.5}
    ax.scatter(again, [row] * len(again), s=190, zorder=3, **style)
