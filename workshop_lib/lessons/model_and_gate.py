"""Notebook 06, a model and its gate: figures and tables (Stage 3).

In: customers with ``label`` (0/1) and ``score`` (0–1), trained models, metrics. Out: a
figure, drawn, or a table. No figure relies on colour alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from workshop_lib.lessons import figures
from workshop_lib.lessons.figures import BLUE, GREY, ORANGE, PALE
from workshop_lib.marketing import registry
from workshop_lib.marketing.drift import SHIFTED
from workshop_lib.marketing.features import DAY_PARTS
from workshop_lib.marketing.gate import gate
from workshop_lib.marketing.train import Trained
from workshop_lib.settings import Settings
from workshop_lib.world.clicks import CAUSES

#: Measure of the gate → its side and its setting.
_LIMITS: Final = {
    "error": ("at most", "gate_max_error"),
    "precision": ("at least", "gate_min_precision"),
    "recall": ("at least", "gate_min_recall"),
    "lift": ("at least", "gate_min_lift"),
}


def draw_day_parts(played_at: pd.Series, customer: int) -> None:
    """One listener's plays by hour, and the share of each part of the day."""
    hours = played_at.dt.hour.value_counts().reindex(range(24), fill_value=0)
    axes = figures.axes()
    axes.bar(hours.index, hours, color=BLUE, width=0.8, align="edge")
    top = max(hours.max() * 1.25, 1)
    parts = [*((n, a, b) for n, (a, b) in DAY_PARTS.items()), ("night", 22, 24), ("night", 0, 5)]
    for name, first, after in parts:
        axes.axvline(first, color=GREY, linewidth=1, linestyle="--")
        inside = hours.loc[first : after - 1].sum() / hours.sum()
        axes.text((first + after) / 2, top * 0.97, f"{name}\n{inside:.0%}", ha="center", va="top")
    axes.set(
        xlim=(0, 24),
        ylim=(0, top),
        xticks=range(0, 25, 4),
        xlabel="hour of day (UTC)",
        ylabel="plays",
        title=f"The plays of customer {customer}, and their shares",
    )
    plt.show()


def draw_moments(
    first_play: datetime, first_click: datetime, last_click: datetime, end: datetime
) -> None:
    """No leakage: features, labels and live plays on a time line."""
    axes = figures.axes(8, 1.7)
    spans = (
        (first_play, first_click, "features: plays before", BLUE, ""),
        (first_click, last_click, "label:\nclicked?", ORANGE, "//"),
        (last_click, end, "live", PALE, ".."),
    )
    for start, stop, text, colour, hatch in spans:
        days = [(moment - end).total_seconds() / 86_400 for moment in (start, stop)]
        axes.barh(0, days[1] - days[0], left=days[0], color=colour, hatch=hatch, edgecolor="white")
        box = {"facecolor": "white", "edgecolor": "none", "pad": 2}
        axes.text(sum(days) / 2, 0, text, ha="center", va="center", bbox=box)
    axes.spines["left"].set_visible(False)
    axes.set(yticks=[], xlabel="days before the end of the recording")
    plt.show()


def draw_scores(scored: pd.DataFrame, threshold: float) -> None:
    """How the scores of takers and of all others lie, and the threshold between them."""
    axes = figures.axes()
    bins = [n / 40 for n in range(41)]
    took = scored["label"] > 0.5
    axes.hist(scored.loc[~took, "score"], bins, color=PALE, edgecolor=GREY, label="did not click")
    axes.hist(scored.loc[took, "score"], bins, color=ORANGE, alpha=0.8, hatch="//", label="clicked")
    axes.axvline(threshold, color="black", linestyle="--", label=f"threshold {threshold:.2f}")
    # A few takers beside hundreds at 0 would not be seen on an even scale.
    axes.set(yscale="log", xlabel="score", ylabel="listeners (log scale)", title="Scores")
    axes.legend(frameon=False, loc="upper center")
    plt.show()


def draw_thresholds(scored: pd.DataFrame, chosen: float) -> None:
    """False alarms, misses and their sum for every threshold; the chosen one is marked."""
    took = scored["label"].to_numpy() > 0.5
    score = scored["score"].to_numpy()
    at = np.linspace(0, 1, 201)
    alarms = np.array([np.sum((score >= t) & ~took) for t in at])
    misses = np.array([np.sum((score < t) & took) for t in at])
    fewest = int(np.sum((score >= chosen) != took))
    axes = figures.axes()
    axes.plot(at, alarms, ":", color=BLUE, label="false alarms")
    axes.plot(at, misses, "--", color=ORANGE, label="misses")
    axes.plot(at, alarms + misses, color="black", label="errors: both together")
    axes.plot(chosen, fewest, "o", color="black")
    axes.annotate(
        f"{chosen:.2f}: {fewest} errors", (chosen, fewest), (-40, 24), textcoords="offset points"
    )
    axes.set(
        ylim=(0, 3 * max(misses[-1], 1)),
        xlabel="threshold",
        ylabel="listeners",
        title="What each threshold would cost",
    )
    axes.legend(frameon=False, loc="upper center")
    plt.show()


def draw_confusion(scored: pd.DataFrame, threshold: float) -> None:
    """Four counts: offered or not, clicked or not; right ones with a tick."""
    took, offered = scored["label"] > 0.5, scored["score"] >= threshold
    axes = figures.axes(5, 3)
    axes.spines[:].set_visible(False)
    for x, (o, column) in enumerate(((True, "offered"), (False, "not offered"))):
        for y, (t, row) in enumerate(((True, "clicked"), (False, "did not click"))):
            number, right = int(((offered == o) & (took == t)).sum()), o == t
            name = {(0, 0): "hits", (0, 1): "false alarms", (1, 0): "misses"}.get(
                (x, y), "left alone"
            )
            colour = PALE if right else "#fbe3cf"
            axes.add_patch(plt.Rectangle((x, y), 1, 1, facecolor=colour, edgecolor="white", lw=4))
            axes.text(x + 0.5, y + 0.43, f"{number:,}", ha="center", va="center", fontsize=20)
            axes.text(
                x + 0.5, y + 0.75, f"{'✓' if right else '✗'} {name}", ha="center", va="center"
            )
            axes.text(-0.05, y + 0.5, row, ha="right", va="center")
        axes.text(x + 0.5, -0.08, column, ha="center", va="bottom")
    axes.set(xlim=(0, 2), ylim=(2, 0), xticks=[], yticks=[])
    axes.set_title(f"Threshold {threshold:.2f}, {len(scored):,} listeners", pad=24)
    plt.show()


def gate_table(models: Mapping[str, Mapping[str, Any]], settings: Settings) -> pd.DataFrame:
    """The gate as a table: a row per question, a column per model, ✓ or ✗ beside each number.

    ``models``: name → metrics of customers not seen.
    """
    rows: dict[str, list[str]] = {
        f"{name} {side} {getattr(settings, limit):g}": [
            _answer(m.get(name), getattr(settings, limit), side == "at least")
            for m in models.values()
        ]
        for name, (side, limit) in _LIMITS.items()
    }
    for name in ("error", "lift"):
        rows[f"{name} better than one rule's"] = [
            _answer(m.get(name), m.get(f"baseline_{name}"), name == "lift", strictly=True)
            for m in models.values()
        ]
    rows["decision of the gate"] = [
        "accepted" if gate(m, settings).accepted else "REFUSED" for m in models.values()
    ]
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(models))


def _answer(value: Any, limit: Any, at_least: bool, strictly: bool = False) -> str:
    if value is None or limit is None or not np.isfinite([value, limit]).all():
        return "unknown ✗"
    good = value > limit if at_least else value < limit
    good = good or (value == limit and not strictly)
    return f"{value:.3f} {'✓' if good else '✗'}" + (f" ({limit:.3f})" if strictly else "")


def versions(settings: Settings, last: int = 5) -> pd.DataFrame:
    """The ``last`` kept models, newest first, and which one is in use."""
    in_use = registry.current_version(settings)
    return pd.DataFrame(
        {
            "version": model.version,
            "gate": "accepted" if model.accepted else "refused",
            "in use": "◀" if model.version == in_use else "",
            "error": model.metrics.get("error"),
            "recall": model.metrics.get("recall"),
            "why refused": "; ".join(model.reasons[:2]),
        }
        for model in registry.list_models(settings)[-last:][::-1]
    ).set_index("version")


def draw_shifts(psi: Mapping[str, Mapping[str, float]]) -> None:
    """Bars of the PSI per feature, one set per population; above the line it has shifted."""
    table = pd.DataFrame(psi).clip(lower=1e-3)
    axes = figures.axes(8, 3.2)
    hatches = ("", "//", "..")
    table.plot.bar(
        ax=axes, color=dict(zip(table, (PALE, ORANGE, BLUE), strict=False)), edgecolor="black"
    )
    for container, hatch in zip(axes.containers, hatches, strict=False):
        for bar in container:
            bar.set_hatch(hatch)
    line = f"shifted: above {SHIFTED}"  # named in the legend: beside the line it would meet bars
    axes.axhline(SHIFTED, color="black", linestyle="--", label=line)
    axes.set(yscale="log", ylabel="PSI (log scale)", title="How far the listeners have moved")
    axes.tick_params(axis="x", rotation=30)
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    plt.show()


def draw_weights(trained: Trained, rows: pd.DataFrame) -> pd.DataFrame:
    """The model's weights beside those that were planted, each per standard deviation.

    Both are scaled to 1 for the strongest: the planted ones are of another steepness.
    """
    regression: Any = trained.pipeline.stages[-1]
    learned = pd.Series(regression.coefficients.toArray(), list(trained.feature_names))
    planted = pd.Series(0.0, learned.index)
    for name, (_, spread, weight) in CAUSES.items():
        planted[name] = weight * float(rows[name].std()) / spread
    table = pd.DataFrame({"planted": planted / planted.abs().max()})
    table["learned"] = learned / learned.abs().max()
    axes = figures.axes(8, 3.4)
    table.plot.barh(ax=axes, color=[PALE, BLUE], edgecolor="black")
    for bar in axes.containers[0]:
        bar.set_hatch("//")
    axes.axvline(0, color="black")
    axes.invert_yaxis()
    axes.set(xlabel="weight, the strongest = 1", title="Why they click: planted and learned")
    axes.legend(frameon=False)
    plt.show()
    return table
