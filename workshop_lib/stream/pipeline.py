"""Stage 2 on one page: what flows from topic ``plays``, step by step, and where it goes.

::

    records → parse ┬→ enrich ──────────────────────────────→ index plays, or dead letters
                    ├→ distinct → enrich → per_minute ──────→ index plays-per-minute, Redis
                    ├→ distinct → interests → listener … ───→ index interests, Redis
                    └→ eligible → scored → decided ─────────→ index targets, outbox

Each step is a function ``DataFrame → DataFrame`` that works on a batch as it does on a stream:
``records``, ``parse``, ``plays`` in ``source``, ``enrich`` and ``with_…`` in ``enrich``,
``distinct`` and ``per_minute`` in ``aggregate``, ``interests`` in ``interests``. Sinks are in
``sinks``; ``run`` starts the queries. The last line, Stage 3, has a page of its own that reads
like this one: ``workshop_lib.marketing.targets``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
)
from workshop_lib.settings import Settings
from workshop_lib.stream.aggregate import distinct, per_minute
from workshop_lib.stream.enrich import enrich, with_listener, with_place, with_track
from workshop_lib.stream.interests import interests
from workshop_lib.stream.reference import Reference
from workshop_lib.stream.sinks import Sink, route
from workshop_lib.stream.sinks.dead_letters import send_to_dead_letter
from workshop_lib.stream.sinks.elasticsearch import document, write_to_index
from workshop_lib.stream.sinks.redis import write_interest_lists, write_live_counters
from workshop_lib.stream.source import ORIGIN, parse, plays


class Query(NamedTuple):
    """``stream``: the rows, in update mode; ``sinks``: each gets every row; the first one's
    result is what the progress counts.

    ``begin`` is called with a batch's number before the batch is written; what it returns is
    put into the progress. ``each_batch`` holds steps that may change from batch to batch.
    """

    stream: DataFrame
    sinks: tuple[Sink, ...]
    begin: Callable[[int], dict[str, Any]] = lambda number: {}
    each_batch: Callable[[DataFrame], DataFrame] = lambda batch: batch


def plays_query(
    records: DataFrame, reference: Reference, settings: Settings, partitions: Sequence[int] = ()
) -> Query:
    """Every play, with listener, track and place → index ``plays``; the rest → dead letters."""
    # One pass for both kinds: two would read and parse every record twice.
    documents = (
        records.transform(parse, settings)
        .transform(enrich, reference)
        .transform(document, PLAYS_INDEX, F.col("event_id"), *ORIGIN, "reason")
    )
    bad, good = send_to_dead_letter(settings, "stream"), write_to_index(settings, PLAYS_INDEX)
    return Query(documents, (route("reason", bad, good),))


def aggregates_query(
    records: DataFrame, reference: Reference, settings: Settings, partitions: Sequence[int] = ()
) -> Query:
    """Plays per minute → index ``plays-per-minute`` and the live counters."""
    counts = (
        records.transform(parse, settings)
        .transform(plays)
        .transform(distinct, settings, partitions)
        .transform(enrich, reference)
        .transform(per_minute)
    )
    key = ("counter_minute", "dimension", "value")
    documents = counts.withColumn(
        "counter_minute", F.date_format("minute", "yyyy-MM-dd'T'HH:mm'Z'")
    ).transform(document, PLAYS_PER_MINUTE_INDEX, F.concat_ws("|", *key), *key, "plays")
    return Query(
        documents,
        (write_to_index(settings, PLAYS_PER_MINUTE_INDEX), write_live_counters(settings)),
    )


def interests_query(
    records: DataFrame, reference: Reference, settings: Settings, partitions: Sequence[int] = ()
) -> Query:
    """Three times within 30 minutes → index ``interests`` and each listener's list."""
    found = (
        records.transform(parse, settings)
        .transform(plays)
        .transform(distinct, settings, partitions)
        .transform(interests)
        .transform(with_listener, reference.customers)
        .transform(with_track, reference.tracks)
        .transform(with_place, reference.places)
    )
    documents = found.withColumns(
        {"interested_at": F.col("played_at"), "interested_ms": F.unix_millis("played_at")}
    ).transform(
        document, INTERESTS_INDEX, F.col("event_id"), "customer_id", "track_id", "interested_ms"
    )
    return Query(
        documents, (write_to_index(settings, INTERESTS_INDEX), write_interest_lists(settings))
    )


#: The records of topic ``plays`` and the reference tables → a query. The numbers: of partitions
#: that need a watermark of their own, if the query has a state; see ``distinct``.
Builder = Callable[[DataFrame, Reference, Settings, Sequence[int]], Query]

QUERIES: Final[dict[str, Builder]] = {
    PLAYS_QUERY: plays_query,
    AGGREGATES_QUERY: aggregates_query,
    INTERESTS_QUERY: interests_query,
}
#: These remember plays of earlier batches, and need a watermark to forget them.
STATEFUL: Final = (AGGREGATES_QUERY, INTERESTS_QUERY)
