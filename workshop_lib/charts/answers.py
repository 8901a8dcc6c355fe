"""The questions of the story, each one aggregation on index ``plays`` (Stage 2).

In: Settings. Out: a pandas Series, label → number of plays; ``share`` turns it into parts
of 1. Each function is a row of a chart: what it returns is what a pie or bar shows.
Elasticsearch counts what its last refresh saw; ``refresh`` makes that everything written.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from workshop_lib.runtime.connections import elasticsearch
from workshop_lib.settings import Settings

#: More labels than any field that a chart splits has (states, hours, bands).
ALL_LABELS = 200


def refresh(settings: Settings) -> None:
    """Make every document written so far visible to the questions below."""
    elasticsearch(settings).indices.refresh(index=settings.index("*"))


def plays_by(
    settings: Settings,
    field: str,
    size: int = ALL_LABELS,
    query: dict[str, Any] | None = None,
    index: str = "plays",
) -> pd.Series:
    """Plays per label of ``field``, most first, equal ones in the label's order.

    ``query`` is an Elasticsearch query that the plays must match; by default all do.
    """
    answer = elasticsearch(settings).search(
        index=settings.index(index),
        size=0,
        query=query or {"match_all": {}},
        aggs={
            "labels": {
                "terms": {
                    "field": field,
                    "size": size,
                    "order": [{"_count": "desc"}, {"_key": "asc"}],
                }
            }
        },
    )
    buckets = answer["aggregations"]["labels"]["buckets"]
    return pd.Series(
        {bucket["key"]: bucket["doc_count"] for bucket in buckets}, name="plays", dtype="int64"
    ).rename_axis(field)


def share(counts: pd.Series) -> pd.Series:
    """``counts`` as parts of 1; empty stays empty."""
    return (counts / counts.sum()).rename("share") if len(counts) else counts


def busiest_hours(settings: Settings) -> pd.Series:
    """Plays per hour of day, 0–23 UTC, all 24 of them in the day's order."""
    by_hour = plays_by(settings, "hour")
    return by_hour.reindex(range(24), fill_value=0).rename_axis("hour")


def genders(settings: Settings) -> pd.Series:
    return plays_by(settings, "gender")


def age_bands(settings: Settings) -> pd.Series:
    return plays_by(settings, "age_band")


def devices(settings: Settings) -> pd.Series:
    return plays_by(settings, "device")


def levels(settings: Settings) -> pd.Series:
    return plays_by(settings, "level")


def regions(settings: Settings) -> pd.Series:
    """Plays per state of the play's zip, as two letters; ``unknown`` where it has none."""
    return plays_by(settings, "state")


def top_artists(settings: Settings, size: int = 10) -> pd.Series:
    return plays_by(settings, "artist", size)


def top_tracks(settings: Settings, size: int = 10) -> pd.Series:
    """Plays of the most played tracks, by (track id, title): two tracks may share a title."""
    answer = elasticsearch(settings).search(
        index=settings.index("plays"),
        size=0,
        aggs={
            "tracks": {
                "terms": {
                    "field": "track_id",
                    "size": size,
                    "order": [{"_count": "desc"}, {"_key": "asc"}],
                },
                "aggs": {"title": {"terms": {"field": "title", "size": 1}}},
            }
        },
    )
    rows = {
        (bucket["key"], bucket["title"]["buckets"][0]["key"]): bucket["doc_count"]
        for bucket in answer["aggregations"]["tracks"]["buckets"]
    }
    index = pd.MultiIndex.from_tuples(list(rows), names=["track_id", "title"])
    return pd.Series(list(rows.values()), index=index, name="plays", dtype="int64")


def plays_per_minute(settings: Settings, dimension: str = "all") -> pd.DataFrame:
    """The stream's own counts: index = minute (UTC), a column per label, cells = plays.

    A day has 1,440 minutes; a week of them is read in pages, so any span works.
    """
    client = elasticsearch(settings)
    rows: list[dict[str, Any]] = []
    after: list[Any] | None = None
    while True:
        answer = client.search(
            index=settings.index("plays-per-minute"),
            size=10_000,
            query={"term": {"dimension": dimension}},
            sort=[{"minute": "asc"}, {"value": "asc"}],
            search_after=after,
        )
        hits = answer["hits"]["hits"]
        if not hits:
            break
        rows += [hit["_source"] for hit in hits]
        after = hits[-1]["sort"]
    if not rows:
        return pd.DataFrame(columns=["all"] if dimension == "all" else [])
    frame = pd.DataFrame(rows)
    frame["minute"] = pd.to_datetime(frame["minute"], utc=True)
    table = frame.pivot(index="minute", columns="value", values="plays")
    return table.fillna(0).astype("int64")
