"""Pictures of made-up answers: whatever the numbers and titles are, they can be drawn."""

from __future__ import annotations

import io
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from workshop_lib.charts import saved
from workshop_lib.charts.ask import Answer, Found
from workshop_lib.charts.chart import (
    Chart,
    DateHistogram,
    GeoGrid,
    Histogram,
    Metric,
    Terms,
)
from workshop_lib.charts.explore import html
from workshop_lib.charts.pictures.draw import draw, histogram
from workshop_lib.charts.pictures.maps import state_values, tile_positions
from workshop_lib.charts.pictures.pies import spread
from workshop_lib.charts.pictures.style import Picture, brief
from workshop_lib.charts.search import Filter, Search
from workshop_lib.charts.time_range import INTERVALS, Span
from workshop_lib.errors import WorkshopError
from workshop_lib.settings import Settings
from workshop_lib.world.places import STATE_THOUSANDS

SPAN = Span(1_769_860_800_000, 1_769_871_600_000)
TIMES = pd.date_range("2026-01-31T12:00", periods=3, freq="h", tz="UTC")
HOSTILE = [
    r"$\frac{1}{0}$",
    "$",
    "<script>alert(1)</script>",
    "한국어 노래",
    "a\nb\tc",
    "",
    "x" * 300,
]


def answer(chart: Chart, rows: list[dict]) -> Answer:
    names = [name for name, _ in chart.nested()]
    columns = [*names, "value", "plays"] + (["lat", "lon"] if rows and "lat" in rows[0] else [])
    table = pd.DataFrame(rows, columns=columns)
    return Answer(chart, table, [], Search(), SPAN)


def seen(picture: Picture) -> np.ndarray:
    return imread(io.BytesIO(picture.png))


def row(value: float, **labels: object) -> dict:
    return {**labels, "value": value, "plays": int(value) if value == value else 0}


CHARTS = {
    "pie": (Chart("pie", x=Terms("title")), lambda x: {"x": x}),
    "rings": (
        Chart("pie", x=Terms("title"), split=Terms("title")),
        lambda x: {"x": x, "split": x},
    ),
    "pies": (
        Chart("pie", x=Terms("title"), charts=Terms("title")),
        lambda x: {"x": x, "charts": x},
    ),
    "bar": (Chart("bar", x=Terms("title")), lambda x: {"x": x}),
    "line": (Chart("line", x=Terms("title")), lambda x: {"x": x}),
    "heat map": (
        Chart("heat map", x=Terms("title"), split=Terms("title")),
        lambda x: {"x": x, "split": x},
    ),
    "states": (Chart("map", x=Terms("title")), lambda x: {"x": x}),
    "metric": (Chart("metric", charts=Terms("title")), lambda x: {"charts": x}),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", CHARTS)
def test_hostile_titles_are_drawn_as_they_are(name: str) -> None:
    chart, label = CHARTS[name]
    rows = [row(n + 1, **label(title)) for n, title in enumerate(HOSTILE)]
    titled = Chart(chart.kind, "$x_1$ & <b>", x=chart.x, split=chart.split, charts=chart.charts)
    picture = draw(answer(titled, rows))
    assert seen(picture).std() > 0
    assert r"$\frac{1}{0}$" in picture.alt
    assert "<script" not in picture._repr_html_()
    assert "&lt;script" in picture._repr_html_()


@pytest.mark.parametrize("name", CHARTS)
def test_nothing_is_drawn_as_words_and_said_so(name: str) -> None:
    assert "No results" in draw(answer(CHARTS[name][0], [])).alt


def test_a_value_that_was_not_measured_is_no_zero() -> None:
    chart = Chart("bar", metric=Metric("average", "age"), x=Terms("level"))
    alt = draw(answer(chart, [row(30, x="Gold"), row(float("nan"), x="unknown")])).alt
    assert "Gold: 30" in alt
    assert "unknown: none" in alt


def test_pictures_differ_when_their_numbers_do() -> None:
    """The control of all tests here: a picture that never changes would pass them."""
    for chart, label in CHARTS.values():
        one = draw(answer(chart, [row(1, **label("CA")), row(3, **label("TX"))]))
        other = draw(answer(chart, [row(3, **label("CA")), row(1, **label("TX"))]))
        assert not np.array_equal(seen(one), seen(other)), chart.kind
        assert one.alt != other.alt


def test_charts_over_time_and_numbers_and_on_the_map() -> None:
    times = [row(n, x=when, split=name) for name in ("a", "b") for n, when in enumerate(TIMES)]
    for kind in ("line", "bar", "heat map"):
        chart = Chart(kind, x=DateHistogram(), split=Terms("level"))  # type: ignore[arg-type]
        assert seen(draw(answer(chart, times))).std() > 0
    ages = [row(5, x=10.0), row(9, x=20.0)]
    assert "20: 9" in draw(answer(Chart("bar", x=Histogram("age", 10)), ages)).alt
    cells = [row(5, x="7/1/1", lat=36.6, lon=-83.7), row(2, x="7/2/2", lat=21.3, lon=-157.8)]
    assert "37°N 84°W: 5" in draw(answer(Chart("map", x=GeoGrid()), cells)).alt


def test_the_histogram_marks_the_chosen_bars_and_stands_empty() -> None:
    bars = pd.Series([1, 5, 2], index=TIMES)
    found = Found(8, bars, INTERVALS[8], SPAN, [], [])
    plain, marked = histogram(found), histogram(found, (1, 1))
    assert not np.array_equal(seen(plain), seen(marked))
    assert "8 hits" in plain.alt
    assert "31 Jan 13:00" in plain.alt
    assert found.bar(1) == Span(SPAN.start + 3_600_000, SPAN.start + 7_200_000)
    assert found.bar(1, 2).end == SPAN.end
    nothing = Found(0, bars[:0], INTERVALS[8], SPAN, [], [])
    assert "no results" in histogram(nothing).alt


def test_every_state_has_a_square_of_its_own() -> None:
    places = tile_positions()
    assert set(places) == set(STATE_THOUSANDS)
    assert len(set(places.values())) == len(places) == 51
    assert places["WA"][0] < places["ME"][0]
    assert places["ND"][1] < places["TX"][1]


def test_a_rate_is_per_100_000_residents_and_unknown_is_no_state() -> None:
    table = pd.DataFrame({"x": ["CA", "WY", "unknown"], "value": [39_538, 577, 9]})
    assert state_values(table, rate=True) == {"CA": 100, "WY": 100}
    assert state_values(table, rate=False) == {"CA": 39_538, "WY": 577}


def test_labels_are_pushed_apart_and_keep_their_order() -> None:
    moved = spread([0.0, 0.01, 0.02, 1.0], 0.17)
    assert all(b - a >= 0.17 - 1e-9 for a, b in pairwise(moved))
    assert spread([], 0.1) == []
    assert brief("a\n b") == "a b"
    assert brief("") == "(empty)"
    assert len(brief("x" * 300)) == 26


def test_values_in_tables_are_escaped_and_missing_ones_are_seen() -> None:
    rows = [{"title": "<b>&", "age": None, "is_mobile": False, "zip": ""}]
    shown = html.table(rows, ["title", "age", "is_mobile", "zip"], "1 < 2")
    assert "<b>" not in shown.replace("&lt;b&gt;", "")
    for text in ("&lt;b&gt;&amp;", "–", "false", "(empty)", "1 &lt; 2"):
        assert text in shown
    assert "<i>" not in html.message("<i>") + html.bar("<i>", 0.5)


def test_what_is_saved_comes_back_equal(settings: Settings) -> None:
    chart = Chart("line", "$", Metric("sum", "age"), DateHistogram(), Terms("a", 3, other=True))
    cells = Chart("map", x=GeoGrid(precision=4))
    search = Search("plays-raw", query="x").add(Filter.of("is_mobile", "is not", True))
    assert saved.load(settings) == saved.Saved()
    with saved.changing(settings) as held:
        held.charts |= {"a": saved.SavedChart(chart, search), "b": saved.SavedChart(cells, search)}
        held.searches["s"] = saved.SavedSearch(search, ("zip",))
        held.dashboards["d"] = ["a", "b"]
    assert saved.load(settings) == held
    assert saved.load(settings).charts["a"].search.filters[0].values == (True,)
    with pytest.raises(WorkshopError, match=r"No chart is called 'c'\. Saved: a, b"):
        saved.named("chart", held.charts, "c")
    saved.path(settings).write_text('{"charts": {"a": 5}}')
    with pytest.raises(WorkshopError, match="cannot be read"):
        saved.load(settings)
