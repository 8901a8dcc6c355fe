"""Kibana's saved objects as Elasticsearch queries, for the tests: what Kibana itself would send.

In: lines of NDJSON, whatever wrote them. Out: a ``Question`` per search that a chart makes:
data view, fields, request body. Nothing here looks at how the NDJSON is made.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

Object = dict[str, Any]

#: Kibana draws about so many bars when the interval is auto; the first of these steps fits
#: whose bound is above span / bars. (bound, step), both in seconds.
BARS = 50
STEPS = (
    (3, 1),
    (7.5, 5),
    (15, 10),
    (45, 30),
    (180, 60),
    (540, 300),
    (1200, 600),
    (2700, 1800),
    (7200, 3600),
    (21600, 10800),
    (86400, 43200),
)
#: Maps asks for tiles so much finer than its zoom when the resolution is coarse.
COARSE = 2


class Span(NamedTuple):
    """A time range, ISO 8601, as Kibana works it out from "now-26h" before it asks."""

    begin: str
    end: str
    seconds: float


class Question(NamedTuple):
    """One search of a saved object. ``fields``: (field, what it is used for)."""

    name: str
    index: str
    time_field: str | None
    where: str
    fields: list[tuple[str, str]]
    body: dict[str, Any]

    def query(self, span: Span | None) -> dict[str, Any]:
        """The query: the object's own and the time range, if the data view has a time."""
        parts = [kql(self.where)] if self.where else []
        if span and self.time_field:
            limits = {"gte": span.begin, "lte": span.end, "format": "strict_date_optional_time"}
            parts.append({"range": {self.time_field: limits}})
        return {"bool": {"filter": parts}}


def kql(text: str) -> dict[str, Any]:
    """The one form of Kibana's query language that is used: ``field : value``."""
    field, value = text.split(" : ")
    return {"bool": {"should": [{"match": {field: value}}], "minimum_should_match": 1}}


def questions(objects: list[Object], span: Span) -> Iterator[Question]:
    """All searches of all objects that make any."""
    views = {each["id"]: each["attributes"] for each in objects if each["type"] == "index-pattern"}
    for each in objects:
        if each["type"] in ("search", "visualization", "map"):
            view = views[data_view_id(each)]
            yield from _TRANSLATE[each["type"]](each, view, span)


def data_view_id(each: Object) -> str:
    (found,) = [ref["id"] for ref in each["references"] if ref["type"] == "index-pattern"]
    return str(found)


def _question(
    each: Object, view: Object, fields: list[tuple[str, str]], body: dict[str, Any]
) -> Question:
    meta = each["attributes"].get("kibanaSavedObjectMeta", {}).get("searchSourceJSON", "{}")
    where = json.loads(meta).get("query", {}).get("query", "")
    time = view.get("timeFieldName")
    used = list(fields)
    if time:
        used.append((time, "time"))
    if where:
        used.append((where.split()[0], "terms"))
    return Question(each["id"], view["title"], time, where, used, body)


def _documents(each: Object, view: Object, span: Span) -> Iterator[Question]:
    columns = each["attributes"]["columns"]
    sort = each["attributes"]["sort"]
    body = {
        "size": 500,
        "fields": columns,
        "_source": False,
        "sort": [{field: {"order": order, "unmapped_type": "boolean"}} for field, order in sort],
    }
    fields = [(name, "column") for name in columns] + [(name, "sort") for name, _ in sort]
    yield _question(each, view, fields, body)


def _visualization(each: Object, view: Object, span: Span) -> Iterator[Question]:
    state = json.loads(each["attributes"]["visState"])
    if state["type"] == "vega":
        sources = json.loads(state["params"]["spec"])["data"]
        for source in (each for each in sources if "url" in each):
            url = source["url"]
            assert (url["index"], url["%context%"]) == (view["title"], True)
            assert url["%timefield%"] == view["timeFieldName"]
            assert source["format"]["property"] == f"aggregations.{source['name']}.buckets"
            yield _question(each, view, list(_used(url["body"]["aggs"])), url["body"])
        return
    enabled = [agg for agg in state["aggs"] if agg["enabled"]]
    fields = [(agg["params"]["field"], agg["type"]) for agg in enabled if agg["type"] != "count"]
    # A pie has a number at each ring, so Kibana asks for the metrics at each level.
    aggs = _nested(enabled, hierarchical=state["type"] == "pie", span=span)
    yield _question(each, view, fields, {"size": 0, "aggs": aggs})


def _used(aggs: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for agg in aggs.values():
        for kind, params in agg.items():
            if kind == "aggs":
                yield from _used(params)
            else:
                yield params["field"], kind


def _map(each: Object, view: Object, span: Span) -> Iterator[Question]:
    zoom = json.loads(each["attributes"]["mapStateJSON"])["zoom"]
    for layer in json.loads(each["attributes"]["layerListJSON"]):
        source = layer["sourceDescriptor"]
        assert (source["type"], source["resolution"]) == ("ES_GEO_GRID", "COARSE")
        assert source["indexPatternRefName"] in {ref["name"] for ref in each["references"]}
        field = source["geoField"]
        grid = {"field": field, "precision": round(zoom) + COARSE, "size": 10000}
        middle = {"gridCentroid": {"geo_centroid": {"field": field}}}
        aggs = {"gridSplit": {"geotile_grid": grid, "aggs": middle}}
        yield _question(each, view, list(_used(aggs)), {"size": 0, "aggs": aggs})


_TRANSLATE = {"search": _documents, "visualization": _visualization, "map": _map}


def _nested(aggs: list[Object], hierarchical: bool, span: Span) -> dict[str, Any]:
    """The aggregations of a visualization: each bucket in the one before it, metrics inside."""
    metrics = [agg for agg in aggs if agg["schema"] == "metric"]
    buckets = [agg for agg in aggs if agg["schema"] != "metric"]
    measured = {
        agg["id"]: {agg["type"]: {"field": agg["params"]["field"]}}
        for agg in metrics
        if agg["type"] != "count"  # every bucket is counted as it is
    }
    if not buckets:
        return measured
    first, *rest = buckets
    kind, params = _bucket(first, {agg["id"]: agg["type"] for agg in metrics}, span)
    inner = _nested([*metrics, *rest], hierarchical, span)
    ordered_by = [name for name in params.get("order", {}) if name in measured]
    inner |= measured if hierarchical else {name: measured[name] for name in ordered_by}
    return {first["id"]: {kind: params, **({"aggs": inner} if inner else {})}}


def _bucket(agg: Object, metrics: dict[str, str], span: Span) -> tuple[str, dict[str, Any]]:
    params, kind = agg["params"], agg["type"]
    if kind == "terms":
        by = params["orderBy"]
        key = "_count" if metrics.get(by) == "count" else by
        order = {key: params["order"]}
        return kind, {"field": params["field"], "size": params["size"], "order": order}
    if kind == "histogram":
        least = 0 if params["min_doc_count"] else 1
        interval = params["interval"]
        return kind, {"field": params["field"], "interval": interval, "min_doc_count": least}
    assert kind == "date_histogram", kind
    step = _interval(params["interval"], span)
    return kind, {"field": params["field"], **step, "time_zone": "UTC", "min_doc_count": 1}


def _interval(text: str, span: Span) -> dict[str, str]:
    if text != "auto":
        return {"calendar_interval": f"1{text}"}
    step = next(step for bound, step in STEPS if span.seconds / BARS < bound)
    return {"fixed_interval": f"{step}s"}
