"""A search and what to make of it, sent to Elasticsearch; the answers as tables.

In: ``Search`` and ``Chart`` (data), Settings. Out: pandas tables, and every request that was
sent, so that a learner can send it again. What the server refuses becomes a ``WorkshopError``
of one line.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import pandas as pd
from elasticsearch import ApiError, TransportError, dsl
from elasticsearch.dsl import Q
from elasticsearch.dsl.query import Query

from workshop_lib.charts.chart import (
    Chart,
    DateHistogram,
    GeoGrid,
    Histogram,
    Metric,
    Split,
    Terms,
    hours_of_day,
    nest,
)
from workshop_lib.charts.search import Request, Search, text
from workshop_lib.charts.time_range import Interval, Span, interval
from workshop_lib.errors import WorkshopError
from workshop_lib.runtime.connections import elasticsearch
from workshop_lib.runtime.refusal import refused
from workshop_lib.settings import Settings

OTHER: Final = "Other"
MISSING: Final = "Missing"


def send(
    settings: Settings, search: Search, searches: list[dsl.Search]
) -> tuple[list[dict[str, Any]], list[Request]]:
    """The answers to ``searches`` on the index of ``search``, in one call; what was sent.

    Raises ``WorkshopError``.
    """
    index = settings.index(search.index)
    multi = dsl.MultiSearch(using=elasticsearch(settings), index=index)
    for each in searches:
        multi = multi.add(each)
    try:
        found = [answer.to_dict() for answer in multi.execute()]
    except ApiError as error:
        raise refused(settings, error) or _refusal(error, search) from error
    except TransportError as error:
        where = settings.elasticsearch_url
        raise WorkshopError(
            f"Elasticsearch at {where} does not answer.", "Start it with `workshop up`."
        ) from error
    return found, [Request(index, each.to_dict()) for each in searches]


def counting(query: Query) -> dsl.Search:
    """A search that counts all documents that match ``query``, and returns none."""
    return dsl.Search().query(query).extra(size=0, track_total_hits=True)


def _refusal(error: ApiError, search: Search) -> WorkshopError:
    body = error.body.get("error") if isinstance(error.body, dict) else None
    if not isinstance(body, dict):
        return WorkshopError(f"Elasticsearch refused the request: {error.message}.")
    if body["type"] == "index_not_found_exception":
        return no_index(search.index)
    cause = (body.get("root_cause") or [body])[0]
    reason = str(cause.get("reason", body.get("reason"))).splitlines()[0]
    if "Failed to parse query" in reason:
        return WorkshopError(f"Elasticsearch cannot read the query {search.query!r}.")
    return WorkshopError(f"Elasticsearch refused the request: {reason}.")


def no_index(index: str) -> WorkshopError:
    return WorkshopError(f"There is no index {index} yet.", "Ship or stream plays into it first.")


# Discover -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Found:
    """What Discover shows. ``histogram``: hits by the start of each bar; ``documents``: the
    newest, as they are."""

    hits: int
    histogram: pd.Series
    interval: Interval
    span: Span
    documents: list[dict[str, Any]]
    requests: list[Request]

    def bar(self, first: int, last: int | None = None) -> Span:
        """The span of bar number ``first`` (to ``last``), within the range that is shown."""
        starts = [start.value // 1_000_000 for start in self.histogram.index]
        ends = [*starts[1:], self.span.end]
        end = ends[first if last is None else last]
        return Span(max(starts[first], self.span.start), end, self.span.zone)


def find(settings: Settings, search: Search, documents: int = 10) -> Found:
    """Hits, histogram over time, and the newest ``documents``."""
    span = search.time.span()
    request = counting(search.query_over(span)).extra(size=documents)
    request = request.sort(f"-{search.time_field}", "-event_id")
    request.aggs.bucket("histogram", DateHistogram(search.time_field).aggregation(Metric(), span))
    (answer,), sent = send(settings, search, [request])
    buckets = answer["aggregations"]["histogram"]["buckets"]
    keys = [bucket["key"] for bucket in buckets]
    when = pd.to_datetime(keys, unit="ms", utc=True).tz_convert(span.zone)
    return Found(
        hits=answer["hits"]["total"]["value"],
        histogram=pd.Series([b["doc_count"] for b in buckets], index=when, dtype="int64"),
        interval=interval(span),
        span=span,
        documents=[hit["_source"] for hit in answer["hits"]["hits"]],
        requests=sent,
    )


# Visualize ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """A chart's numbers: a row per part, with a column per split (``charts``, ``x``,
    ``split``), ``value`` (the metric), ``plays`` (documents) and, on a map, ``lat``/``lon``."""

    chart: Chart
    table: pd.DataFrame
    requests: list[Request]
    search: Search
    span: Span

    @property
    def total(self) -> float:
        return float(self.table["value"].sum())


class _Part(NamedTuple):
    """Part of a chart: its labels so far (column → label), the query that its documents match,
    and the splits that are still to be made."""

    labels: dict[str, Any]
    query: Query
    splits: list[tuple[str, Split]]

    def narrowed(self, label: Any, must: Query | None, must_not: Query | None = None) -> _Part:
        """The part within this one that is called ``label``."""
        (name, _), *inner = self.splits
        query = self.query & Q(
            "bool", filter=[must] if must else [], must_not=[must_not] if must_not else []
        )
        return _Part({**self.labels, name: label}, query, inner)


def ask(settings: Settings, search: Search, chart: Chart) -> Answer:
    """The numbers of ``chart`` over ``search``.

    First the nested aggregations as Kibana sends them; then, where values are left over and
    an "Other" part is wanted, the same question about these, as Kibana does, too: an average
    or a unique count of the rest cannot be worked out from the parts.
    """
    span = search.time.span()
    rows: list[dict[str, Any]] = []
    sent: list[Request] = []
    parts = [_Part({}, search.query_over(span), chart.nested())]
    while parts:
        answers, requests = send(settings, search, [_request(p, chart.metric, span) for p in parts])
        sent += requests
        left: list[_Part] = []
        for part, answer in zip(parts, answers, strict=True):
            top = {"doc_count": answer["hits"]["total"]["value"], **answer.get("aggregations", {})}
            for item in _walk(part, top, chart.metric, span):
                if isinstance(item, _Part):
                    left.append(item)
                else:
                    rows.append(item)
        parts = left
    columns = [name for name, _ in chart.nested()] + ["value", "plays"]
    columns += ["lat", "lon"] if isinstance(chart.x, GeoGrid) else []
    return Answer(chart, _sorted(pd.DataFrame(rows, columns=columns), chart), sent, search, span)


def _request(part: _Part, metric: Metric, span: Span) -> dsl.Search:
    request = counting(part.query)
    if part.splits:
        nest(request.aggs, part.splits, metric, span)
    else:
        metric.add_to(request.aggs)
    return request


def _sorted(table: pd.DataFrame, chart: Chart) -> pd.DataFrame:
    """Parts of one whole side by side, in the order of the answer; the rest comes last."""
    names = [name for name, _ in chart.nested()]
    if not names:
        return table
    last = {OTHER: len(table), MISSING: len(table) + 1}

    def rank(column: pd.Series) -> pd.Series:
        places = {label: place for place, label in enumerate(dict.fromkeys(column))}
        return column.map(places | last)

    return table.sort_values(names, key=rank, kind="stable", ignore_index=True)


def _walk(
    part: _Part, bucket: dict[str, Any], metric: Metric, span: Span
) -> Iterator[dict[str, Any] | _Part]:
    """The rows below ``bucket``, and the parts of other values that are still to be asked for."""
    if not part.splits:
        centre = bucket.get("centre", {}).get("location", {})
        yield {**part.labels, "value": metric.value(bucket), "plays": bucket["doc_count"], **centre}
        return
    name, split = part.splits[0]
    buckets = bucket[name]["buckets"]
    if isinstance(buckets, dict):  # of named filters
        buckets = [each for _, each in sorted(buckets.items())]
    for (label, query), each in zip(_labels(split, buckets, span), buckets, strict=True):
        yield from _walk(part.narrowed(label, query), each, metric, span)
    exists = Q("exists", field=split.field)
    missing = bucket.get(f"{name}_missing", {"doc_count": 0})
    if missing["doc_count"]:
        yield from _walk(part.narrowed(MISSING, None, exists), missing, metric, span)
    if isinstance(split, Terms) and split.other and bucket[name]["sum_other_doc_count"]:
        shown = [each["key"] for each in buckets]
        yield part.narrowed(OTHER, exists, Q("terms", **{split.field: shown}))


def _labels(
    split: Split, buckets: list[dict[str, Any]], span: Span
) -> list[tuple[Any, Query | None]]:
    """What each of ``buckets`` is called, and the query that its documents alone match."""
    if isinstance(split, Histogram) and split.by_the_clock(span):
        return list(enumerate(hours_of_day(span)))
    keys = [bucket["key"] for bucket in buckets]
    if isinstance(split, DateHistogram):
        return [
            (
                pd.Timestamp(start, unit="ms", tz="UTC").tz_convert(span.zone),
                Span(start, end).query(split.field),
            )
            for start, end in zip(keys, [*keys[1:], span.end], strict=True)
        ]
    if isinstance(split, Histogram):
        return [
            (key, Q("range", **{split.field: {"gte": key, "lt": key + split.step}})) for key in keys
        ]
    if isinstance(split, GeoGrid):
        return [(key, None) for key in keys]  # nothing is asked within a cell
    values = [bucket_value(bucket) for bucket in buckets]
    return [(text(value), Q("term", **{split.field: value})) for value in values]


def bucket_value(bucket: dict[str, Any]) -> Any:
    """The value of a bucket of ``terms``; a boolean arrives as 0 or 1, with its name."""
    written = bucket.get("key_as_string")
    if written in ("true", "false"):
        return written == "true"
    return bucket["key"] if written is None else written
