"""Typical mistakes, most of them made of the right answer, and what is told of each alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import pandas as pd

from workshop_lib.lessons.exercises import live
from workshop_lib.runtime.connections import elasticsearch, redis_client
from workshop_lib.settings import Settings


class Mistake(NamedTuple):
    """``made`` of the right answer and the settings; ``told`` is in its message alone."""

    what: str
    made: Callable[[Any, Settings], Any]
    told: str


def without(answer: dict[Any, Any], key: Any) -> dict[Any, Any]:
    return {k: v for k, v in answer.items() if k != key}


def top(settings: Settings, size: int) -> dict[Any, Any]:
    counts = live.raw(settings)["track_id"].value_counts()
    return {**counts.head(size).to_dict(), "other": int(counts.iloc[size:].sum())}


def estimate(answer: int, settings: Settings) -> int:
    client, index = elasticsearch(settings), settings.index("plays-raw")
    found = client.search(index=index, size=0, aggs={"n": {"cardinality": {"field": "event_id"}}})
    documents = client.count(index=index)["count"]
    return int(answer + documents - found["aggregations"]["n"]["value"])


def refused(settings: Settings) -> int:
    with settings.live_log.open("rb") as log:
        return sum(1 for _ in log) - len(live.log_plays(settings))


def by_place(plays: Any, customers: Any) -> Any:
    """Joined by the place in the table, as if customer 0 were in line 0."""
    levels = [row["level"] for row in customers.collect()]
    rows = [
        (row["event_id"], row["customer_id"], [*levels, "unknown"][min(row["customer_id"], 3)])
        for row in plays.collect()
    ]
    return plays.sparkSession.createDataFrame(rows, "event_id long, customer_id int, level string")


def left(plays: Any, customers: Any) -> Any:
    return plays.join(customers, "customer_id", "left")


def windows(of: str, watermark: bool = True, once: bool = True) -> Callable[[Any], Any]:
    from pyspark.sql import functions as F

    def per_minute(plays: Any) -> Any:
        if of != "played_at":
            plays = plays.withColumn(of, F.current_timestamp())
        if watermark:
            plays = plays.withWatermark(of, "15 minutes")
        if once:
            plays = plays.dropDuplicates(["event_id"])
        counts = plays.groupBy(F.window(of, "1 minute")).count()
        return counts.select(F.col("window.start").alias("minute"), F.col("count").alias("plays"))

    return per_minute


def rule(
    once: bool = True, sort: bool = True, of: tuple[str, ...] = ("customer_id", "track_id")
) -> Callable[[pd.DataFrame], set[int]]:
    def interests(plays: pd.DataFrame) -> set[int]:
        if once:
            plays = plays.drop_duplicates("event_id")
        if sort:
            plays = plays.sort_values(["played_at", "event_id"])
        gap = plays["played_at"] - plays.groupby(list(of))["played_at"].shift(2)
        return set(plays.loc[(gap >= pd.Timedelta(0)) & (gap <= pd.Timedelta("30min")), "event_id"])

    return interests


def tumbling(plays: pd.DataFrame) -> set[int]:
    plays = plays.drop_duplicates("event_id").sort_values(["played_at", "event_id"])
    window = plays["played_at"].dt.floor("30min")
    turn = plays.groupby(["customer_id", "track_id", window]).cumcount()
    return set(plays.loc[turn >= 2, "event_id"])


def strictly_less(plays: pd.DataFrame) -> set[int]:
    plays = plays.drop_duplicates("event_id").sort_values(["played_at", "event_id"])
    gap = plays["played_at"] - plays.groupby(["customer_id", "track_id"])["played_at"].shift(2)
    return set(plays.loc[gap < pd.Timedelta("30min"), "event_id"])


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


def judged(**changed: Callable[[dict[str, float]], float]) -> Callable[[Any, Any], Any]:
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


def or_zero(value: float) -> float:
    return 0.0 if math.isnan(value) else value


def gated(kind: str) -> Callable[[Any, Settings], Callable[[dict[str, Any]], bool]]:
    def made(right: Any, settings: Settings) -> Callable[[dict[str, Any]], bool]:
        def gate(m: dict[str, Any]) -> bool:
            if kind == "error alone":
                return bool(m["error"] <= settings.gate_max_error)
            if kind == "open":  # every comparison with nan is False
                least = {"precision": settings.gate_min_precision} | {
                    "recall": settings.gate_min_recall,
                    "lift": settings.gate_min_lift,
                }
                known = {name: value for name, value in m.items() if value is not None}
                return not (
                    known.get("error", 0) > settings.gate_max_error
                    or any(known.get(name, 9) < limit for name, limit in least.items())
                )
            return bool(m["error"] < settings.gate_max_error) and bool(right(m))

        return gate

    return made


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


def per_listener(client: Any, prefix: str, customer: int, event: int) -> bool:
    new = bool(client.set(f"{prefix}{customer}", 1, nx=True))
    if new:
        client.xadd(prefix + "outbox", {"customer_id": customer, "event_id": event})
    return new


def falsy(client: Any, prefix: str, customer: int, event: int) -> bool:
    return bool(customer) and look_then_write(client, prefix, customer, event)


def minutes_of_states(right: Any, settings: Settings) -> dict[str, int]:
    found = elasticsearch(settings).search(
        index=settings.index("plays-per-minute"),
        size=0,
        query={"term": {"dimension": "state"}},
        aggs={"states": {"terms": {"field": "value", "size": 10}}},
    )["aggregations"]["states"]["buckets"]
    return {each["key"]: each["doc_count"] for each in found}


def mean_of_shares(right: Any, settings: Settings) -> float:
    client = redis_client(settings)
    minutes = [client.hgetall(key) for key in client.scan_iter(match=settings.key("live:*Z"))]
    each = [int(m.get("device:mobile", 0)) / int(m["all:all"]) for m in minutes]  # type: ignore
    return sum(each) / len(each)


def another_offer(right: dict[str, Any], settings: Settings) -> dict[str, Any]:
    found = elasticsearch(settings).search(index=settings.index("targets"), size=50)
    for hit in found["hits"]["hits"]:
        target = hit["_source"]
        message = elasticsearch(settings).get(index=settings.index("sms"), id=target["target_id"])[
            "_source"
        ]
        waited = pd.Timestamp(message["updated_at"]) - pd.Timestamp(target["decided_at"])
        if abs(waited.total_seconds() - right["seconds"]) > 0.01:
            return right | {"seconds": waited.total_seconds()}
    raise AssertionError("all offers took the same time")


def skipping(right: Any, settings: Settings) -> Callable[..., dict[int, int]]:
    def lag(settings: Settings, group: str) -> dict[int, int]:
        behind: dict[int, int] = right(settings, group)
        from workshop_lib.stream.progress import offsets

        ends = offsets(settings, "end")
        return {p: n for p, n in behind.items() if n < ends[str(p)]}

    return lag


def come_so_far(right: Any, settings: Settings) -> Callable[..., dict[int, int]]:
    def lag(settings: Settings, group: str) -> dict[int, int]:
        from workshop_lib.stream.progress import offsets

        ends = offsets(settings, "end")
        return {p: ends[str(p)] - n for p, n in right(settings, group).items()}

    return lag


def as_it_is(answer: Any) -> Callable[[Any, Settings], Any]:
    return lambda right, settings: answer


MISTAKES: dict[str, list[Mistake]] = {
    "1.1": [
        Mistake("no rest", lambda a, s: without(a, "other"), "is missing"),
        Mistake("ten slices", lambda a, s: top(s, 10), "10 slices beside"),
        Mistake("tracks, not plays", lambda a, s: a | {"other": _rest(s)}, "counts tracks"),
        Mistake("a number", as_it_is(5), "of type int"),
        Mistake("keys as text", lambda a, s: {str(k): n for k, n in a.items()}, "is a number"),
        Mistake("all as the rest", lambda a, s: a | {"other": sum(a.values())}, "not every play"),
    ],
    "1.2": [
        Mistake("empty hours", lambda a, s: a | {"2000-01-01T00:00:00.000Z": 0}, "no share"),
        Mistake("percent", lambda a, s: {k: 100 * v for k, v in a.items()}, "not of 100"),
        Mistake("of the PCs", lambda a, s: {k: 1 - v for k, v in a.items()}, "of the PCs"),
        Mistake("hours lost", lambda a, s: dict(list(a.items())[:-1]), "hours with plays are"),
    ],
    "1.3": [
        Mistake("malformed lines, too", lambda a, s: a + refused(s), "no plays, too"),
        Mistake("cardinality", lambda a, s: estimate(a, s), "an estimate"),
        Mistake("guessed", lambda a, s: a + 1, "say otherwise"),
    ],
    "2.1": [
        Mistake("modulo", lambda a, s: {who: who % 4 for who in a}, "modulo the partitions"),
        Mistake("too few", lambda a, s: dict(list(a.items())[:3]), "You have 3 listeners"),
        Mistake("text", lambda a, s: {str(k): v for k, v in a.items()}, "to be numbers"),
        Mistake("one wrong", lambda a, s: _one_off(a), "elsewhere"),
    ],
    "2.2": [
        Mistake("inner", as_it_is(lambda p, c: p.join(c, "customer_id")), "kind of join"),
        Mistake("null", as_it_is(left), "needs a label"),
        Mistake("by place", as_it_is(by_place), "another listener's"),
        Mistake("everyone", as_it_is(lambda p, c: p.crossJoin(c.drop("customer_id"))), "no new"),
        Mistake("no column", as_it_is(lambda p, c: p), "one more column"),
        Mistake("breaks", as_it_is(lambda p, c: c["nothing"]), "Your function raised"),
    ],
    "2.3": [
        Mistake("wall clock", as_it_is(windows("now")), "not by when Spark sees it"),
        Mistake("no watermark", as_it_is(windows("played_at", watermark=False)), "for ever"),
        Mistake("twice", as_it_is(windows("played_at", once=False)), "each counts once"),
        Mistake("no stream", as_it_is(lambda plays: 3), "streaming DataFrame"),
        Mistake("columns", as_it_is(lambda plays: plays), "Your columns are"),
    ],
    "2.4": [
        Mistake("repeated events", as_it_is(rule(once=False)), "With one play that came three"),
        Mistake("arrival", as_it_is(rule(sort=False)), "With a late play that was the first"),
        Mistake("tumbling", as_it_is(tumbling), "With three plays across the half hour"),
        Mistake("edge", as_it_is(strictly_less), "With three plays in just 30 minutes"),
        Mistake("any listener", as_it_is(rule(of=("track_id",))), "With two listeners"),
        Mistake("any track", as_it_is(rule(of=("customer_id",))), "With one listener with two"),
    ],
    "3.1": [
        Mistake("the future", as_it_is(shares("all")), "the future leaks in"),
        Mistake("until", as_it_is(shares("<=")), "at the very moment"),
        Mistake("night from midnight", as_it_is(shares(night_from=24)), "add up to"),
        Mistake("percent", as_it_is(shares(of=100)), "a part of 1"),
        Mistake("no table", as_it_is(lambda plays, before: 0.5), "Return a table"),
    ],
    "3.2": [
        Mistake("accuracy", as_it_is(judged(error=lambda t: 1 - t["error"])), "that is right"),
        Mistake("swapped", as_it_is(judged(precision=lambda t: t["recall"])), "is the recall"),
        Mistake("lift", as_it_is(judged(lift=lambda t: t["precision"] / t["volume"])), "how many"),
        Mistake(
            "zero",
            as_it_is(judged(precision=lambda t: or_zero(t["precision"]))),
            "nothing can be said",
        ),
        Mistake(
            "division",
            as_it_is(lambda taken, offered: {"error": 1 / int(offered.sum() * 0)}),
            "ZeroDivisionError",
        ),
    ],
    "3.3": [
        Mistake("error alone", gated("error alone"), "whose error is small, you let it pass"),
        Mistake("open", gated("open"), "whose error is nan, you let it pass"),
        Mistake("edge", gated("edge"), "on every limit, you refuse it"),
        Mistake("missing", as_it_is(lambda m: m["speed"] > 1), "raised KeyError"),
    ],
    "3.4": [
        Mistake("every time", as_it_is(always), "two messages"),
        Mistake("per listener", as_it_is(per_listener), "its listener and its event"),
        Mistake("race", as_it_is(look_then_write), "Between looking and writing"),
        Mistake("zero", as_it_is(falsy), "0 is a listener"),
    ],
    "4.1": [
        Mistake("documents", minutes_of_states, "counts documents"),
        Mistake("all dimensions", lambda a, s: a | {"all": 1}, "choose one dimension"),
        Mistake("nine", lambda a, s: dict(list(a.items())[:9]), "9 bars"),
    ],
    "4.2": [
        Mistake("mean of shares", mean_of_shares, "mean of the minutes' shares"),
        Mistake("PCs", lambda a, s: 1 - a, "of the PCs"),
        Mistake("percent", lambda a, s: 100 * a, "a part of 1"),
        Mistake("guessed", lambda a, s: a / 2, "say otherwise"),
    ],
    "4.4": [
        Mistake("ms", lambda a, s: a | {"seconds": a["seconds"] * 1000}, "milliseconds"),
        Mistake("another's", another_offer, "of another offer"),
        Mistake("before", lambda a, s: a | {"seconds": -a["seconds"]}, "after the decision"),
        Mistake("event", lambda a, s: a | {"event_id": -1}, "not the one that triggered"),
        Mistake("nobody", lambda a, s: a | {"customer_id": -1}, "was sent no offer"),
    ],
    "4.5": [
        Mistake("only committed", skipping, "all of it before it"),
        Mistake("come so far", come_so_far, "not what is left"),
        Mistake(
            "sum", lambda a, s: lambda *of: sum(a(*of).values()), "Return a dictionary: partition"
        ),
    ],
}


def _rest(settings: Settings) -> int:
    return int(live.raw(settings)["track_id"].nunique()) - 5


def _one_off(answer: dict[int, int]) -> dict[int, int]:
    who = next(iter(answer))
    return answer | {who: (answer[who] + 1) % 4}
