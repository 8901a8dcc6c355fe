"""What the live page asks Elasticsearch, as JSON for its server: ``web/server/requests.json``.

In: the charts of the catalogue that the page shows. Out: name → index, time field, the fields by
which a visitor may filter, and the body of ``_search``. The server adds the condition on time and
filters, and the interval of the time chart. The embedded Elasticsearch has no scripts and no
pipeline aggregations, so everything here is terms, dates and filters.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from elasticsearch import dsl
from elasticsearch.dsl import A
from elasticsearch.dsl.aggs import AggBase

from workshop_lib.charts.answers import hours_of_the_calendar
from workshop_lib.charts.catalogue import CHARTS, TIME_FIELD, ChartSpec
from workshop_lib.charts.chart import DateHistogram
from workshop_lib.charts.search import layout
from workshop_lib.charts.time_range import Span
from workshop_lib.schema import names
from workshop_lib.settings import PROJECT

FILE: Final = PROJECT / "web" / "server" / "requests.json"
#: Rows of a list, and the latest plays that tell the delay.
LATEST, DELAYS = 12, 200
LISTENER: Final = ("gender", "level", "state")
#: No request here depends on the time range: the server adds it.
_ALL_TIME: Final = Span(0, 1)


def requests() -> dict[str, Any]:
    plays = dsl.Search()
    lists: dict[str, Any] = {}
    for chart in CHARTS.values():
        if chart.columns and chart.page:
            lists[chart.page] = _request(_latest(chart), chart.index, LISTENER)
        elif chart.page and chart.page not in ("state", "status"):
            _add(plays.aggs, chart)
    # The map shows every state, the chosen one among them.
    states, messages, everything = dsl.Search(), dsl.Search(), dsl.Search()
    _add(states.aggs, CHARTS["live-states"])
    _add(messages.aggs, CHARTS["sms-status"])
    everything.aggs.metric("played", "max", field="played_at")
    everything.aggs.metric("stored", "max", field="processed_at")
    delays = dsl.Search().extra(size=DELAYS).sort("-processed_at")
    trained = dsl.Search().extra(size=1)
    return {
        "plays": _request(plays, names.PLAYS_INDEX, ("device", *LISTENER)),
        "states": _request(states, names.PLAYS_INDEX, ("device", "gender", "level")),
        "everything": _request(everything, names.PLAYS_INDEX),
        "delays": _request(
            delays.source(["played_at", "arrived_at", "processed_at"]), names.PLAYS_INDEX
        ),
        **lists,
        "messages": _request(messages, names.SMS_INDEX),
        "inUse": _request(trained.query("term", current=True), names.MODELS_INDEX),
        "newest": _request(trained.sort("-trained_at"), names.MODELS_INDEX),
    }


def as_json() -> str:
    return layout(requests()) + "\n"


def write(path: Path = FILE) -> Path:
    path.write_text(as_json(), encoding="utf-8")
    return path


def _request(search: dsl.Search, index: str, filters: tuple[str, ...] = ()) -> dict[str, Any]:
    """``filters``: the fields by which the view narrows it, with its time range; none: never."""
    body = {"size": 0, "track_total_hits": True, **search.to_dict()}
    if not filters:
        return {"index": index, "body": body}
    return {"index": index, "time": TIME_FIELD[index], "filters": filters, "body": body}


def _latest(chart: ChartSpec) -> dsl.Search:
    rows = dsl.Search().extra(size=LATEST).sort(f"-{TIME_FIELD[chart.index]}", "-event_id")
    return rows.source(list(chart.columns))


def _add(parent: AggBase[Any], chart: ChartSpec) -> None:
    """The chart's splits inside one another, the first one called as the page calls it."""
    for place, split in enumerate(chart.splits):
        aggregation = split.aggregation(chart.metrics[0], _ALL_TIME)
        if isinstance(split, DateHistogram):
            aggregation = A("date_histogram", field=split.field, min_doc_count=1)
        elif split.field == "hour":
            # The server puts its zone in, and adds up the hours of the same name.
            aggregation = hours_of_the_calendar("UTC")
        parent = parent.bucket(split.field if place else chart.page, aggregation)
    for metric in chart.metrics:
        metric.add_to(parent, "listeners")
