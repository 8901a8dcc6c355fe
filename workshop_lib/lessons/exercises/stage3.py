"""Stage 3, act on it: honest features, honest numbers, a gate that fails closed, one offer.

In: Settings and a learner's function. Out: nothing when it is right, or ``NotYet``. Where a
limit is asked for, it is the one of Settings.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any, Final
from uuid import uuid4

import numpy as np
import pandas as pd

from workshop_lib.lessons.exercises.outcome import Exercise, NotYet, attempted, call, shown
from workshop_lib.marketing.metrics import confusion
from workshop_lib.runtime.connections import redis_client
from workshop_lib.settings import Settings

#: Part of the day → its hours, as ``marketing.features`` has them.
PARTS: Final = ("morning", "afternoon", "evening", "night")
NUMBERS: Final = ("error", "precision", "recall", "lift")
ROUNDS: Final = 20


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
    made = call(answer, every, moment, about=f"with {len(every)} plays and the moment {moment}")
    if not isinstance(made, pd.DataFrame) or sorted(made.columns) != sorted(PARTS):
        columns = list(made.columns) if isinstance(made, pd.DataFrame) else made
        raise NotYet(
            f"You return {shown(columns)}. Return a table with the columns {', '.join(PARTS)}."
        )
    if made.index.name != "customer_id":
        raise NotYet(f"Your index is {made.index.name!r}. A row is to be found by customer_id.")
    alone = call(answer, before, moment, about="with the plays before the moment only")
    both = made.index.intersection(alone.index)
    if not np.allclose(made.loc[both, list(PARTS)], alone.loc[both, list(PARTS)], equal_nan=True):
        raise NotYet(
            f"Your shares of listener 4 are {shown(made.loc[4].to_dict())}; without the plays"
            " after the moment they are others. So the future leaks in."
        )
    if 9 in made.index:
        raise NotYet(
            f"You have {len(made)} listeners, also one who first played at the very moment. What"
            " the model is to foretell must not be in what it learns from: before means before."
        )
    if set(made.index) != set(hours):
        raise NotYet(f"You have the listeners {shown(list(made.index))}; some are missing.")
    sums = made.sum(axis=1, skipna=False)
    largest = float(made.to_numpy(dtype=float).max())
    if largest > 1:
        raise NotYet(f"Your largest value is {largest:g}. A share is a part of 1.")
    if sums.isna().any():
        who = sums[sums.isna()].index[0]
        raise NotYet(f"Your listener {who} has {shown(made.loc[who].to_dict())}: no share is nan.")
    odd = sums[(sums - 1).abs() > 1e-9]
    if len(odd):
        raise NotYet(
            f"Your four shares of listener {odd.index[0]} add up to {odd.iloc[0]:.3f}. Each play"
            " is in one part of the day: which hour is in none, or in two?"
        )
    reference = _day_shares(before)
    wrong = (made.loc[reference.index, list(PARTS)] - reference).abs().max(axis=1) > 1e-9
    if wrong.any():
        who = reference.index[wrong][0]
        raise NotYet(
            f"Your listener {who}, who played at the hours {shown(list(hours[who]))}, has"
            f" {shown(made.loc[who].to_dict())}. Morning is from 5, afternoon from 12, evening"
            " from 17, night from 22."
        )


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
        if name == "error" and _close(value, 1 - truth["error"]):
            why = "that is the share that is right"
        elif swapped and _close(value, truth[swapped]):
            why = f"that is the {swapped}"
        elif name == "lift" and _close(value, truth["precision"] / truth["volume"]):
            why = "that compares with how many were offered it. Compare with how many take it"
        else:
            why = "count the four cases on paper: offered or not, taken or not"
        raise NotYet(f"Your {name} is {value:.3f}: {why}.")
    never = np.zeros(400, dtype=bool)
    made = _judged(answer, taken, never, "the model that always says no")
    for name in ("precision", "lift"):
        if made[name] is not None and not math.isnan(made[name]):
            raise NotYet(
                f"Your {name} of the model that always says no is {made[name]:g}. It offers"
                " nothing, so of its offers nothing can be said: None or nan."
            )
    if made["recall"] != 0:
        raise NotYet(f"Your recall of the model that always says no is {shown(made['recall'])}.")


def _judged(
    answer: Callable[..., Any], taken: np.ndarray, offered: np.ndarray, about: str
) -> dict[str, Any]:
    made = call(answer, taken.copy(), offered.copy(), about=f"with {about}")
    if not isinstance(made, dict) or set(NUMBERS) - set(made):
        raise NotYet(f"You return {shown(made)}. Return a dictionary with {', '.join(NUMBERS)}.")
    return made


def _close(value: Any, truth: float) -> bool:
    return isinstance(value, int | float) and abs(value - truth) < 1e-6


def closed_gate(settings: Settings, answer: Any) -> None:
    """3.3: a model passes only with all four numbers known and within the limits."""
    attempted(answer)
    good = {
        "error": settings.gate_max_error - 0.02,
        "precision": settings.gate_min_precision + 0.1,
        "recall": settings.gate_min_recall + 0.1,
        "lift": settings.gate_min_lift + 1,
    }
    edge = {
        "error": settings.gate_max_error,
        "precision": settings.gate_min_precision,
        "recall": settings.gate_min_recall,
        "lift": settings.gate_min_lift,
    }
    useless = {"error": good["error"], "precision": float("nan"), "recall": 0.0, "lift": None}
    _gated(answer, good, True, "a model within all limits")
    _gated(answer, edge, True, "a model on every limit")
    _gated(answer, useless, False, "the model that always says no, whose error is small")
    for name in good:
        worse = good[name] + 0.1 if name == "error" else good[name] / 2
        _gated(answer, good | {name: worse}, False, f"a model whose {name} is beyond the limit")
        for value in (float("nan"), None, "0.9", float("inf") * (-1 if name == "error" else 1)):
            _gated(answer, good | {name: value}, False, f"a model whose {name} is {value!r}")
        rest = {other: value for other, value in good.items() if other != name}
        _gated(answer, rest, False, f"a model whose {name} is missing")


def _gated(answer: Any, metrics: dict[str, Any], truth: bool, about: str) -> None:
    made = call(answer, dict(metrics), about=f"with {about}")
    if not isinstance(made, bool | np.bool_):
        raise NotYet(f"With {about}, you return {shown(made)}. Return True or False.")
    if bool(made) is not truth:
        did = "let it pass" if made else "refuse it"
        raise NotYet(f"With {about}, you {did}.")


def one_offer(settings: Settings, answer: Any) -> None:
    """3.4: an entry in the outbox for an event once, however often and by whomever."""
    attempted(answer)
    client = redis_client(settings)
    prefix = settings.key(f"practice:3.4:{uuid4().hex[:8]}:")
    outbox = prefix + "outbox"

    def offer(customer: int, event: int, about: str) -> Any:
        made = call(answer, client, prefix, customer, event, about=f"with {about}")
        if not isinstance(made, bool):
            raise NotYet(f"With {about}, you return {shown(made)}. Return whether it is new.")
        return made

    def entries() -> list[dict[str, str]]:
        kind = str(client.type(outbox))
        if kind not in ("stream", "none"):
            raise NotYet(f"Your outbox is a {kind}. Make it a stream, by xadd.")
        listed: Any = client.xrange(outbox)
        return [fields for _, fields in listed]

    try:
        if not offer(0, 100, "listener 0 and a new event"):
            raise NotYet("You return False for the first event of listener 0. 0 is a listener.")
        first = entries()
        if not first:
            raise NotYet("Your function said True, and the stream prefix + 'outbox' is empty.")
        if (first[0].get("customer_id"), first[0].get("event_id")) != ("0", "100"):
            raise NotYet(f"Your entry is {shown(first[0])}. Put customer_id and event_id into it.")
        again = offer(0, 100, "the same event again")
        if len(entries()) > 1:
            raise NotYet(
                f"You have {len(entries())} entries after the same event came twice, as it does"
                " when a batch is written again. That listener gets two messages."
            )
        if again:
            raise NotYet("You return True for an event that came before.")
        offer(0, 101, "another event of the same listener")
        offer(7, 100, "the same event number of another listener")
        if len(entries()) != 3:
            raise NotYet(
                f"You have {len(entries())} entries after two events of listener 0 and one of"
                " listener 7. What makes an offer the same is its listener and its event."
            )
        _at_once(offer, entries)
    finally:
        for key in client.scan_iter(match=prefix + "*"):
            client.delete(key)
        client.close()


def _at_once(offer: Callable[..., Any], entries: Callable[[], list[Any]]) -> None:
    """Two workers with the same events: looking first and writing then is too slow for that."""
    before, wrong = len(entries()), list[Exception]()
    together = threading.Barrier(2)

    def work() -> None:
        try:
            for event in range(ROUNDS):
                together.wait(10)
                offer(5, 1000 + event, "two workers at once")
        except Exception as error:
            wrong.append(error)
            together.abort()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    told = [error for error in wrong if not isinstance(error, threading.BrokenBarrierError)]
    if told:
        raise told[0]
    made = len(entries()) - before
    if made > ROUNDS:
        raise NotYet(
            f"Two workers had the same {ROUNDS} events at once, and you made {made} entries."
            " Between looking and writing, the other one looked, too. Let one command do both."
        )
    if made < ROUNDS:
        raise NotYet(f"Two workers had {ROUNDS} events, and you made {made} entries.")


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
        "What an error of 10 % does not tell",
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
        one_offer,
        (
            "Remember each offer under a key of its own, made of listener and event.",
            "client.set(key, value, nx=True) writes only if there is no such key, and says so.",
            "Write the outbox entry only if that said yes.",
        ),
    ),
)
