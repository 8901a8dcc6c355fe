"""What the checks compare with, read from the servers as they are now.

In: Settings. Out: plain tables. Read another way than the exercises ask for, so that an
answer is compared with a fact and not with itself.
"""

from __future__ import annotations

import time
from itertools import islice
from typing import Any

import pandas as pd
from kafka import TopicPartition

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime.connections import consumer
from workshop_lib.schema.names import PLAYS_RAW_INDEX, PLAYS_TOPIC
from workshop_lib.schema.play import MalformedPlay, Play, parse
from workshop_lib.settings import Settings
from workshop_lib.verify import actual


def documents(settings: Settings, index: str, *fields: str) -> pd.DataFrame:
    """All documents of ``index``; the first two fields are unique together."""
    from elasticsearch import NotFoundError

    try:
        rows = list(actual.documents(settings, index, *fields))
    except NotFoundError:
        rows = []
    if not rows:
        raise WorkshopError(
            f"There is nothing in index {settings.index(index)}.",
            "Run the first cell again: begin(…) makes what is missing.",
        )
    return pd.DataFrame(rows)


def raw(settings: Settings) -> pd.DataFrame:
    """Index ``plays-raw``, with ``played_at`` as a moment."""
    fields = ("event_id", "customer_id", "track_id", "played_at", "is_mobile", "zip")
    table = documents(settings, PLAYS_RAW_INDEX, *fields)
    return table.assign(played_at=pd.to_datetime(table["played_at"], utc=True))


def log_plays(settings: Settings, lines: int | None = None, future: bool = False) -> list[Play]:
    """The plays among the first ``lines`` of the log (all of them by default), as they stand.

    ``future``: also those that bear a date to come, which the shipper refuses.
    """
    latest = None if future else time.time_ns() // 1_000_000
    plays = []
    with settings.live_log.open("rb") as log:
        for line in islice(log, lines):
            try:
                plays.append(parse(line, latest))
            except MalformedPlay:
                continue
    return plays


def topic(settings: Settings, name: str = PLAYS_TOPIC) -> list[Any]:
    """Every record of topic ``name`` (without namespace), partition by partition."""
    reader = consumer(settings)
    try:
        full = settings.topic(name)
        partitions = [TopicPartition(full, n) for n in reader.partitions_for_topic(full) or ()]
        if not partitions:
            return []
        reader.assign(partitions)
        ends = reader.end_offsets(partitions)
        reader.seek_to_beginning(*partitions)
        records: list[Any] = []
        while any(reader.position(each) < ends[each] for each in partitions):
            for polled in reader.poll(timeout_ms=1000, max_records=5000).values():
                records += polled
        return records
    finally:
        reader.close()
