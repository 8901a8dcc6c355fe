"""Answers to the exercises of Stage 1; those of 1.4 are put into an index first."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from elasticsearch.helpers import bulk, scan
from exercise_mistakes import Answer, fixed, right, without

from workshop_lib.lessons.exercises import live
from workshop_lib.runtime.connections import elasticsearch
from workshop_lib.settings import Settings


def top(settings: Settings, size: int) -> dict[Any, Any]:
    counts = live.raw(settings)["track_id"].value_counts()
    return {**counts.head(size).to_dict(), "other": int(counts.iloc[size:].sum())}


def counted(solution: Any, settings: Settings) -> Counter[Any]:
    """All documents read, and counted in Python."""
    client, index = elasticsearch(settings), settings.index("plays-raw")
    tracks = Counter(hit["_source"]["track_id"] for hit in scan(client, index=index, size=5000))
    five = Counter(dict(tracks.most_common(5)))
    five["other"] = sum(tracks.values()) - sum(five.values())
    return five


def least(solution: Any, settings: Settings) -> dict[Any, Any]:
    counts = live.raw(settings)["track_id"].value_counts()
    return {**counts.tail(5).to_dict(), "other": int(counts.iloc[:-5].sum())}


def tracks_not_plays(solution: dict[Any, Any], settings: Settings) -> dict[Any, Any]:
    return solution | {"other": int(live.raw(settings)["track_id"].nunique()) - 5}


def by_pandas(solution: Any, settings: Settings) -> pd.Series:
    plays = live.raw(settings)
    hours = plays["played_at"].dt.strftime("%Y-%m-%dT%H:00:00.000Z")
    return plays["is_mobile"].groupby(hours).mean()


def plays_of_hours(solution: Any, settings: Settings) -> dict[str, int]:
    plays = live.raw(settings)
    hours = plays["played_at"].dt.strftime("%Y-%m-%dT%H:00:00.000Z")
    return {str(hour): int(n) for hour, n in hours.value_counts().items()}


def estimate(solution: int, settings: Settings) -> int:
    client, index = elasticsearch(settings), settings.index("plays-raw")
    found = client.search(index=index, size=0, aggs={"n": {"cardinality": {"field": "event_id"}}})
    documents = client.count(index=index)["count"]
    return int(solution + documents - found["aggregations"]["n"]["value"])


def refused(settings: Settings) -> int:
    with settings.live_log.open("rb") as log:
        return sum(1 for _ in log) - len(live.log_plays(settings))


def distinct(settings: Settings) -> int:
    return len({play.event_id for play in live.log_plays(settings)})


# 1.4 ------------------------------------------------------------------------------

TYPES = {"event_id": "long", "customer_id": "integer", "track_id": "integer"} | {
    "played_at": "date",
    "is_mobile": "boolean",
    "zip": "keyword",
}


def plays_of_log(settings: Settings) -> list[dict[str, Any]]:
    return [play._asdict() for play in live.log_plays(settings, 1000)]


def indexed(
    change: Callable[[dict[str, Any]], dict[str, Any]] = lambda play: play,
    types: dict[str, str] | None = None,
    ids: bool = True,
    only: Callable[[dict[str, Any]], bool] = lambda play: True,
    twice: bool = False,
) -> Callable[[Settings], None]:
    """Makes index ``practice-plays`` with these types, and puts the changed plays into it."""

    def put(settings: Settings) -> None:
        client, index = elasticsearch(settings), settings.index("practice-plays")
        fields = {name: {"type": kind} for name, kind in (types or TYPES).items()}
        client.indices.create(index=index, mappings={"properties": fields})

        def actions() -> Iterator[dict[str, Any]]:
            for play in plays_of_log(settings):
                if only(play):
                    id_ = {"_id": play["event_id"]} if ids else {}
                    yield {"_index": index, "_source": change(dict(play))} | id_

        for _ in range(1 + twice):
            bulk(client, actions())

    return put


def swapped(play: dict[str, Any]) -> dict[str, Any]:
    return play | {"customer_id": play["track_id"], "track_id": play["customer_id"]}


def as_iso(play: dict[str, Any]) -> dict[str, Any]:
    moment = pd.Timestamp(play["played_at"], unit="ms", tz="UTC")
    return play | {"played_at": moment.isoformat()}


#: What is put into the index of 1.4, and what the check says.
INDEXED: dict[str, tuple[Callable[[Settings], None], str | None]] = {
    "by bulk": (indexed(), None),
    "dates as text": (indexed(as_iso), None),
    "twice, other types that fit": (
        indexed(types=TYPES | {"customer_id": "long", "track_id": "short"}, twice=True),
        None,
    ),
    "no mapping": (
        indexed(types={"played_at": "date"}, only=lambda play: play["zip"].isdigit()),
        "Elasticsearch guessed",
    ),
    "zip as a number": (
        indexed(types=TYPES | {"zip": "integer"}, only=lambda play: play["zip"].isdigit()),
        "does not fit its values",
    ),
    "automatic ids": (indexed(ids=False), "ids that Elasticsearch makes"),
    "swapped fields": (indexed(swapped), "The log has another value"),
    "a field is missing": (indexed(lambda play: without(play, "track_id")), "has no track_id"),
    "ids as text": (indexed(lambda p: p | {"event_id": str(p["event_id"])}), "of type str"),
    "seconds, not ms": (
        indexed(lambda p: p | {"played_at": p["played_at"] // 1000}),
        "has played_at",
    ),
    "not all": (indexed(only=lambda play: play["event_id"] % 2 == 0), "are missing"),
}


# 1.5 ------------------------------------------------------------------------------


def body(**changed: Any) -> dict[str, Any]:
    listeners = {"listeners": {"cardinality": {"field": "customer_id"}}}
    histogram = {"field": "played_at", "fixed_interval": "1h"}
    return {
        "size": 0,
        "query": {"term": {"is_mobile": True}},
        "aggs": {"hours": {"date_histogram": histogram, "aggs": listeners}},
    } | changed


def hours(**changed: Any) -> dict[str, Any]:
    return body(aggs={"hours": body()["aggs"]["hours"] | changed})


def filtered() -> dict[str, Any]:
    made = body(query={"bool": {"filter": [{"term": {"is_mobile": True}}]}})
    made["aggregations"] = made.pop("aggs")
    return made


plays_counted = {"listeners": {"value_count": {"field": "customer_id"}}}
by_day = {"field": "played_at", "fixed_interval": "1d"}

ANSWERS: dict[str, list[Answer]] = {
    "1.1": [
        right("documents counted", counted),
        right("of numpy", lambda a, s: {k: np.int64(n) for k, n in a.items()}),
        Answer("no others", lambda a, s: without(a, "other"), "is missing"),
        Answer("ten slices", lambda a, s: top(s, 10), "10 slices beside"),
        Answer("tracks, not plays", tracks_not_plays, "counts tracks"),
        Answer("a number", fixed(5), "of type int"),
        Answer("keys as text", lambda a, s: {str(k): n for k, n in a.items()}, "is a number"),
        Answer("all as others", lambda a, s: a | {"other": sum(a.values())}, "another number of"),
        Answer("the least played", least, "Some other track"),
        Answer("text", lambda a, s: {k: str(n) for k, n in a.items()}, "must be a number"),
    ],
    "1.2": [
        right("rounded", lambda a, s: {k: round(v, 2) for k, v in a.items()}),
        right("by pandas", by_pandas),
        Answer("empty hours", lambda a, s: a | {"2000-01-01T00:00:00.000Z": 0}, "nothing divided"),
        Answer("percent", lambda a, s: {k: 100 * v for k, v in a.items()}, "not of 100"),
        Answer("of PCs", lambda a, s: {k: 1 - v for k, v in a.items()}, "share of PCs"),
        Answer("hours lost", lambda a, s: dict(list(a.items())[:-1]), "hours with plays are"),
        Answer("plays", plays_of_hours, "That counts plays"),
        Answer("moments", lambda a, s: {pd.Timestamp(k): v for k, v in a.items()}, "which is text"),
        Answer(
            "half hours", lambda a, s: {f"{k[:14]}30:00.000Z": v for k, v in a.items()}, "start"
        ),
        Answer("names", lambda a, s: {f"hour {k}": v for k, v in a.items()}, "is not a time"),
    ],
    "1.3": [
        right("of numpy", lambda a, s: np.int64(a)),
        right("a float", lambda a, s: float(a)),
        Answer("malformed lines, too", lambda a, s: a + refused(s), "lines that are not plays"),
        Answer("cardinality", lambda a, s: estimate(a, s), "an estimate"),
        Answer("guessed", lambda a, s: a + 1, "give another number"),
        Answer("the others", lambda a, s: distinct(s), "are different"),
        Answer("text", fixed("many"), "of type str"),
    ],
    "1.5": [
        right("as JSON text", fixed(json.dumps(body()))),
        right("bool filter, long names", fixed(filtered())),
        right(
            "calendar interval",
            fixed(hours(date_histogram={"field": "played_at", "calendar_interval": "hour"})),
        ),
        Answer("documents, too", fixed(without(body(), "size")), "carries 10 documents"),
        Answer("all plays", fixed(without(body(), "query")), "all of them"),
        Answer("on a PC", fixed(body(query={"term": {"is_mobile": False}})), "those on a PC"),
        Answer("by day", fixed(hours(date_histogram=by_day)), "One bar per hour"),
        Answer("plays again", fixed(hours(aggs=plays_counted)), "as many as the plays"),
        Answer("no listeners", fixed(hours(aggs={})), "no number called listeners"),
        Answer("another name", fixed(body(aggs={"bars": hours()["aggs"]["hours"]})), "Name the"),
        Answer("no JSON", fixed("{'size': 0}"), "is not JSON"),
        Answer("no such query", fixed(body(query={"equals": {}})), "refuses your request"),
    ],
}
