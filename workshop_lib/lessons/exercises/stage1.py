"""Stage 1, see it: questions to Elasticsearch about index ``plays-raw``.

In: Settings and a learner's answer. Out: nothing when it is right, or ``NotYet``.
"""

from __future__ import annotations

from typing import Any, Final

from elasticsearch import Elasticsearch

from workshop_lib.lessons.exercises import live
from workshop_lib.lessons.exercises.outcome import (
    Exercise,
    NotAttempted,
    NotYet,
    attempted,
    of_type,
    shown,
)
from workshop_lib.runtime.connections import elasticsearch
from workshop_lib.schema.names import PLAYS_RAW_INDEX
from workshop_lib.settings import Settings
from workshop_lib.stack.reset import PRACTICE

SLICES: Final = 5
REST: Final = "other"
#: How many lines of the log go into the index of exercise 1.4.
LINES: Final = 1000


def top_and_rest(settings: Settings, answer: Any) -> None:
    """1.1: the five most played tracks, and one slice for all others."""
    attempted(answer)
    of_type(answer, dict, "a dictionary: track id → plays, and 'other' → plays")
    counts = live.raw(settings)["track_id"].value_counts()
    tracks = {key: n for key, n in answer.items() if key != REST}
    if len(tracks) != SLICES:
        raise NotYet(f"You have {len(tracks)} slices beside {REST!r}. The pie is to have {SLICES}.")
    if any(isinstance(key, str) for key in tracks):
        raise NotYet(f"Your slices are called {shown(list(tracks))}. A track id is a number.")
    if REST not in answer:
        raise NotYet(
            f"Your {SLICES} slices are {sum(tracks.values()):,} plays together, and {REST!r} is"
            " missing: such a pie says that nothing else was played."
        )
    if set(counts.nlargest(SLICES)) - set(tracks.values()):
        raise NotYet(f"You have {shown(tracks)}. There are tracks with more plays than some.")
    wrong = [key for key, n in tracks.items() if counts.get(key) != n]
    if wrong:
        raise NotYet(f"You have {tracks[wrong[0]]} plays of track {wrong[0]}; the index differs.")
    total = sum(answer.values())
    if answer[REST] == len(counts) - SLICES:
        raise NotYet(f"You have {answer[REST]} for {REST!r}: that counts tracks, not plays.")
    if total != len(live.raw(settings)):
        raise NotYet(
            f"All your slices are {total:,} plays together. That is not every play in the index."
        )


def mobile_share(settings: Settings, answer: Any) -> None:
    """1.2: per hour in which anything was played, the share of plays on a mobile."""
    attempted(answer)
    of_type(answer, dict, "a dictionary: key_as_string of an hour → share")
    plays = live.raw(settings)
    hours = plays.groupby(plays["played_at"].dt.strftime("%Y-%m-%dT%H:00:00.000Z"))
    share = hours["is_mobile"].mean()
    values = list(answer.values())
    empty = [hour for hour in answer if hour not in share.index]
    if empty and all(str(hour)[14:16] == "00" for hour in empty):
        raise NotYet(
            f"You have {shown(answer[empty[0]])} for the hour {empty[0]}, in which nothing was"
            " played. Of nothing there is no share: leave such hours out."
        )
    if empty:
        raise NotYet(f"You have a share for {shown(empty[0])}, which is no begin of an hour.")
    if len(answer) < len(share):
        raise NotYet(f"You have {len(answer)} hours; some hours with plays are missing.")
    if any(not isinstance(value, int | float) for value in values):
        raise NotYet(f"Your first value is {shown(values[0])}. A share is a number.")
    if max(values) > 1:
        percent = max(values) <= 100 and any(value != int(value) for value in values)
        raise NotYet(
            f"Your largest share is {max(values):g}."
            + (" Parts of 1 are asked for, not of 100." if percent else " That counts plays.")
        )
    off = [hour for hour in share.index if abs(answer[hour] - share[hour]) > 1e-6]
    if off and all(abs(answer[h] + share[h] - 1) < 1e-6 for h in share.index):
        raise NotYet(f"You have {answer[off[0]]:.3f} for {off[0]}: that is the share of the PCs.")
    if off:
        raise NotYet(f"You have {answer[off[0]]:.3f} for {off[0]}; the index says otherwise.")


def duplicates(settings: Settings, answer: Any) -> None:
    """1.3: how many lines of the log were a play that an earlier line had brought."""
    attempted(answer)
    of_type(answer, int, "a whole number")
    plays = live.log_plays(settings)
    with settings.live_log.open("rb") as log:
        lines = sum(1 for _ in log)
    truth = len(plays) - len({play.event_id for play in plays})
    if answer == truth:
        return
    if answer == lines - (len(plays) - truth):
        raise NotYet(
            f"You have {answer}: that counts the lines that are no plays, too. They were refused,"
            " not repeated."
        )
    client = elasticsearch(settings)
    if answer in (lines - n for n in _guesses(settings, client)) or answer in (
        len(plays) - n for n in _guesses(settings, client)
    ):
        raise NotYet(
            f"You have {answer}: that comes from a cardinality aggregation, which is an estimate."
            " A count of documents is exact."
        )
    raise NotYet(f"You have {answer}. Log and index say otherwise.")


def _guesses(settings: Settings, client: Elasticsearch) -> list[int]:
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
    # Dates to come are refused by the shipper; whoever takes them here has not gone wrong.
    plays = {str(play.event_id): play for play in live.log_plays(settings, LINES, future=True)}
    wanted = {str(play.event_id) for play in live.log_plays(settings, LINES)}
    hits = client.search(index=index, size=10_000)["hits"]["hits"]
    if not hits:
        raise NotYet(f"Your index {index} is empty.")
    strange = [hit["_id"] for hit in hits if str(hit["_source"].get("event_id")) != hit["_id"]]
    if strange:
        raise NotYet(
            f"You have a document with _id {strange[0]!r}. With ids that Elasticsearch invents,"
            " a play that is sent twice is two documents. The event's id is one that fits."
        )
    found = {hit["_id"]: hit["_source"] for hit in hits}
    if wanted - set(found):
        raise NotYet(
            f"Your index has {len(found)} documents. Plays from the log's first {LINES} lines are"
            " missing."
        )
    if set(found) - set(plays):
        raise NotYet(f"Your index has {len(found)} documents, some from behind line {LINES}.")
    for id_, source in found.items():
        if source.get("zip") != plays[id_].zip:
            raise NotYet(f"Play {id_} has zip {source.get('zip')!r} in your index. Zips are text.")


def _mapped(fields: dict[str, Any], index: str) -> None:
    kinds = {"zip": "keyword", "played_at": "date"}
    for name, kind in kinds.items():
        yours = fields.get(name, {}).get("type")
        if yours is None:
            raise NotYet(f"Your index {index} has no field {name}.")
        if yours == "text":
            raise NotYet(
                f"Your field {name} is of type text: Elasticsearch guessed. What is filtered and"
                " counted by its whole value has another type. Say so before the first document."
            )
        if yours != kind:
            raise NotYet(f"Your field {name} is of type {yours}, which does not fit its values.")


EXERCISES: Final = (
    Exercise(
        "1.1",
        "A pie with a slice for the rest",
        top_and_rest,
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
            "workshop_lib.schema.play.parse reads a line, or raises MalformedPlay. bulk_index takes"
            " pairs of an id and a document.",
            "played_at of a parsed play is in ms since 1970, which a field of type date takes.",
        ),
        live=True,
    ),
)
