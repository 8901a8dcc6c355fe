"""Stage 1, see it: questions to Elasticsearch about index ``plays-raw``.

In: Settings and a learner's answer. Out: nothing when it is right, or ``NotYet``.
"""

from __future__ import annotations

import json
from typing import Any, Final

import pandas as pd
from elasticsearch import ApiError, Elasticsearch

from workshop_lib.lessons.exercises import live
from workshop_lib.lessons.exercises.outcome import (
    Exercise,
    NotAttempted,
    NotYet,
    attempted,
    equals,
    first_line,
    numbers,
    of_type,
    shown,
)
from workshop_lib.runtime.connections import elasticsearch
from workshop_lib.schema.names import PLAYS_RAW_INDEX
from workshop_lib.schema.play import PLAY, Play
from workshop_lib.settings import Settings
from workshop_lib.stack.reset import PRACTICE

SLICES: Final = 5
OTHERS: Final = "other"
#: How many lines of the log go into the index of exercise 1.4.
LINES: Final = 1000


def top_and_others(settings: Settings, answer: Any) -> None:
    """1.1: the five most played tracks, and one slice for all others."""
    attempted(answer)
    of_type(answer, dict, "a dictionary: track id → plays, and 'other' → plays")
    counts = live.raw(settings)["track_id"].value_counts()
    tracks = {key: n for key, n in answer.items() if key != OTHERS}
    if len(tracks) != SLICES:
        raise NotYet(
            f"You have {len(tracks)} slices beside {OTHERS!r}. The pie must have {SLICES}."
        )
    if any(not isinstance(key, int) for key in tracks):
        raise NotYet(f"Your slices are called {shown(list(tracks))}. A track id is a number.")
    if OTHERS not in answer:
        raise NotYet(
            f"Your {SLICES} slices have {sum(tracks.values()):,} plays together, and {OTHERS!r} is"
            " missing: such a pie says that nothing else was played."
        )
    numbers(answer.values(), "a number of plays")
    strange = [key for key in tracks if key not in counts.index]
    if strange:
        raise NotYet(f"You have a slice for track {strange[0]}, which nobody played.")
    if min(counts[key] for key in tracks) < counts.nlargest(SLICES).min():
        raise NotYet(f"You have {shown(tracks)}. Some other track has more plays than one of them.")
    wrong = [key for key, n in tracks.items() if counts[key] != n]
    if wrong:
        raise NotYet(
            f"You have {tracks[wrong[0]]} plays of track {wrong[0]}; the index has another number."
        )
    total = sum(answer.values())
    if answer[OTHERS] == len(counts) - SLICES:
        raise NotYet(f"You have {answer[OTHERS]} for {OTHERS!r}: that counts tracks, not plays.")
    if total != len(live.raw(settings)):
        raise NotYet(
            f"All your slices have {total:,} plays together. The index has another number of plays."
        )


def mobile_share(settings: Settings, answer: Any) -> None:
    """1.2: per hour in which anything was played, the share of plays on a mobile."""
    attempted(answer)
    of_type(answer, dict, "a dictionary: key_as_string of an hour → share")
    plays = live.raw(settings)
    hours = plays.groupby(plays["played_at"].dt.strftime("%Y-%m-%dT%H:00:00.000Z"))
    share = hours["is_mobile"].mean()
    other_key = next((hour for hour in answer if not isinstance(hour, str)), None)
    if other_key is not None:
        raise NotYet(
            f"Your first hour is {shown(other_key)}, of type {type(other_key).__name__}. Take the"
            " bucket's key_as_string, which is text."
        )
    strange = [hour for hour in answer if hour not in share.index]
    if strange:
        raise NotYet(_not_an_hour(strange[0], answer[strange[0]]))
    if len(answer) < len(share):
        raise NotYet(f"You have {len(answer)} hours; some hours with plays are missing.")
    numbers(answer.values(), "a share")
    largest = max(answer.values())
    if largest > 1:
        percent = largest <= 100 and any(value != int(value) for value in answer.values())
        raise NotYet(
            f"Your largest share is {largest:g}."
            + (" Give parts of 1, not of 100." if percent else " That counts plays.")
        )
    wrong = [hour for hour in share.index if not equals(answer[hour], share[hour])]
    if wrong and all(equals(answer[hour], 1 - share[hour]) for hour in share.index):
        raise NotYet(f"You have {answer[wrong[0]]:.3f} for {wrong[0]}: that is the share of PCs.")
    if wrong:
        raise NotYet(
            f"You have {answer[wrong[0]]:.3f} for {wrong[0]}; the index has another share."
        )


def _not_an_hour(key: str, value: Any) -> str:
    """Why ``key`` is not an hour with plays."""
    try:
        moment = pd.Timestamp(key)
    except ValueError:
        return f"You have a share for {key!r}, which is not a time."
    if f"{moment:%M:%S}" != "00:00":
        return f"You have a share for {key}, which is not the start of an hour."
    if len(key) != len("2026-01-04T20:00:00.000Z"):
        return f"You have an hour {key!r}. Keep the form of the bucket's key_as_string."
    return (
        f"You have {shown(value)} for the hour {key}, in which nothing was played. Leave hours"
        " without plays out: nothing divided by nothing is no share."
    )


def duplicates(settings: Settings, answer: Any) -> None:
    """1.3: how many lines of the log were a play that an earlier line had brought."""
    attempted(answer)
    if isinstance(answer, float) and answer.is_integer():
        answer = int(answer)
    of_type(answer, int, "a whole number")
    plays = live.log_plays(settings)
    with settings.live_log.open("rb") as log:
        lines = sum(1 for _ in log)
    distinct = len({play.event_id for play in plays})
    if answer == len(plays) - distinct:
        return
    if answer == lines - distinct:
        raise NotYet(
            f"You have {answer}: that also counts the lines that are not plays. They were refused,"
            " not repeated."
        )
    if answer == distinct:
        raise NotYet(f"You have {answer}: that many plays are different. How many came twice?")
    estimates = _estimates(settings, elasticsearch(settings))
    if answer in [of - n for n in estimates for of in (lines, len(plays), distinct)]:
        raise NotYet(
            f"You have {answer}: that comes from a cardinality aggregation, which is an estimate."
            " A count of documents is exact."
        )
    raise NotYet(f"You have {answer}. Log and index give another number.")


def _estimates(settings: Settings, client: Elasticsearch) -> list[int]:
    """What a cardinality aggregation says of the event ids, by default and at its best."""
    found = client.search(
        index=settings.index(PLAYS_RAW_INDEX),
        size=0,
        aggs={
            str(precision): {"cardinality": {"field": "event_id", "precision_threshold": precision}}
            for precision in (3000, 40_000)
        },
    )["aggregations"]
    return [int(each["value"]) for each in found.values()]


def own_index(settings: Settings) -> None:
    """1.4: the first lines of the log in an index of one's own, each play once."""
    client, index = elasticsearch(settings), settings.index(PRACTICE)
    if not client.indices.exists(index=index):
        raise NotAttempted(f"There is no index {index} yet.")
    client.indices.refresh(index=index)
    fields = client.indices.get_mapping(index=index)[index]["mappings"].get("properties", {})
    _mapped(fields, index)
    # The shipper refuses dates in the future; whoever takes them here is right, too.
    plays = {str(play.event_id): play for play in live.log_plays(settings, LINES, future=True)}
    wanted = {str(play.event_id) for play in live.log_plays(settings, LINES)}
    hits = client.search(index=index, size=10_000)["hits"]["hits"]
    if not hits:
        raise NotYet(f"Your index {index} is empty.")
    strange = [hit for hit in hits if hit["_id"] not in plays]
    if strange and str(strange[0]["_source"].get("event_id")) in plays:
        raise NotYet(
            f"You have a document with _id {strange[0]['_id']!r}. With ids that Elasticsearch"
            " makes, a play that is sent twice is two documents. Use the id of the event."
        )
    if strange:
        raise NotYet(
            f"You have a document with _id {strange[0]['_id']!r}, which is not an event of the"
            f" log's first {LINES} lines."
        )
    found = {hit["_id"]: hit["_source"] for hit in hits}
    if wanted - set(found):
        raise NotYet(
            f"Your index has {len(found)} documents. Plays from the log's first {LINES} lines are"
            " missing."
        )
    for id_, source in found.items():
        _same_play(id_, source, plays[id_])


def _same_play(id_: str, source: dict[str, Any], play: Play) -> None:
    """``NotYet`` when the document ``source`` does not hold ``play``."""
    for name, truth in play._asdict().items():
        if name not in source:
            raise NotYet(f"Play {id_} has no {name} in your index.")
        yours = source[name]
        if name == "played_at":
            yours = _millis(yours)
        elif type(yours) is not type(truth):
            raise NotYet(
                f"Play {id_} has {name} {shown(yours)} in your index, of type"
                f" {type(yours).__name__}. In the log it is of another type."
            )
        if yours != truth:
            raise NotYet(
                f"Play {id_} has {name} {shown(source[name])} in your index. The log has another"
                " value there."
            )


def _millis(value: Any) -> int | None:
    """A date as Elasticsearch takes it, in ms since 1970."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return int(value)
        return int(pd.to_datetime(value, utc=True).timestamp() * 1000)
    except (ValueError, TypeError):
        return None


#: Field → types that fit its values.
_TYPES: Final = {
    "event_id": ("long", "unsigned_long"),
    "customer_id": ("integer", "long"),
    "track_id": ("integer", "long", "short"),
    "played_at": ("date", "date_nanos"),
    "is_mobile": ("boolean",),
    "zip": ("keyword",),
}


def _mapped(fields: dict[str, Any], index: str) -> None:
    for name in PLAY:
        yours = fields.get(name, {}).get("type")
        if yours is None:
            raise NotYet(f"Your index {index} has no field {name}.")
        if yours == "text":
            raise NotYet(
                f"Your field {name} is of type text: Elasticsearch guessed. What is filtered and"
                " counted by its whole value needs another type. Say so before the first document."
            )
        if yours not in _TYPES[name]:
            raise NotYet(f"Your field {name} is of type {yours}, which does not fit its values.")


def raw_chart(settings: Settings, answer: Any) -> None:
    """1.5: a chart as the JSON that Elasticsearch gets."""
    attempted(answer)
    if isinstance(answer, str):
        try:
            answer = json.loads(answer)
        except ValueError as error:
            raise NotYet(f"Your text is not JSON: {first_line(error)}.") from error
    of_type(answer, dict, "the body of a request, as a dictionary or as JSON text")
    client = elasticsearch(settings)
    try:
        found = client.search(index=settings.index(PLAYS_RAW_INDEX), **_arguments(answer))
    except (ApiError, TypeError, ValueError) as error:
        raise NotYet(f"Elasticsearch refuses your request: {_refusal(error)}") from error
    if found["hits"]["hits"]:
        raise NotYet(
            f"Your answer carries {len(found['hits']['hits'])} documents. A chart needs none: size."
        )
    hours = found.get("aggregations", {}).get("hours", {}).get("buckets")
    if not isinstance(hours, list):
        made = list(found.get("aggregations", {}))
        raise NotYet(f"Your aggregations are {shown(made)}. Name the histogram hours.")
    plays = live.raw(settings)
    mobile = plays[plays["is_mobile"]]
    truth = mobile.groupby(mobile["played_at"].dt.floor("h"))["customer_id"].agg(
        ["size", "nunique"]
    )
    filled = {pd.Timestamp(h["key"], unit="ms", tz="UTC"): h for h in hours if h["doc_count"]}
    counts = {hour: bucket["doc_count"] for hour, bucket in filled.items()}
    if sum(counts.values()) == len(plays):
        raise NotYet(f"Your bars have {len(plays):,} plays: all of them. Only mobiles are wanted.")
    if sum(counts.values()) == len(plays) - len(mobile):
        raise NotYet(f"Your bars have {sum(counts.values()):,} plays: those on a PC.")
    if counts != truth["size"].to_dict():
        raise NotYet(
            f"You have {len(counts)} bars with {sum(counts.values()):,} plays. One bar per hour is"
            " wanted, of plays on a mobile."
        )
    values = {hour: bucket.get("listeners", {}).get("value") for hour, bucket in filled.items()}
    if None in values.values():
        raise NotYet("Your bars have no number called listeners. Put it into the histogram's aggs.")
    if values == counts:
        raise NotYet("Your listeners are as many as the plays. Count each listener once.")
    wrong = [h for h, n in values.items() if abs(n - truth["nunique"][h]) > 0.03 * n]
    if wrong:
        raise NotYet(
            f"You have {values[wrong[0]]:g} listeners at {wrong[0]:%H:%M}; the index has another"
            " number."
        )


def _arguments(body: dict[str, Any]) -> dict[str, Any]:
    """The body of a request as arguments of the client."""
    renamed = {"from": "from_", "_source": "source", "aggregations": "aggs"}
    return {renamed.get(name, name): value for name, value in body.items()}


def _refusal(error: Exception) -> str:
    if isinstance(error, ApiError) and isinstance(error.body, dict):
        cause = error.body.get("error", {})
        roots = cause.get("root_cause") if isinstance(cause, dict) else None
        if roots:
            return str(roots[0].get("reason"))[:300]
    return first_line(error)


EXERCISES: Final = (
    Exercise(
        "1.1",
        "A pie with a slice for the rest",
        top_and_others,
        (
            "A terms aggregation on track_id; its size says how many buckets come back.",
            "Read the whole answer, not only the buckets: it also says how many documents are in"
            " none of them.",
            "That number is called sum_other_doc_count.",
        ),
    ),
    Exercise(
        "1.2",
        "The share of mobiles, hour by hour",
        mobile_share,
        (
            "A date_histogram on played_at with fixed_interval 1h; inside it, under aggs, a"
            " filter aggregation with a term query on is_mobile.",
            "Per bucket: the filter's doc_count divided by the bucket's own.",
            "Between two plays there may be hours without any; their doc_count is 0.",
        ),
    ),
    Exercise(
        "1.3",
        "How many came twice?",
        duplicates,
        (
            "Lines in the log, lines that were refused, documents in the index: three numbers.",
            "The ids of documents are those of events, so a repeated play is no new document.",
            "read_ship_state(settings, 'elasticsearch') knows how many lines were accepted.",
        ),
    ),
    Exercise(
        "1.4",
        "An index of your own",
        own_index,
        (
            "client.indices.create(index=…, mappings={'properties': {…}}) comes first. Fields:"
            " keyword for what is compared whole, date for moments, long or integer for ids.",
            "workshop_lib.schema.play.parse reads a line, or raises MalformedPlay."
            " elasticsearch.helpers.bulk takes dictionaries with _index, _id and _source.",
            "played_at of a parsed play is in ms since 1970, which a field of type date takes.",
        ),
        live=True,
    ),
    Exercise(
        "1.5",
        "A chart as raw JSON",
        raw_chart,
        (
            "Three parts: 'size': 0, 'query': {…}, 'aggs': {'hours': {…}}.",
            "The query is a term on is_mobile.",
            "Inside hours, beside date_histogram: 'aggs': {'listeners': {'cardinality': {…}}}.",
        ),
    ),
)
