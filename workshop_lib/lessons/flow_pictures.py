"""The pictures and tables of the lessons on offers and on operating (notebooks 07 and 09).

In: counts, checks, hops, times. Out: a picture, drawn, or a table. What a picture shows is
never told by colour alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes

from workshop_lib.schema.play import when
from workshop_lib.verify.check import Stage

BLUE, ORANGE, GREY, LIGHT = "#1f5fa8", "#d9730d", "#8a8f98", "#dfe7f2"


def _axes(width: float = 8, height: float = 3) -> Axes:
    axes: Axes = plt.subplots(figsize=(width, height), layout="constrained")[1]
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def funnel(steps: Mapping[str, int]) -> None:
    """Bars that get shorter from the first step to the last, each with its number."""
    axes = _axes(8, 0.5 * len(steps) + 0.8)
    names, numbers = list(steps), [int(n) for n in steps.values()]
    bars = axes.barh(names, numbers, color=[LIGHT] * (len(steps) - 1) + [ORANGE], edgecolor=GREY)
    axes.bar_label(bars, [f"{n:,}" for n in numbers], padding=4)
    axes.invert_yaxis()
    axes.margins(x=0.1)
    axes.set(xlabel="listeners", title="From those who play to those who get an offer")
    plt.show()


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


def hops(found: Mapping[str, Any], last: int = 6) -> pd.DataFrame:
    """The ``last`` plays of a listener (from ``trace``), a column per hop."""
    plays = found["plays"][-last:]
    return pd.DataFrame(
        {
            "play": play.event_id,
            "played at (UTC)": when(play.played_at)[5:19],
            "line of the log": play.log_line,
            "plays-raw": "✓" if play.raw else "–",
            "Kafka partition:offset": " ".join(play.kafka),
            "plays": "✓" if play.processed_at else "–",
            "Kafka → plays, s": play.delays["kafka_to_elasticsearch"],
            "interest": "★" if play.interest else "",
            "title": play.title,
        }
        for play in plays
    ).set_index("play")


def lag(behind: Sequence[tuple[float, int]], started: float) -> None:
    """Lag over time (seconds, records); the stream was started at ``started``."""
    axes = _axes()
    seconds, records = zip(*behind, strict=True)
    axes.plot(seconds, records, "o-", color=BLUE)
    axes.axvline(started, color="black", linestyle="--")
    axes.text(started, max(records) * 1.05, " the stream starts", va="bottom")
    axes.set(
        ylim=(0, max(records) * 1.2),
        xlabel="seconds",
        ylabel="plays not yet processed",
        title="Lag grows while nobody reads, and shrinks",
    )
    plt.show()


def headroom(needed: Mapping[int, float], box: float) -> None:
    """Plays per second that so many times the load need, against what one box does."""
    axes = _axes()
    factors = list(needed)
    axes.plot(factors, list(needed.values()), "o-", color=BLUE, label="needed at the peak hour")
    axes.axhline(box, color=ORANGE, linestyle="--", label=f"this box: {box:,.0f} a second")
    for factor, rate in needed.items():
        text = "fits" if rate <= box else f"{rate / box:,.0f} boxes"
        axes.annotate(text, (factor, rate), (-4, 8), textcoords="offset points", ha="right")
    axes.margins(y=0.12)
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="times the load of today",
        ylabel="plays a second",
        title="One box, and how far it goes",
    )
    axes.legend(frameon=False, loc="lower right")
    plt.show()


def _short(value: Any) -> str:
    if isinstance(value, dict):
        value = ", ".join(f"{key} {number}" for key, number in value.items())
    elif isinstance(value, list):
        value = f"{len(value)} in order, first {value[0]}" if value else "none"
    text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    return text if len(text) <= 60 else text[:57] + "…"
