"""Questions to Elasticsearch: a search and what to make of it, answered as tables.

In: ``Search`` and ``Chart`` (data), Settings. Out: pandas tables, and every request that was
sent, for whoever wants to send it again. What the server refuses becomes a ``WorkshopError``
of one line.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import pandas as pd
from elasticsearch import ApiError, TransportError

from workshop_lib.charts.chart import (
    Chart,
    DateHistogram,
    GeoGrid,
    Histogram,
    Metric,
    Split,
    Terms,
    aggregations,
)
from workshop_lib.charts.search import Request, Search, bool_query, text
from workshop_lib.charts.time_range import Interval, Span, interval
from workshop_lib.errors import WorkshopError
from workshop_lib.runtime.connections import elasticsearch
from workshop_lib.settings import Settings

OTHER: Final = "Other"
MISSING: Final = "Missing"

Query = dict[str, Any]


@dataclass
class Asker:
    """Sends requests about one search over one span, and keeps them in ``sent``."""

    settings: Settings
    search: Search
    span: Span = field(init=False)
    sent: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.span = self.search.time.span()

    @property
    def query(self) -> Query:
        return self.search.body(self.span)

    def ask(self, bodies: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The answers to ``bodies``, in one call. Raises ``WorkshopError``."""
        index = self.settings.index(self.search.index)
        self.sent += [Request(index, body) for body in bodies]
        lines = [line for body in bodies for line in ({}, body)]
        try:
            found = elasticsearch(self.settings).msearch(index=index, searches=lines)
        except ApiError as error:
            raise WorkshopError(f"Elasticsearch refused the request: {error.message}.") from error
        except TransportError as error:
            where = self.settings.elasticsearch_url
            raise WorkshopError(
                f"Elasticsearch at {where} does not answer.", "Start it with `workshop up`."
            ) from error
        answers: list[dict[str, Any]] = found["responses"]
        for answer in answers:
            if "error" in answer:
                raise _refusal(answer["error"], self.search)
        return answers


def _refusal(error: dict[str, Any], search: Search) -> WorkshopError:
    if error["type"] == "index_not_found_exception":
        return WorkshopError(
            f"There is no index {search.index} yet.", "Ship or stream plays into it first."
        )
    cause = (error.get("root_cause") or [error])[0]
    reason = str(cause.get("reason", error.get("reason"))).splitlines()[0]
    if "Failed to parse query" in reason:
        return WorkshopError(f"Elasticsearch cannot read the query {search.query!r}.")
    return WorkshopError(f"Elasticsearch refused the request: {reason}.")


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
        ends = [*self.histogram.index[1:], None]
        last = first if last is None else last
        end = ends[last]
        until = self.span.end if end is None else _ms(end)
        return Span(max(_ms(self.histogram.index[first]), self.span.start), until)


def find(settings: Settings, search: Search, documents: int = 10) -> Found:
    """Hits, histogram over time, and the newest ``documents``."""
    asker = Asker(settings, search)
    split = DateHistogram(search.time_field)
    (answer,) = asker.ask(
        [
            {
                "size": documents,
                "track_total_hits": True,
                "query": asker.query,
                "sort": [{search.time_field: "desc"}, {"event_id": "desc"}],
                "aggs": {"histogram": split.aggregation(Metric(), asker.span)},
            }
        ]
    )
    buckets = answer["aggregations"]["histogram"]["buckets"]
    when = pd.to_datetime([bucket["key"] for bucket in buckets], unit="ms", utc=True)
    return Found(
        hits=answer["hits"]["total"]["value"],
        histogram=pd.Series([b["doc_count"] for b in buckets], index=when, dtype="int64"),
        interval=interval(asker.span),
        span=asker.span,
        documents=[hit["_source"] for hit in answer["hits"]["hits"]],
        requests=asker.sent,
    )


# Visualize ----------------------------------------------------------------------------


class Part(NamedTuple):
    """A value of a split: how it is called, and what its documents match."""

    label: Any
    clause: Query | None
    without: Query | None = None

    def narrow(self, query: Query) -> Query:
        """``query``, which ``bool_query`` made, for this part alone."""
        parts = query["bool"]
        return bool_query(
            parts["filter"] + ([self.clause] if self.clause else []),
            parts.get("must_not", []) + ([self.without] if self.without else []),
        )


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


class _Open(NamedTuple):
    """A question that is still to be asked: the parts so far, the query, the splits left."""

    path: dict[str, Any]
    query: Query
    splits: list[tuple[str, Split]]
    span: Span


def ask(settings: Settings, search: Search, chart: Chart) -> Answer:
    """The numbers of ``chart`` over ``search``.

    First the nested aggregations as Kibana sends them; then, where values are left over and
    an "Other" part is wanted, the same question about these, as Kibana does, too: an average
    or a unique count of the rest cannot be worked out from the parts.
    """
    asker = Asker(settings, search)
    rows: list[dict[str, Any]] = []
    questions = [_Open({}, asker.query, chart.nested(), asker.span)]
    while questions:
        answers = asker.ask([_body(each, chart.metric, asker.span) for each in questions])
        left: list[_Open] = []
        for question, answer in zip(questions, answers, strict=True):
            top = {"doc_count": answer["hits"]["total"]["value"], **answer.get("aggregations", {})}
            for item in _walk(question, top, chart.metric):
                if isinstance(item, _Open):
                    left.append(item)
                else:
                    rows.append(item)
        questions = left
    columns = [name for name, _ in chart.nested()] + ["value", "plays"]
    table = pd.DataFrame(rows, columns=[*columns, "lat", "lon"] if _mapped(chart) else columns)
    return Answer(chart, _sorted(table, chart), asker.sent, search, asker.span)


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


def _mapped(chart: Chart) -> bool:
    return any(isinstance(split, GeoGrid) for _, split in chart.nested())


def _body(question: _Open, metric: Metric, span: Span) -> dict[str, Any]:
    aggs = aggregations(question.splits, metric, span)
    body = {"size": 0, "track_total_hits": True, "query": question.query}
    return {**body, "aggs": aggs} if aggs else body


def _walk(
    question: _Open, bucket: dict[str, Any], metric: Metric
) -> Iterator[dict[str, Any] | _Open]:
    """The rows below ``bucket``, and the questions about other values that it leaves."""
    path, query, splits, span = question
    if not splits:
        centre = bucket.get("centre", {}).get("location", {})
        yield {**path, "value": metric.value(bucket), "plays": bucket["doc_count"], **centre}
        return
    (name, split), *inner = splits
    buckets = bucket[name]["buckets"]
    parts = _parts(split, buckets, span)
    missing = bucket.get(f"{name}_missing", {"doc_count": 0})
    if missing["doc_count"]:
        buckets = [*buckets, missing]
        parts.append(Part(MISSING, None, _exists(split.field)))
    for part, each in zip(parts, buckets, strict=True):
        below = _Open({**path, name: part.label}, part.narrow(query), inner, span)
        yield from _walk(below, each, metric)
    if isinstance(split, Terms) and split.other and bucket[name]["sum_other_doc_count"]:
        shown = [each["key"] for each in bucket[name]["buckets"]]
        rest = Part(OTHER, _exists(split.field), {"terms": {split.field: shown}})
        yield _Open({**path, name: OTHER}, rest.narrow(query), inner, span)


def _parts(split: Split, buckets: list[dict[str, Any]], span: Span) -> list[Part]:
    """What each of ``buckets`` is called, and how to ask for its documents alone."""
    keys = [bucket["key"] for bucket in buckets]
    if isinstance(split, DateHistogram):
        return [
            Part(pd.Timestamp(start, unit="ms", tz="UTC"), Span(start, end).clause(split.field))
            for start, end in zip(keys, [*keys[1:], span.end], strict=True)
        ]
    if isinstance(split, Histogram):
        return [
            Part(key, {"range": {split.field: {"gte": key, "lt": key + split.step}}})
            for key in keys
        ]
    if isinstance(split, GeoGrid):
        return [Part(key, None) for key in keys]  # nothing is asked within a cell
    values = [value_of(bucket) for bucket in buckets]
    return [Part(text(value), {"term": {split.field: value}}) for value in values]


def value_of(bucket: dict[str, Any]) -> Any:
    """The value of a bucket of ``terms``; a boolean arrives as 0 or 1, with its name."""
    written = bucket.get("key_as_string")
    if written in ("true", "false"):
        return written == "true"
    return bucket["key"] if written is None else written


def _exists(name: str) -> Query:
    return {"exists": {"field": name}}


def _ms(when: pd.Timestamp) -> int:
    return when.value // 1_000_000
