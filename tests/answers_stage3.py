"""Answers to the exercises of Stage 3."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from exercise_mistakes import Answer, fixed, right, without

from workshop_lib.settings import Settings

# 3.1 ------------------------------------------------------------------------------


def shares(until: str = "<", night_from: int = 22, of: float = 1) -> Callable[..., pd.DataFrame]:
    def day_shares(plays: pd.DataFrame, before: pd.Timestamp) -> pd.DataFrame:
        keep = {"<": plays["played_at"] < before, "<=": plays["played_at"] <= before}.get(until)
        past = plays if keep is None else plays[keep]
        hour = past["played_at"].dt.hour
        parts = past[["customer_id"]].assign(
            morning=hour.between(5, 11),
            afternoon=hour.between(12, 16),
            evening=hour.between(17, 21),
            night=(hour >= night_from) | (hour < 5),
        )
        return parts.groupby("customer_id").mean() * of

    return day_shares


def part(hour: int) -> str:
    ends = {"night": 5, "morning": 12, "afternoon": 17, "evening": 22}
    return next((name for name, end in ends.items() if hour < end), "night")


def crosstab(plays: pd.DataFrame, before: pd.Timestamp) -> pd.DataFrame:
    past = plays[plays["played_at"] < before]
    parts = past["played_at"].dt.hour.map(part)
    made = pd.crosstab(past["customer_id"], parts, normalize="index")
    return made.reindex(columns=["morning", "afternoon", "evening", "night"], fill_value=0)


def rounded(plays: pd.DataFrame, before: pd.Timestamp) -> pd.DataFrame:
    return crosstab(plays, before)[["night", "evening", "afternoon", "morning"]].round(2)


def evening_from_18(plays: pd.DataFrame, before: pd.Timestamp) -> pd.DataFrame:
    earlier = plays.assign(played_at=plays["played_at"] - pd.Timedelta(hours=1))
    return shares()(earlier[plays["played_at"] < before], before)


# 3.2 ------------------------------------------------------------------------------


def judged(**changed: Callable[[dict[str, float]], Any]) -> Callable[[Any, Any], Any]:
    def judge(taken: Any, offered: Any) -> dict[str, float]:
        hits = (taken & offered).sum()
        precision = hits / offered.sum() if offered.any() else float("nan")
        true = {
            "error": (taken != offered).mean(),
            "precision": precision,
            "recall": hits / taken.sum(),
            "lift": precision / taken.mean(),
            "volume": offered.mean(),
        }
        return true | {name: change(true) for name, change in changed.items()}

    return judge


def by_counting(taken: Any, offered: Any) -> dict[str, Any]:
    pairs = list(zip(taken.tolist(), offered.tolist(), strict=True))
    hits, misses = pairs.count((True, True)), pairs.count((True, False))
    alarms = pairs.count((False, True))
    precision = hits / (hits + alarms) if hits + alarms else None
    return {
        "error": round((misses + alarms) / len(pairs), 4),
        "precision": precision and round(precision, 3),
        "recall": round(hits / (hits + misses), 3),
        "lift": precision and round(precision / ((hits + misses) / len(pairs)), 3),
    }


def dividing_arrays(taken: Any, offered: Any) -> dict[str, Any]:
    hits = np.sum(taken & offered)
    precision = np.divide(hits, offered.sum())  # nan where nobody is offered anything
    return {
        "error": np.mean(taken ^ offered),
        "precision": precision,
        "recall": hits / taken.sum(),
        "lift": precision / taken.mean(),
    }


def or_zero(value: float) -> float:
    return 0.0 if math.isnan(value) else value


# 3.3 ------------------------------------------------------------------------------


def gated(kind: str) -> Callable[[Any, Settings], Callable[[dict[str, Any]], Any]]:
    def made(solution: Any, settings: Settings) -> Callable[[dict[str, Any]], Any]:
        limits = {
            "precision": settings.gate_min_precision,
            "recall": settings.gate_min_recall,
            "lift": settings.gate_min_lift,
        }

        def by_try(m: dict[str, Any]) -> bool:
            try:
                known = [m["error"], *(m[name] for name in limits)]
                return (
                    all(isinstance(v, int | float) and abs(v) < 1e9 for v in known)
                    and m["error"] <= settings.gate_max_error
                    and all(m[name] >= limit for name, limit in limits.items())
                )
            except KeyError:
                return False

        def by_numpy(m: dict[str, Any]) -> Any:
            values = [m.get(name) for name in ("error", *limits)]
            if not all(type(value) in (int, float) for value in values):
                return np.False_
            signs = np.array([-1, 1, 1, 1])
            least = np.array([-settings.gate_max_error, *limits.values()])
            return np.isfinite(values).all() and (signs * np.array(values) >= least).all()

        def error_alone(m: dict[str, Any]) -> bool:
            return bool(m["error"] <= settings.gate_max_error)

        def open_(m: dict[str, Any]) -> bool:  # every comparison with nan is False
            known = {name: value for name, value in m.items() if value is not None}
            return not (
                known.get("error", 0) > settings.gate_max_error
                or any(known.get(name, 9) < limit for name, limit in limits.items())
            )

        def edge(m: dict[str, Any]) -> bool:
            return bool(m["error"] < settings.gate_max_error) and bool(solution(m))

        def truthy(m: dict[str, Any]) -> bool:
            return bool(m.get("error")) and bool(solution(m))

        def infinite(m: dict[str, Any]) -> bool:
            finite = {n: 1e6 if v == math.inf else v for n, v in m.items()}
            return bool(solution(finite))

        def text(m: dict[str, Any]) -> bool:
            try:
                return bool(solution({name: float(value) for name, value in m.items()}))
            except (TypeError, ValueError):
                return False

        def words(m: dict[str, Any]) -> str:
            return "accepted" if solution(m) else "refused"

        kinds = (by_try, by_numpy, error_alone, open_, edge, truthy, infinite, text, words)
        return next(each for each in kinds if each.__name__ == kind)

    return made


# 3.4 ------------------------------------------------------------------------------


def look_then_write(client: Any, prefix: str, customer: int, event: int) -> bool:
    key = f"{prefix}{customer}:{event}"
    if client.get(key):
        return False
    client.set(key, 1)
    client.xadd(prefix + "outbox", {"customer_id": customer, "event_id": event})
    return True


def always(client: Any, prefix: str, customer: int, event: int) -> bool:
    client.xadd(prefix + "outbox", {"customer_id": customer, "event_id": event})
    return True


def noted(key: str) -> Callable[[Any, str, int, int], bool]:
    """Written once under ``key``, a text with {p}, {c} and {e}."""

    def offer(client: Any, prefix: str, customer: int, event: int) -> bool:
        new = bool(client.set(key.format(p=prefix, c=customer, e=event), 1, nx=True, ex=600))
        if new:
            client.xadd(prefix + "outbox", {"customer_id": customer, "event_id": event})
        return new

    return offer


def by_set_of_redis(client: Any, prefix: str, customer: int, event: int) -> bool:
    new = bool(client.sadd(prefix + "offered", f"{customer}/{event}"))
    if new:
        client.xadd(prefix + "outbox", {"customer_id": customer, "event_id": event})
    return new


SCRIPT = """
if redis.call('HSETNX', KEYS[1], ARGV[1] .. ':' .. ARGV[2], 1) == 0 then return 0 end
redis.call('XADD', KEYS[2], '*', 'customer_id', ARGV[1], 'event_id', ARGV[2])
return 1
"""


def by_script(client: Any, prefix: str, customer: int, event: int) -> bool:
    keys = (prefix + "offers", prefix + "outbox")
    return bool(client.eval(SCRIPT, 2, *keys, customer, event) == 1)


def falsy(client: Any, prefix: str, customer: int, event: int) -> bool:
    return bool(customer) and look_then_write(client, prefix, customer, event)


_seen: set[tuple[int, int]] = set()


def in_python(client: Any, prefix: str, customer: int, event: int) -> bool:
    if (prefix, customer, event) in _seen:
        return False
    _seen.add((prefix, customer, event))  # type: ignore[arg-type]
    return always(client, prefix, customer, event)


def in_a_list(client: Any, prefix: str, customer: int, event: int) -> bool:
    client.rpush(prefix + "outbox", f"{customer}:{event}")
    return True


# 3.5 ------------------------------------------------------------------------------


def flipped(answer: dict[str, Any]) -> dict[str, Any]:
    return answer | {"mobile": (answer["mobile"][0], not answer["mobile"][1])}


def of_all(answer: dict[str, Any], settings: Settings) -> dict[str, Any]:
    from workshop_lib.lessons.exercises.stage3 import _without

    world = settings.world
    truth = _without(world, (world / "tracks.csv").stat().st_mtime_ns)
    return {name: (truth["all"]["recall"], accepted) for name, (_, accepted) in answer.items()}


def of_metric(metric: str, model: str) -> Callable[[dict[str, Any], Settings], dict[str, Any]]:
    def made(answer: dict[str, Any], settings: Settings) -> dict[str, Any]:
        from workshop_lib.lessons.exercises.stage3 import _without

        world = settings.world
        truth = _without(world, (world / "tracks.csv").stat().st_mtime_ns)
        return {n: (truth[model.format(n)][metric], a) for n, (_, a) in answer.items()}

    return made


ANSWERS: dict[str, list[Answer]] = {
    "3.1": [
        right("crosstab", fixed(crosstab)),
        right("rounded, another order", fixed(rounded)),
        Answer("the future", fixed(shares("all")), "the future leaks in"),
        Answer("until", fixed(shares("<=")), "at the very moment"),
        Answer("night from midnight", fixed(shares(night_from=24)), "add up to"),
        Answer("percent", fixed(shares(of=100)), "a part of 1"),
        Answer("no table", fixed(lambda plays, before: 0.5), "Return a table"),
        Answer("a column", fixed(lambda p, b: crosstab(p, b).reset_index()), "Make it the index"),
        Answer("an hour later", fixed(evening_from_18), "Morning is from 5"),
        Answer("breaks", fixed(lambda p, b: p["hour"]), "raised KeyError"),
    ],
    "3.2": [
        right("by counting, rounded", fixed(by_counting)),
        right("dividing arrays", fixed(dividing_arrays)),
        Answer("accuracy", fixed(judged(error=lambda t: 1 - t["error"])), "that is right"),
        Answer("swapped", fixed(judged(precision=lambda t: t["recall"])), "is the recall"),
        Answer("lift", fixed(judged(lift=lambda t: t["precision"] / t["volume"])), "how many"),
        Answer("zero", fixed(judged(precision=lambda t: or_zero(t["precision"]))), "no such"),
        Answer("division", fixed(lambda t, o: {"error": 1 / int(o.sum() * 0)}), "ZeroDivision"),
        Answer("text", fixed(judged(recall=lambda t: f"{t['recall']:.0%}")), "of type str"),
    ],
    "3.3": [
        right("by try", gated("by_try")),
        right("by numpy", gated("by_numpy")),
        Answer("error alone", gated("error_alone"), "whose error is small, you let it pass"),
        Answer("open", gated("open_"), "whose error is nan, you let it pass"),
        Answer("edge", gated("edge"), "on every limit, you refuse it"),
        Answer("missing", fixed(lambda m: m["speed"] > 1), "raised KeyError"),
        Answer("truthy", gated("truthy"), "whose error is 0.0, you refuse it"),
        Answer("infinite", gated("infinite"), "whose precision is inf"),
        Answer("text", gated("text"), "whose precision is '0.9', you"),
        Answer("words", gated("words"), "Return True or False"),
    ],
    "3.4": [
        right("a set of Redis", fixed(by_set_of_redis)),
        right("a script", fixed(by_script)),
        Answer("every time", fixed(always), "two messages"),
        Answer("per listener", fixed(noted("{p}{c}")), "its listener and its event"),
        Answer("race", fixed(look_then_write), "Between looking and writing"),
        Answer("zero", fixed(falsy), "0 is a listener"),
        Answer("in Python", fixed(in_python), "not in a variable of Python"),
        Answer("no separator", fixed(noted("{p}offered{c}{e}")), "such as a colon"),
        Answer("no prefix", fixed(noted("practice-3-4:{c}:{e}")), "With another prefix"),
        Answer("a list", fixed(in_a_list), "Make it a stream"),
    ],
    "3.5": [
        right("rounded", lambda a, s: {n: [round(r, 2), ok] for n, (r, ok) in a.items()}),
        right(
            "of numpy", lambda a, s: {n: (np.float64(r), np.bool_(k)) for n, (r, k) in a.items()}
        ),
        Answer("all features", of_all, "that is the one with it"),
        Answer("alone", of_metric("recall", "only {}"), "alone"),
        Answer("precision", of_metric("precision", "{}"), "that is the precision"),
        Answer("the gate", lambda a, s: flipped(a), "Ask it once more"),
        Answer("two features", lambda a, s: without(a, "mobile"), "Leave out each of"),
        Answer("recall only", lambda a, s: {n: r for n, (r, _) in a.items()}, "Give two"),
    ],
}
