"""Stage 3, act on it: features without leakage, metrics, a gate that fails closed, one offer.

In: Settings and a learner's function. Out: nothing when it is right, or ``NotYet``. Where a
limit is asked for, it is the one of Settings.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from workshop_lib.lessons.exercises import one_offer
from workshop_lib.lessons.exercises.outcome import (
    Exercise,
    NotYet,
    attempted,
    call,
    equals,
    numbers,
    of_type,
    shown,
)
from workshop_lib.lessons.exercises.practice import labelled_customers
from workshop_lib.marketing.gate import gate
from workshop_lib.marketing.metrics import confusion
from workshop_lib.settings import Settings

#: Part of the day → its hours, as ``marketing.features`` has them.
PARTS: Final = ("morning", "afternoon", "evening", "night")
NUMBERS: Final = ("error", "precision", "recall", "lift")
#: Four shares, each rounded to two decimals.
ROUNDING: Final = 0.021


def day_shares(settings: Settings, answer: Any) -> None:
    """3.1: per listener the shares of morning, afternoon, evening and night, before a moment."""
    attempted(answer)
    moment = pd.Timestamp("2026-01-05T00:00:00Z")
    hours = {1: range(24), 2: [22, 23, 23, 4], 3: [5, 12, 17, 22], 4: [21]}
    rows = [
        (who, moment - pd.Timedelta(hours=24 - hour))
        for who, played in hours.items()
        for hour in played
    ]
    before = pd.DataFrame(rows, columns=["customer_id", "played_at"])
    after = pd.DataFrame(
        [(1, moment + pd.Timedelta(hours=9)), (9, moment), (4, moment + pd.Timedelta(hours=1))],
        columns=before.columns,
    )
    every = pd.concat([before, after], ignore_index=True)
    made = _table(call(answer, every, moment, about=f"with {len(every)} plays and {moment}"))
    alone = _table(call(answer, before.copy(), moment, about="with plays before the moment only"))
    both = made.index.intersection(alone.index)
    if not np.allclose(made.loc[both], alone.loc[both], equal_nan=True):
        changed = next(who for who in both if not np.allclose(made.loc[who], alone.loc[who]))
        raise NotYet(
            f"Your shares of listener {changed} are {shown(made.loc[changed].to_dict())}; without"
            " the plays after the moment they are others. So the future leaks in."
        )
    if 9 in made.index:
        raise NotYet(
            f"You have {len(made)} listeners, also one who first played at the very moment. What"
            " the model predicts must not be in what it learns from: before means before."
        )
    if set(made.index) != set(hours):
        raise NotYet(f"You have the listeners {shown(list(made.index))}; some are missing.")
    sums = made.sum(axis=1, skipna=False)
    largest = float(made.to_numpy().max())
    if largest > 1:
        raise NotYet(f"Your largest value is {largest:g}. A share is a part of 1.")
    if sums.isna().any():
        who = sums[sums.isna()].index[0]
        raise NotYet(f"Your listener {who} has {shown(made.loc[who].to_dict())}: no share is nan.")
    odd = sums[(sums - 1).abs() > ROUNDING]
    if len(odd):
        raise NotYet(
            f"Your four shares of listener {odd.index[0]} add up to {odd.iloc[0]:.3f}. Each play"
            " is in one part of the day: which hour is in none, or in two?"
        )
    reference = _day_shares(before)
    wrong = (made.loc[reference.index, list(PARTS)] - reference).abs().max(axis=1) > ROUNDING
    if wrong.any():
        who = reference.index[wrong][0]
        raise NotYet(
            f"Your listener {who}, who played at the hours {shown(list(hours[who]))}, has"
            f" {shown(made.loc[who].to_dict())}. Morning is from 5, afternoon from 12, evening"
            " from 17, night from 22."
        )


def _table(made: Any) -> pd.DataFrame:
    """The learner's table with the four columns as numbers."""
    if not isinstance(made, pd.DataFrame):
        raise NotYet(
            f"You return {shown(made)}. Return a table with the columns {', '.join(PARTS)}."
        )
    if "customer_id" in made.columns and made.index.name != "customer_id":
        raise NotYet(
            f"Your index is {made.index.name!r}, and customer_id a column. Make it the index."
        )
    if sorted(map(str, made.columns)) != sorted(PARTS):
        raise NotYet(
            f"Your columns are {shown(list(made.columns))}. Return a table with the columns"
            f" {', '.join(PARTS)}."
        )
    if made.index.has_duplicates:
        raise NotYet(f"Your table has {len(made)} rows, some of the same listener. One row each.")
    try:
        return made[list(PARTS)].astype(float)
    except (TypeError, ValueError) as error:
        raise NotYet(
            f"Your table holds {shown(made.iloc[0].to_dict())}: shares are numbers."
        ) from (error)


def _day_shares(plays: pd.DataFrame) -> pd.DataFrame:
    part = pd.cut(
        (plays["played_at"].dt.hour - 5) % 24,
        [0, 7, 12, 17, 24],
        right=False,
        labels=list(PARTS),
    )
    return pd.crosstab(plays["customer_id"], part, normalize="index").reindex(
        columns=list(PARTS), fill_value=0
    )


def judge(settings: Settings, answer: Any) -> None:
    """3.2: error, precision, recall and lift of a yes/no decision, also of "always no"."""
    attempted(answer)
    rng = np.random.default_rng(3)
    taken = rng.random(400) < 0.1
    offered = taken ^ (rng.random(400) < np.where(taken, 0.3, 0.05))
    made = _judged(answer, taken, offered, "a model that is sometimes wrong")
    truth = confusion(taken.astype(float), offered)
    wrong = [name for name in NUMBERS if not _close(made[name], truth[name])]
    if wrong:
        name = wrong[0]
        value = made[name]
        swapped = {"precision": "recall", "recall": "precision"}.get(name)
        if not isinstance(value, int | float) or isinstance(value, bool):
            why = f"of type {type(value).__name__}. That must be a number"
        elif name == "error" and _close(value, 1 - truth["error"]):
            why = "that is the share that is right"
        elif swapped and _close(value, truth[swapped]):
            why = f"that is the {swapped}"
        elif name == "lift" and _close(value, truth["precision"] / truth["volume"]):
            why = "that compares with how many were offered it. Compare with how many take it"
        else:
            why = "count the four cases on paper: offered or not, taken or not"
        raise NotYet(f"Your {name} is {shown(value)}: {why}.")
    never = np.zeros(400, dtype=bool)
    made = _judged(answer, taken, never, "the model that always says no")
    for name in ("precision", "lift"):
        value = made[name]
        if value is not None and not (isinstance(value, float) and math.isnan(value)):
            raise NotYet(
                f"Your {name} of the model that always says no is {shown(value)}. It offers"
                " nothing to anybody, so its offers have no such number: None or nan."
            )
    if made["recall"] != 0:
        raise NotYet(f"Your recall of the model that always says no is {shown(made['recall'])}.")


def _judged(
    answer: Callable[..., Any], taken: np.ndarray, offered: np.ndarray, about: str
) -> dict[str, Any]:
    with np.errstate(invalid="ignore", divide="ignore"):
        made = call(answer, taken.copy(), offered.copy(), about=f"with {about}")
    if not isinstance(made, dict) or set(NUMBERS) - set(made):
        raise NotYet(f"You return {shown(made)}. Return a dictionary with {', '.join(NUMBERS)}.")
    return made


def _close(value: Any, truth: float) -> bool:
    return isinstance(value, int | float) and equals(value, truth)


def closed_gate(settings: Settings, answer: Any) -> None:
    """3.3: a model passes only with all four numbers known and within the limits."""
    attempted(answer)
    edge = {
        "error": settings.gate_max_error,
        "precision": settings.gate_min_precision,
        "recall": settings.gate_min_recall,
        "lift": settings.gate_min_lift,
    }
    good = {
        "error": edge["error"] - 0.02,
        "precision": edge["precision"] + 0.1,
        "recall": edge["recall"] + 0.1,
        "lift": edge["lift"] + 1,
    }
    useless = {"error": good["error"], "precision": float("nan"), "recall": 0.0, "lift": None}
    _gated(answer, good, True, "a model within all limits")
    _gated(answer, edge, True, "a model on every limit")
    _gated(answer, good | {"error": 0.0}, True, "a model whose error is 0.0")
    _gated(answer, good | {"error": 0, "recall": 1}, True, "a model whose error is 0, whole")
    _gated(answer, useless, False, "the model that always says no, whose error is small")
    for name in good:
        worse = edge[name] + 0.01 if name == "error" else edge[name] - 0.01
        _gated(answer, good | {name: worse}, False, f"a model whose {name} is beyond the limit")
        infinite = -math.inf if name == "error" else math.inf
        unknown: tuple[Any, ...] = (math.nan, None, "0.9", "many", [good[name]], {}, infinite)
        for value in unknown:
            _gated(answer, good | {name: value}, False, f"a model whose {name} is {value!r}")
        rest = {other: value for other, value in good.items() if other != name}
        _gated(answer, rest, False, f"a model whose {name} is missing")


def _gated(answer: Any, metrics: dict[str, Any], truth: bool, about: str) -> None:
    made = call(answer, dict(metrics), about=f"with {about}")
    if not isinstance(made, bool):
        raise NotYet(f"With {about}, you return {shown(made)}. Return True or False.")
    if made is not truth:
        raise NotYet(f"With {about}, you {'let it pass' if made else 'refuse it'}.")


#: The features that exercise 3.5 takes away, one at a time.
WITHOUT: Final = ("evening", "mobile", "unique_tracks")


def one_feature_less(settings: Settings, answer: Any) -> None:
    """3.5: the recall of a model without one feature, and what the gate says of it."""
    attempted(answer)
    of_type(answer, dict, "a dictionary: the feature that is left out → (recall, accepted)")
    if set(answer) != set(WITHOUT):
        raise NotYet(
            f"You leave out {shown(list(answer))}. Leave out each of {', '.join(WITHOUT)}."
        )
    for name, value in answer.items():
        if not (isinstance(value, tuple | list) and len(value) == 2):
            raise NotYet(f"You have {shown(value)} for {name}. Give two: (recall, accepted).")
        numbers(value[:1], "a recall")
        if not isinstance(value[1], bool):
            raise NotYet(f"You have {shown(value[1])} for {name}. accepted is True or False.")
    truth = _without(settings.world, (settings.world / "tracks.csv").stat().st_mtime_ns)
    for name in WITHOUT:
        recall = answer[name][0]
        metrics = truth[name]
        if equals(recall, metrics["recall"]):
            continue
        if equals(recall, truth["all"]["recall"]):
            raise NotYet(f"Your recall without {name} is {recall:.3f}: that is the one with it.")
        if equals(recall, truth[f"only {name}"]["recall"]):
            raise NotYet(f"Your recall without {name} is {recall:.3f}: that is with {name} alone.")
        other = next((m for m in ("error", "precision", "lift") if equals(recall, metrics[m])), "")
        raise NotYet(
            f"Your recall without {name} is {recall:.3f}"
            + (f": that is the {other}." if other else "; train(spark, rows, …) gives another.")
        )
    wrong = [n for n in WITHOUT if answer[n][1] != gate(truth[n], settings).accepted]
    if wrong:
        did = "accepts" if answer[wrong[0]][1] else "refuses"
        raise NotYet(f"You say that the gate {did} the model without {wrong[0]}. Ask it once more.")


@lru_cache(maxsize=1)
def _without(world: Path, changed: int) -> dict[str, dict[str, Any]]:
    """Metrics of the model with all features, without each, and with each alone."""
    from workshop_lib.marketing.features import FEATURES
    from workshop_lib.marketing.train import train
    from workshop_lib.stream.session import spark_session

    settings = Settings(data=world)
    spark = spark_session(settings, short=True)
    rows = labelled_customers(settings, spark)
    chosen = {"all": FEATURES} | {
        name: tuple(each for each in FEATURES if each != name) for name in WITHOUT
    }
    chosen |= {f"only {name}": (name,) for name in WITHOUT}
    return {name: train(spark, rows, feature_names=few).metrics for name, few in chosen.items()}


EXERCISES: Final = (
    Exercise(
        "3.1",
        "Shares of the day, without the future",
        day_shares,
        (
            "Filter first: played_at < before.",
            "Night is what is left: from 22 to midnight, and from midnight to 5.",
            "A condition as a column of 0 and 1: its mean per customer_id is the share.",
        ),
    ),
    Exercise(
        "3.2",
        "What an error of 10 % does not say",
        judge,
        (
            "taken and offered are arrays of True and False: (taken & offered).sum() are the hits.",
            "Precision is of those offered, recall of those who take it; lift is precision over"
            " the share of all who take it.",
            "When nobody is offered anything, precision is 0 / 0.",
        ),
    ),
    Exercise(
        "3.3",
        "A gate that fails closed",
        closed_gate,
        (
            "Every comparison with nan is False. So ask what lets a model pass, not what stops it.",
            "metrics.get(name) is None when the name is missing.",
            "isinstance(value, int | float) and math.isfinite(value) comes before any comparison.",
        ),
    ),
    Exercise(
        "3.4",
        "One offer, however often it is written",
        one_offer.one_offer,
        (
            "Note each offer under a Redis key of its own, made of prefix, listener and event.",
            "client.set(key, value, nx=True) writes only if there is no such key, and says so.",
            "Write the outbox entry only if that said yes.",
        ),
    ),
    Exercise(
        "3.5",
        "One feature less",
        one_feature_less,
        (
            "train(spark, rows, feature_names=…) takes the names that the model may use.",
            "The model's metrics are train(…).metrics, a dictionary.",
            "gate(metrics, settings).accepted is the gate's answer.",
        ),
    ),
)
