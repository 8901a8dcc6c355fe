"""A row of the catalogue as a Kibana visualization: ``visState`` with its aggregations and looks.

In: a ``ChartSpec``. Out: ``visState.type``, ``aggs`` and ``params``; each entry of ``aggs`` becomes
one Elasticsearch aggregation. ``templates`` holds what never changes, as Kibana writes it: the
options of each kind, and the two maps, neither of which asks a server outside for a background.
"""

from __future__ import annotations

import json
from pathlib import Path
from string import Template
from typing import Any, Final

from workshop_lib.charts.catalogue import ChartSpec
from workshop_lib.charts.chart import DateHistogram, Histogram, Metric, Split, Terms
from workshop_lib.schema import names

TEMPLATES: Final = Path(__file__).with_name("templates")

#: What is counted, per index.
COUNTED: Final = {
    names.PLAYS_RAW_INDEX: "Plays",
    names.PLAYS_INDEX: "Plays",
    names.INTERESTS_INDEX: "Interests",
    names.MODELS_INDEX: "Models",
    names.TARGETS_INDEX: "Offers",
    names.SMS_INDEX: "Messages",
}
#: The explorer's word → Kibana's
METRICS: Final = {"average": "avg", "unique count": "cardinality"}
INTERVALS: Final = {"hour": "h"}
#: Metrics and fields whose label is not their own name.
LABELS: Final = {
    "sum plays": "Plays",
    "max score": "Highest score",
    "unique count customer_id": "Listeners",
    "unique count track_id": "Tracks",
    "unique count artist": "Artists",
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


#: Kinds with axes, which share a template.
WITH_AXES: Final = ("bars", "rows", "line")


def template(name: str, **values: str) -> Any:
    """``templates/<name>.json`` with ``values`` in place of ``${…}``."""
    text = (TEMPLATES / f"{name}.json").read_text(encoding="utf-8")
    return json.loads(Template(text).safe_substitute(values))


def vis_state(chart: ChartSpec) -> dict[str, Any]:
    kind = chart.form
    metrics = [_metric(chart, each, n) for n, each in enumerate(chart.metrics, 1)]
    schemas = [kind.schemas[min(n, len(kind.schemas) - 1)] for n in range(len(chart.splits))]
    splits = list(zip(chart.splits, schemas, strict=True))
    if chart.charts:
        splits.insert(0, (chart.charts, "split"))
    buckets = [
        _bucket(split, n, schema) for n, (split, schema) in enumerate(splits, len(metrics) + 1)
    ]
    params = template("axes" if chart.kind in WITH_AXES else chart.kind)
    if chart.kind in WITH_AXES:
        _set_axes(params, chart, metrics)
    return {"type": kind.vis_type, "aggs": metrics + buckets, "params": params}


def label(name: str) -> str:
    return LABELS.get(name) or name.replace("_", " ").capitalize()


def _agg(number: int, kind: str, schema: str, params: dict[str, Any]) -> dict[str, Any]:
    return {"id": str(number), "enabled": True, "type": kind, "schema": schema, "params": params}


def _metric(chart: ChartSpec, metric: Metric, number: int) -> dict[str, Any]:
    how, field = metric.aggregation, metric.field
    if field is None:
        return _agg(number, how, "metric", {"customLabel": COUNTED[chart.index]})
    params = {"field": field, "customLabel": label(f"{how} {field}")}
    return _agg(number, METRICS.get(how, how), "metric", params)


def _bucket(split: Split, number: int, schema: str) -> dict[str, Any]:
    params: dict[str, Any] = {"field": split.field, "customLabel": label(split.field)}
    if isinstance(split, DateHistogram):
        kind = "date_histogram"
        params |= {
            "interval": INTERVALS.get(split.interval, split.interval),
            "useNormalizedEsInterval": True,
            "scaleMetricValues": False,
            "drop_partials": False,
            "min_doc_count": 1,
            "extended_bounds": {},
        }
    elif isinstance(split, Histogram):
        kind = "histogram"
        params |= {
            "interval": int(split.step) if split.step == int(split.step) else split.step,
            "min_doc_count": False,
            "has_extended_bounds": False,
            "extended_bounds": {"min": "", "max": ""},
        }
    else:
        assert isinstance(split, Terms)
        kind = "terms"
        by_label = split.order == "alphabetical"
        params |= {
            "orderBy": "_key" if by_label else "1",
            "order": "asc" if by_label else "desc",
            "size": split.size,
            "otherBucket": False,
            "otherBucketLabel": "Other",
            "missingBucket": False,
            "missingBucketLabel": "Missing",
        }
    if schema == "split":
        params["row"] = False  # small charts side by side
    return _agg(number, kind, schema, params)


def _set_axes(params: dict[str, Any], chart: ChartSpec, metrics: list[dict[str, Any]]) -> None:
    """What differs among charts with axes: upright or lying, lines or bars, titles, the limit."""
    upright, line = chart.kind != "rows", chart.kind == "line"
    series = "line" if line else "histogram"
    named = {each["id"]: each["params"]["customLabel"] for each in metrics}
    (category,), (value,) = params["categoryAxes"], params["valueAxes"]
    category["position"], value["position"] = ("bottom", "left") if upright else ("left", "bottom")
    category["title"]["text"] = label(chart.splits[0].field)
    value["title"]["text"] = ", ".join(named.values())
    value["name"] = "LeftAxis-1" if upright else "BottomAxis-1"
    value["labels"]["filter"] = not upright
    params["type"] = series
    params["addLegend"] = len(chart.splits) > 1 or len(named) > 1
    (one,) = params["seriesParams"]
    one |= {"type": series, "mode": "normal" if line else "stacked", "showCircles": line}
    params["seriesParams"] = [
        one | {"data": {"id": number, "label": name}} for number, name in named.items()
    ]
    if chart.limit is not None:
        params["thresholdLine"] |= {"show": True, "value": chart.limit}
