"""The catalogue of charts, and what is made from it for the live page."""

from __future__ import annotations

import json

import pytest

from workshop_lib.charts import page_requests
from workshop_lib.charts.catalogue import CHARTS, TIME_FIELD, ChartSpec
from workshop_lib.charts.chart import Histogram, Metric, Terms
from workshop_lib.schema.tables import INDICES

FIELDS = [
    pytest.param(chart, field, id=f"{chart.name}-{field}")
    for chart in CHARTS.values()
    for field in [
        *chart.columns,
        *(each.field for each in (*chart.splits, chart.charts, *chart.metrics) if each),
    ]
    if field
]


@pytest.mark.parametrize(("chart", "field"), FIELDS)
def test_each_chart_names_fields_of_its_index(chart: ChartSpec, field: str) -> None:
    assert field in INDICES[chart.index]


def test_every_index_has_a_time_or_is_known_to_have_none() -> None:
    assert set(TIME_FIELD) == set(INDICES)


@pytest.mark.parametrize("chart", [c for c in CHARTS.values() if not c.columns], ids=str)
def test_the_explorer_can_draw_every_chart(chart: ChartSpec) -> None:
    assert chart.chart().title == chart.title


def test_a_row_says_what_it_says() -> None:
    assert CHARTS["trend-by-artist"].splits[1] == Terms("artist", 5)
    assert CHARTS["ages"].splits == (Histogram("age", 5), Terms("gender", 100, "alphabetical"))
    assert CHARTS["age-per-device"].charts == Terms("device", 100, "alphabetical")
    assert CHARTS["target-listeners"].metrics == (Metric("max", "score"), Metric())
    assert CHARTS["model-error"].limit == 0.1
    assert CHARTS["interest-log"].columns == ("customer_id", "title", "artist", "state")


def test_the_requests_of_the_page_are_those_of_the_catalogue() -> None:
    text = page_requests.FILE.read_text(encoding="utf-8")
    assert text == page_requests.as_json(), "run `make kibana`"
    requests = json.loads(text)
    asked = {name for each in requests.values() for name in each["body"].get("aggs", {})}
    shown = {chart.page for chart in CHARTS.values() if chart.page}
    assert shown <= asked | set(requests)
