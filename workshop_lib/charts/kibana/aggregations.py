"""The words of a chart's row → the metrics and buckets of a Kibana visualization.

In: "artist top 5", "average error", … Out: the entries of ``visState.aggs``, each of which
Kibana turns into one Elasticsearch aggregation.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from workshop_lib.charts.kibana.charts import Chart
from workshop_lib.schema.tables import INDICES

#: More labels than any field has that is split without "top": states, bands, versions.
ALL_LABELS: Final = 100

#: What is counted, per index.
COUNTED: Final = {
    "plays-raw": "Plays",
    "plays": "Plays",
    "plays-per-minute": "Counts",
    "interests": "Interests",
    "models": "Models",
    "targets": "Offers",
    "sms": "Messages",
}
METRICS: Final = {"sum": "sum", "average": "avg", "highest": "max", "unique": "cardinality"}
LABELS: Final = {
    "sum plays": "Plays",
    "unique customer_id": "Listeners",
    "unique track_id": "Tracks",
    "unique artist": "Artists",
    "age_band": "Age",
    "customer_id": "Listener",
    "hour": "Hour of day, UTC",
    "interested_at": "Time",
    "is_mobile": "Mobile",
    "minute": "Time",
    "played_at": "Time",
    "track_id": "Track",
    "updated_at": "Time",
}


class Split(NamedTuple):
    """One bucket: ``how`` is "", "top", "by" or "every", and ``what`` the word after it."""

    field: str
    how: str = ""
    what: str = ""


def split(text: str) -> Split:
    return Split(*text.split())


def label(text: str) -> str:
    return LABELS.get(text) or text.replace("_", " ").capitalize()


def metric(chart: Chart, number: int) -> dict[str, Any]:
    """The chart's metric of that number, counted from 0; its id is one more."""
    how, _, field = chart.metrics[number].partition(" ")
    params: dict[str, Any] = (
        {"customLabel": COUNTED[chart.reads]}
        if how == "count"
        else {"field": field, "customLabel": label(chart.metrics[number])}
    )
    return _agg(number + 1, METRICS.get(how, "count"), "metric", params)


def bucket(chart: Chart, text: str, number: int, schema: str) -> dict[str, Any]:
    """The bucket that ``text`` says; ``schema`` is its place in the chart, as Kibana calls it."""
    field, how, what = split(text)
    time = INDICES[chart.reads][field] == "timestamp"
    if how == "every":
        kind, params = ("date_histogram", _times(what)) if time else ("histogram", _ranges(what))
    else:
        kind, params = "terms", _terms(how, what)
    params |= {"field": field, "customLabel": label(field)}
    if schema == "split":
        params["row"] = False  # small charts side by side
    return _agg(number, kind, schema, params)


def _agg(number: int, kind: str, schema: str, params: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": str(number),
        "enabled": True,
        "type": kind,
        "schema": schema,
        "params": params,
    }


def _times(interval: str) -> dict[str, Any]:
    return {
        "interval": interval,
        "useNormalizedEsInterval": True,
        "scaleMetricValues": False,
        "drop_partials": False,
        "min_doc_count": 1,
        "extended_bounds": {},
    }


def _ranges(interval: str) -> dict[str, Any]:
    width = float(interval)
    return {
        "interval": int(width) if width.is_integer() else width,
        "min_doc_count": False,
        "has_extended_bounds": False,
        "extended_bounds": {"min": "", "max": ""},
    }


def _terms(how: str, what: str) -> dict[str, Any]:
    by_label = how == "by"
    return {
        "orderBy": "_key" if by_label else "1",
        "order": "asc" if by_label else "desc",
        "size": int(what) if how == "top" else ALL_LABELS,
        "otherBucket": False,
        "otherBucketLabel": "Other",
        "missingBucket": False,
        "missingBucketLabel": "Missing",
    }
