"""Stage 2: the three queries, each a pipeline and the way its batches are written.

In: the records of topic ``plays`` as a stream and the reference tables. Out: ``Query``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from workshop_lib.schema.names import (
    AGGREGATES_QUERY,
    INTERESTS_INDEX,
    INTERESTS_QUERY,
    PLAYS_INDEX,
    PLAYS_PER_MINUTE_INDEX,
    PLAYS_QUERY,
    TARGETS_QUERY,
)
from workshop_lib.settings import Settings
from workshop_lib.stream.aggregate import distinct, per_minute
from workshop_lib.stream.enrich import enrich, with_listener, with_place, with_track
from workshop_lib.stream.interests import interests
from workshop_lib.stream.reference import Reference
from workshop_lib.stream.sinks import either, write
from workshop_lib.stream.sinks.dead_letters import dead_letters
from workshop_lib.stream.sinks.elasticsearch import document, indexer
from workshop_lib.stream.sinks.redis import interest_lists, live_counters
from workshop_lib.stream.source import ORIGIN, parse, plays


class Query(NamedTuple):
    """``stream``: what flows, in update mode; ``written``: a batch of it → its tallies.

    ``begin`` is called with a batch's number before it is written; what it returns is put
    into the progress of the query.
    """

    stream: DataFrame
    written: Callable[[DataFrame], DataFrame]
    begin: Callable[[int], dict[str, Any]] = lambda number: {}


def plays_query(records: DataFrame, reference: Reference, settings: Settings) -> Query:
    """Every play, with listener, track and place → index ``plays``; the rest → dead letters."""

    def written(parsed: DataFrame) -> DataFrame:
        # One pass for both kinds: two would read and parse every record twice.
        rows = enrich(parsed, reference).withColumn("processed_at", F.current_timestamp())
        documents = document(rows, PLAYS_INDEX, F.col("event_id"), *ORIGIN, "reason")
        return write(
            documents,
            either("reason", dead_letters(settings, "stream"), indexer(settings, PLAYS_INDEX)),
        )

    return Query(parse(records, settings), written)


def aggregates_query(records: DataFrame, reference: Reference, settings: Settings) -> Query:
    """Plays per minute → index ``plays-per-minute`` and the live counters."""
    good = plays(parse(records, settings))
    counts = per_minute(enrich(distinct(good, settings), reference))

    def written(counts: DataFrame) -> DataFrame:
        minute = F.date_format("minute", "yyyy-MM-dd'T'HH:mm'Z'")
        rows = counts.withColumn("counter_minute", minute)
        id_ = F.concat_ws("|", "counter_minute", "dimension", "value")
        carried = ("counter_minute", "dimension", "value", "plays")
        return write(
            document(rows, PLAYS_PER_MINUTE_INDEX, id_, *carried),
            indexer(settings, PLAYS_PER_MINUTE_INDEX),
            live_counters(settings),
        )

    return Query(counts, written)


def interests_query(records: DataFrame, reference: Reference, settings: Settings) -> Query:
    """The same track again and again → index ``interests`` and each listener's list."""
    good = plays(parse(records, settings))
    found = interests(distinct(good, settings))
    known = with_place(
        with_track(with_listener(found, reference.customers), reference.tracks), reference.places
    )

    def written(hits: DataFrame) -> DataFrame:
        rows = hits.withColumns(
            {"interested_at": F.col("played_at"), "interested_ms": F.unix_millis("played_at")}
        )
        carried = ("customer_id", "track_id", "interested_ms")
        return write(
            document(rows, INTERESTS_INDEX, F.col("event_id"), *carried),
            indexer(settings, INTERESTS_INDEX),
            interest_lists(settings),
        )

    return Query(known, written)


#: The records of topic ``plays`` and the reference tables → a query.
Builder = Callable[[DataFrame, Reference, Settings], Query]

QUERIES: Final[dict[str, Builder]] = {
    PLAYS_QUERY: plays_query,
    AGGREGATES_QUERY: aggregates_query,
    INTERESTS_QUERY: interests_query,
}
#: These may take a backlog in parts; see ``source.records`` for why the others may not.
STATELESS: Final = (PLAYS_QUERY, TARGETS_QUERY)
