"""Searches and charts as data: what is asked, without a server."""

from __future__ import annotations

import json

import pytest
from elasticsearch import dsl

from workshop_lib.charts.chart import (
    Chart,
    DateHistogram,
    GeoGrid,
    Metric,
    Terms,
    nest,
)
from workshop_lib.charts.explore.history import History
from workshop_lib.charts.explore.search_bar import parse_value
from workshop_lib.charts.search import OPERATORS, Filter, Request, Search
from workshop_lib.charts.time_range import Span, TimeRange
from workshop_lib.errors import WorkshopError

SPAN = Span(0, 86_400_000)


def test_a_search_is_its_time_range_its_query_and_every_enabled_filter() -> None:
    search = Search(query="title:a*").add(
        Filter.of("device", "is", "mobile"),
        Filter.of("level", "is not one of", "Free", "Gold"),
        Filter.of("age", "is between", 20, 30),
        Filter.of("location", "does not exist"),
        Filter("gender", ("male",), enabled=False),
    )
    assert search.query_over(SPAN).to_dict() == {
        "bool": {
            "filter": [
                {
                    "range": {
                        "played_at": {
                            "gte": "1970-01-01T00:00:00.000Z",
                            "lt": "1970-01-02T00:00:00.000Z",
                        }
                    }
                },
                {"query_string": {"query": "title:a*"}},
                {"term": {"device": "mobile"}},
                {"range": {"age": {"gte": 20, "lt": 30}}},
            ],
            "must_not": [
                {"terms": {"level": ["Free", "Gold"]}},
                {"exists": {"field": "location"}},
            ],
        }
    }


def test_a_pill_says_what_it_does() -> None:
    assert str(Filter.of("device", "is not", "pc")) == "NOT device: pc"
    assert str(Filter.of("zip", "is", "")) == "zip: (empty)"
    assert str(Filter.of("is_mobile", "is", True)) == "is_mobile: true"
    assert str(Filter.of("state", "is one of", "CA", "TX")) == "state: one of CA, TX"
    assert str(Filter.of("age", "does not exist")) == "NOT age: exists"


def test_pills_are_added_once_changed_and_removed() -> None:
    one, other = Filter.of("a", "is", 1), Filter.of("b", "is", 2)
    search = Search().add(one, other).add(one)
    assert search.filters == (one, other)
    assert str(search.change(1, exclude=True).filters[1]) == "NOT b: 2"
    assert search.change(0, enabled=False).filters[0].enabled is False
    assert search.without(0).filters == (other,)


@pytest.mark.parametrize("words", OPERATORS)
def test_a_filter_with_the_wrong_number_of_values_is_refused(words: str) -> None:
    wrong = (1,) if "exist" in words else ()
    with pytest.raises(WorkshopError, match="needs"):
        Filter.of("age", words, *wrong)


def test_a_value_is_what_its_field_holds() -> None:
    assert parse_value("True", "boolean") is True
    assert (parse_value("7", "number"), parse_value("7.5", "number")) == (7, 7.5)
    assert parse_value("02139", "keyword") == "02139"
    for word, kind in (("yes", "boolean"), ("many", "number")):
        with pytest.raises(WorkshopError, match=repr(word)):
            parse_value(word, kind)


def test_a_request_can_be_pasted_into_dev_tools() -> None:
    body = {"query": {"term": {"title": 'a "quoted" $title$ <b>'}}, "size": 0, "none": []}
    first, rest = Request("ns-plays", body).console().split("\n", 1)
    assert first == "GET ns-plays/_search"
    assert json.loads(rest) == body
    deep = (
        Search()
        .add(*(Filter.of("zip", "is", str(n)) for n in range(50)))
        .query_over(SPAN)
        .to_dict()
    )
    assert json.loads(Request("x", deep).console().split("\n", 1)[1]) == deep
    assert max(len(line) for line in Request("x", deep).console().split("\n")) <= 100


def test_splits_lie_inside_one_another_in_the_order_of_the_chart() -> None:
    chart = Chart(
        "line",
        metric=Metric("average", "age"),
        x=DateHistogram(interval="hour"),
        split=Terms("device", 3, missing=True),
        charts=Terms("level"),
    )
    request = dsl.Search()
    nest(request.aggs, chart.nested(), chart.metric, SPAN)
    found = request.to_dict()["aggs"]
    level = found["charts"]
    assert level["terms"]["field"] == "level"
    assert level["terms"]["order"] == [{"metric": "desc"}, {"_key": "asc"}]
    device = level["aggs"]["split"]
    assert (device["terms"]["field"], device["terms"]["size"]) == ("device", 3)
    time = device["aggs"]["x"]["date_histogram"]
    assert (time["fixed_interval"], time["min_doc_count"]) == ("1h", 0)
    assert device["aggs"]["x"]["aggs"] == {"metric": {"avg": {"field": "age"}}}
    assert level["aggs"]["split_missing"]["missing"] == {"field": "device"}
    assert level["aggs"]["split_missing"]["aggs"] == device["aggs"]


@pytest.mark.parametrize(
    ("kind", "rest", "why"),
    [
        (
            "pie",
            {"metric": Metric("average", "age"), "x": Terms("level")},
            "add up to a whole",
        ),
        ("pie", {}, "needs a field"),
        ("heat map", {"x": Terms("level")}, "Y-axis"),
        ("bar", {"x": GeoGrid()}, "Only a map"),
        ("line", {"x": DateHistogram(), "split": GeoGrid()}, "Only a map"),
    ],
)
def test_a_chart_that_would_say_nothing_is_refused(kind: str, rest: dict, why: str) -> None:
    with pytest.raises(WorkshopError, match=why):
        Chart(kind, **rest)  # type: ignore[arg-type]


def test_a_metric_needs_its_field_and_count_has_none() -> None:
    assert str(Metric()) == "Count"
    assert str(Metric("unique count", "customer_id")) == "Unique count of customer_id"
    for wrong in (("average", None), ("count", "age")):
        with pytest.raises(WorkshopError):
            Metric(*wrong)  # type: ignore[arg-type]
    assert Metric("average", "age").value({"metric": {"value": None}}) != 0  # not a number


def test_back_and_forward_and_a_new_way_forgets_what_was_ahead() -> None:
    history: History[TimeRange] = History()
    a, b, c = (TimeRange(f"now-{n}h") for n in (1, 2, 3))
    for state in (a, b, b, c):
        history.visit(state)
    assert (history.back(), history.back(), history.back()) == (b, a, a)
    assert not history.can_go_back
    assert history.forward() == b
    history.visit(a)
    assert not history.can_go_forward
    assert history.states == [a, b, a]
