"""Answers to the exercises of Stage 4."""

from __future__ import annotations

import http.client
import json
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import urllib3
from elasticsearch.helpers import scan
from exercise_mistakes import Answer, fixed, right, without

from workshop_lib.runtime.connections import elasticsearch, kafka_admin, redis_client
from workshop_lib.settings import Settings

# 4.1 ------------------------------------------------------------------------------


def states(client: Any, index: str, **how: Any) -> dict[str, Any]:
    terms = {"field": "value", "size": how.get("size", 10)}
    if how.get("order", True):
        terms["order"] = {"plays": "desc"}
    query = {"term": {"dimension": "state"}} if how.get("one", True) else {"match_all": {}}
    found = client.search(
        index=how.get("of", index),
        size=0,
        query=query,
        aggs={"states": {"terms": terms, "aggs": {"plays": {"sum": {"field": "plays"}}}}},
    )["aggregations"]["states"]["buckets"]
    if how.get("documents"):
        return {each["key"]: each["doc_count"] for each in found}
    return {each["key"]: each["plays"]["value"] for each in found}


def changed(**how: Any) -> Callable[[Any, Settings], Any]:
    return fixed(lambda client, index: states(client, index, **how))


def by_pandas(client: Any, index: str) -> pd.Series:
    rows = pd.DataFrame(hit["_source"] for hit in scan(client, index=index, size=5000))
    rows = rows[rows["dimension"] == "state"]
    return rows.groupby("value")["plays"].sum().nlargest(10)


def by_filter(client: Any, index: str) -> dict[str, int]:
    only = {"filter": {"term": {"dimension": "state"}}}
    sums = {"plays": {"sum": {"field": "plays"}}}
    inner = {"s": {"terms": {"field": "value", "size": 100}, "aggs": sums}}
    found = client.search(index=index, size=0, aggs={"only": {**only, "aggs": inner}})
    buckets = found["aggregations"]["only"]["s"]["buckets"]
    busiest = sorted(buckets, key=lambda each: -each["plays"]["value"])[:10]
    return {each["key"]: int(each["plays"]["value"]) for each in busiest}


def elsewhere(solution: Any, settings: Settings) -> Callable[[Any, str], Any]:
    return lambda client, index: states(client, index, of=settings.index("plays-per-minute"))


# 4.2 ------------------------------------------------------------------------------


def minutes(settings: Settings) -> list[dict[str, str]]:
    client = redis_client(settings)
    found: Any = [client.hgetall(key) for key in client.scan_iter(match=settings.key("live:*Z"))]
    return found


def mean_of_shares(solution: Any, settings: Settings) -> float:
    each = [int(m.get("device:mobile", 0)) / int(m["all:all"]) for m in minutes(settings)]
    return sum(each) / len(each)


def of_all_fields(solution: float, settings: Settings) -> float:
    mobile = sum(int(m.get("device:mobile", 0)) for m in minutes(settings))
    return mobile / sum(int(n) for m in minutes(settings) for n in m.values())


# 4.3 ------------------------------------------------------------------------------


def artists(client: Any, index: str, size: int = 1000) -> dict[str, int]:
    terms = {"terms": {"field": "artist", "size": size}}
    found = client.search(index=index, size=0, aggs={"artists": terms})["aggregations"]["artists"]
    return {each["key"]: each["doc_count"] for each in found["buckets"]}


def one_by_one(client: Any, index: str, redis: Any, key: str) -> None:
    for artist, plays in artists(client, index).items():
        redis.hset(key, artist, plays)


def deleted_first(client: Any, index: str, redis: Any, key: str) -> None:
    pipeline = redis.pipeline()
    pipeline.delete(key)
    for hit in scan(client, index=index):
        pipeline.hincrby(key, hit["_source"]["artist"], 1)
    pipeline.execute()


def adding(client: Any, index: str, redis: Any, key: str) -> None:
    for artist, plays in artists(client, index).items():
        redis.hincrby(key, artist, plays)


def first_time_only(client: Any, index: str, redis: Any, key: str) -> None:
    for artist, plays in artists(client, index).items():
        redis.hsetnx(key, artist, plays)


def writing(
    what: Callable[[Any, str], dict[str, Any]],
) -> Callable[[Any, str, Any, str], None]:
    def count(client: Any, index: str, redis: Any, key: str) -> None:
        redis.hset(key, mapping=what(client, index))

    return count


# 4.4 ------------------------------------------------------------------------------


def another_offer(solution: dict[str, Any], settings: Settings) -> dict[str, Any]:
    found = elasticsearch(settings).search(index=settings.index("targets"), size=50)
    for hit in found["hits"]["hits"]:
        target = hit["_source"]
        message = elasticsearch(settings).get(index=settings.index("sms"), id=target["target_id"])
        sent = pd.Timestamp(message["_source"]["updated_at"])
        waited = sent - pd.Timestamp(target["decided_at"])
        if abs(waited.total_seconds() - solution["seconds"]) > 0.01:
            return solution | {"seconds": waited.total_seconds()}
    raise AssertionError("all offers took the same time")


# 4.5 ------------------------------------------------------------------------------


def ends(settings: Settings) -> dict[str, int]:
    from workshop_lib.stream.progress import offsets

    return offsets(settings, "end")


def by_admin(settings: Settings, group: str) -> dict[int, int]:
    admin = kafka_admin(settings)
    committed = {p.partition: o.offset for p, o in _listed(admin, group).items()}
    admin.close()
    return {int(p): end - max(committed.get(int(p), 0), 0) for p, end in ends(settings).items()}


def _listed(admin: Any, group: str) -> dict[Any, Any]:
    found: Any = admin.list_group_offsets([group]) if hasattr(admin, "list_group_offsets") else None
    if found is None:
        found = admin.list_consumer_group_offsets(group)
    return dict(found.get(group, found))


def lags(change: Callable[[dict[int, int], Settings], Any]) -> Callable[[Any, Settings], Any]:
    def made(solution: Any, settings: Settings) -> Callable[[Settings, str], Any]:
        return lambda settings, group: change(solution(settings, group), settings)

    return made


def only_committed(behind: dict[int, int], settings: Settings) -> dict[int, int]:
    return {p: n for p, n in behind.items() if n < ends(settings)[str(p)]}


def never_is_zero(behind: dict[int, int], settings: Settings) -> dict[int, int]:
    return {p: n if n < ends(settings)[str(p)] else 0 for p, n in behind.items()}


def read_so_far(behind: dict[int, int], settings: Settings) -> dict[int, int]:
    return {p: ends(settings)[str(p)] - n for p, n in behind.items()}


# 4.6 ------------------------------------------------------------------------------


def parsed(lines: Iterator[str], number: int) -> list[tuple[str, Any]]:
    events, name, data = [], "", ""
    for line in lines:
        line = line.rstrip("\n")
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        if line.startswith("data: "):
            data += line.removeprefix("data: ")
        if not line and name:
            events.append((name, json.loads(data)))
            if len(events) == number:
                break
        if not line:
            name, data = "", ""
    return events


def by_urllib(url: str, number: int) -> list[tuple[str, Any]]:
    with urllib.request.urlopen(url) as answer:  # noqa: S310
        return parsed((line.decode() for line in answer), number)


def by_http(url: str, number: int) -> list[list[Any]]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    connection.request("GET", urlsplit(url).path)
    answer = connection.getresponse()
    lines = iter(lambda: answer.readline().decode(), None)
    found = [list(event) for event in parsed(lines, number)]  # type: ignore[arg-type]
    connection.close()
    return found


def whole(url: str, number: int) -> list[tuple[str, Any]]:
    text = urllib3.request("GET", url).data.decode()
    return parsed(iter(text.splitlines(keepends=True)), number)


def last_line(url: str, number: int) -> list[tuple[str, Any]]:
    """Of data that has several lines, the last one."""
    with urllib.request.urlopen(url) as answer:  # noqa: S310
        events, event = [], {}
        for raw in answer:
            name, _, value = raw.decode().rstrip("\n").partition(": ")
            if name:
                event[name] = value
                continue
            if "event" in event:
                events.append((event["event"], json.loads(event["data"])))
            event = {}
            if len(events) == number:
                break
    return events


def as_text(url: str, number: int) -> list[tuple[str, str]]:
    return [(name, json.dumps(data)) for name, data in by_urllib(url, number)]


ANSWERS: dict[str, list[Answer]] = {
    "4.1": [
        right("by pandas", fixed(by_pandas)),
        right("a filter aggregation", fixed(by_filter)),
        Answer("documents", changed(documents=True), "counts documents"),
        Answer("all dimensions", changed(one=False), "choose one dimension"),
        Answer("nine", changed(size=9), "9 bars"),
        Answer("from elsewhere", elsewhere, "With a small index of the same form"),
        Answer("a list", fixed(lambda c, i: list(states(c, i))), "Return a dictionary"),
        Answer("no answer", fixed(lambda c, i: c.search(index=i)["aggs"]), "raised KeyError"),
    ],
    "4.2": [
        right("rounded", lambda a, s: round(a, 3)),
        right("of numpy", lambda a, s: np.float32(a).astype("float64")),
        Answer("mean of shares", mean_of_shares, "mean of the minutes' shares"),
        Answer("PCs", lambda a, s: 1 - a, "share of PCs"),
        Answer("percent", lambda a, s: 100 * a, "a part of 1"),
        Answer("guessed", lambda a, s: a / 2, "give another share"),
        Answer("all fields", of_all_fields, "the sum of all fields"),
        Answer("text", lambda a, s: f"{a:.1%}", "of type str"),
    ],
    "4.3": [
        right("one by one", fixed(one_by_one)),
        right("deleted first", fixed(deleted_first)),
        Answer("added", fixed(adding), "do not add to it"),
        Answer("ten", fixed(writing(lambda c, i: artists(c, i, 10))), "ten buckets"),
        Answer("first time only", fixed(first_time_only), "the index has another number"),
        Answer("a string", fixed(lambda c, i, r, k: r.set(k, 1)), "is a string"),
        Answer("nothing", fixed(lambda c, i, r, k: None), "There is no such key"),
        Answer("nobody", fixed(writing(lambda c, i: {"nobody": 1})), "not an artist"),
        Answer("text", fixed(writing(lambda c, i: dict.fromkeys(artists(c, i), "x"))), "a whole"),
    ],
    "4.4": [
        right("rounded", lambda a, s: a | {"score": round(a["score"], 4)}),
        right("of numpy", lambda a, s: pd.Series(a, dtype=object)),
        Answer("ms", lambda a, s: a | {"seconds": a["seconds"] * 1000}, "milliseconds"),
        Answer("another's", another_offer, "of another offer"),
        Answer("before", lambda a, s: a | {"seconds": -a["seconds"]}, "after the decision"),
        Answer("event", lambda a, s: a | {"event_id": -1}, "not the one that triggered"),
        Answer("nobody", lambda a, s: a | {"customer_id": -1}, "was sent no offer"),
        Answer("text", lambda a, s: a | {"customer_id": str(a["customer_id"])}, "as customer_id"),
        Answer("no score", lambda a, s: without(a, "score"), "Your fields are"),
    ],
    "4.5": [
        right("by the admin client", fixed(by_admin)),
        right("of numpy", lags(lambda b, s: {np.int64(p): np.int64(n) for p, n in b.items()})),
        Answer("only committed", lags(only_committed), "and the topic has more"),
        Answer("read so far", lags(read_so_far), "not what is left"),
        Answer("sum", lags(lambda b, s: sum(b.values())), "Return a dictionary: partition"),
        Answer("by name", lags(lambda b, s: {f"plays-{p}": n for p, n in b.items()}), "numbers."),
        Answer("text", lags(lambda b, s: {p: str(n) for p, n in b.items()}), "a number of records"),
        Answer("never", lags(never_is_zero), "has another number"),
    ],
    "4.6": [
        right("urllib", fixed(by_urllib)),
        right("http.client", fixed(by_http)),
        Answer("the whole answer", fixed(whole), "read line by line"),
        Answer("too many", fixed(lambda url, n: by_urllib(url, n + 1)), "three were wanted"),
        Answer("too few", fixed(lambda url, n: by_urllib(url, n - 1)), "There were more"),
        Answer("text", fixed(as_text), "Read the JSON in it"),
        Answer("names only", fixed(lambda url, n: [e for e, _ in by_urllib(url, n)]), "Give two"),
        Answer("the last line", fixed(last_line), "JSONDecodeError"),
        Answer("a number", fixed(lambda url, n: n), "Return a list"),
    ],
}
