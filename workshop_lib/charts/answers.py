"""Answers to the story's questions, each one request on an index of the workshop.

In: Settings. Out: a pandas Series, label → number of plays, or a table. ``counts`` answers a
question of the catalogue: what it returns is what that pie or bar chart shows.
Elasticsearch counts what its last refresh saw; ``refresh`` makes that everything written.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from elasticsearch import dsl
from elasticsearch.dsl import A
from elasticsearch.dsl.aggs import Agg

from workshop_lib.charts.catalogue import ALL_LABELS, CHARTS
from workshop_lib.charts.chart import Metric, Terms
from workshop_lib.charts.time_range import Span
from workshop_lib.runtime.connections import elasticsearch
from workshop_lib.schema.names import PLAYS_INDEX, PLAYS_PER_MINUTE_INDEX
from workshop_lib.schema.tables import ALL
from workshop_lib.settings import Settings


def refresh(settings: Settings) -> None:
    """Make every document written so far visible to the questions below."""
    elasticsearch(settings).indices.refresh(index=settings.index("*"))


def plays_by(
    settings: Settings,
    field: str,
    size: int = ALL_LABELS,
    query: dict[str, Any] | None = None,
    index: str = PLAYS_INDEX,
) -> pd.Series:
    """Plays per label of ``field``, most first, equal ones in the label's order.

    ``query`` is an Elasticsearch query that the plays must match; by default all do.
    """
    search = dsl.Search(using=elasticsearch(settings), index=settings.index(index)).extra(size=0)
    if query:
        search = search.query(query)
    search.aggs.bucket("labels", Terms(field, size).aggregation(Metric(), Span(0, 1)))
    buckets = search.execute().aggregations["labels"].buckets
    counted = {bucket.key: bucket.doc_count for bucket in buckets}
    return pd.Series(counted, name="plays", dtype="int64").rename_axis(field)


def counts(settings: Settings, name: str) -> pd.Series:
    """What the catalogue's chart ``name`` counts by its first split, such as "gender", "device",
    "level", "states" or "top-artists"."""
    chart = CHARTS[name]
    (split, *_) = chart.splits
    size = split.size if isinstance(split, Terms) else ALL_LABELS
    return plays_by(settings, split.field, size, index=chart.index)


def share(counts: pd.Series) -> pd.Series:
    """``counts`` as parts of 1; empty stays empty."""
    return (counts / counts.sum()).rename("share") if len(counts) else counts


def busiest_hours(settings: Settings) -> pd.Series:
    """Plays per hour of day, 0–23 by the clocks of ``settings.timezone``, in the day's order.

    Elasticsearch counts the hours of the calendar in that zone; those of all days with the
    same name are added up here, so that a change to summer time is no error.
    """
    search = dsl.Search(using=elasticsearch(settings), index=settings.index(PLAYS_INDEX))
    search.aggs.bucket("hours", hours_of_the_calendar(settings.timezone))
    buckets = search.extra(size=0).execute().aggregations["hours"].buckets
    starts = pd.to_datetime(np.array([b.key for b in buckets], "int64"), unit="ms", utc=True)
    counted = pd.Series([b.doc_count for b in buckets], dtype="int64", name="plays")
    hours = counted.groupby(starts.tz_convert(settings.timezone).hour).sum()
    return hours.reindex(range(24), fill_value=0).rename_axis("hour")


def hours_of_the_calendar(zone: str) -> Agg[Any]:
    """The aggregation: a bucket per hour in ``zone`` in which anything was played."""
    return A(
        "date_histogram",
        field="played_at",
        calendar_interval="hour",
        time_zone=zone,
        min_doc_count=1,
    )


def plays_per_minute(settings: Settings, dimension: str = ALL) -> pd.DataFrame:
    """The stream's own counts: index = minute (UTC), a column per label, cells = plays.

    A day has 1,440 minutes; a week of them is read in pages, so any span works.
    """
    search = dsl.Search(using=elasticsearch(settings), index=settings.index(PLAYS_PER_MINUTE_INDEX))
    page = search.query("term", dimension=dimension).sort("minute", "value").extra(size=10_000)
    rows: list[dict[str, Any]] = []
    while found := list(page.execute()):
        rows += [hit.to_dict() for hit in found]
        page = page.extra(search_after=list(found[-1].meta.sort))
    if not rows:
        return pd.DataFrame(columns=[ALL] if dimension == ALL else [])
    frame = pd.DataFrame(rows)
    frame["minute"] = pd.to_datetime(frame["minute"], utc=True)
    table = frame.pivot(index="minute", columns="value", values="plays")
    return table.fillna(0).astype("int64")
