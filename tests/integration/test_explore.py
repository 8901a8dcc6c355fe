"""The explorer on real Elasticsearch, over a world whose answers are in the ledger."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from explore_world import FROM, TO, index, known_plays

from workshop_lib.charts.ask import MISSING, OTHER, Answer, ask, find
from workshop_lib.charts.chart import (
    Chart,
    DateHistogram,
    GeoGrid,
    Histogram,
    Metric,
    Terms,
)
from workshop_lib.charts.explore.dashboard import Dashboard
from workshop_lib.charts.explore.discover import Discover
from workshop_lib.charts.explore.visualize import Visualize
from workshop_lib.charts.fields import fields, top_values
from workshop_lib.charts.pictures.draw import draw
from workshop_lib.charts.search import Filter, Search
from workshop_lib.charts.time_range import TimeRange
from workshop_lib.errors import WorkshopError
from workshop_lib.runtime import connections
from workshop_lib.settings import Settings
from workshop_lib.stack.reset import reset

pytestmark = pytest.mark.stack

ALL = Search("plays", TimeRange(FROM, TO))


@pytest.fixture(scope="module")
def shown(running_stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of a stack whose index ``plays`` holds the sample world."""
    settings = running_stack.model_copy(
        update={
            "home": tmp_path_factory.mktemp("explore"),
            "namespace": f"t{uuid.uuid4().hex[:8]}-",
        }
    )
    index(settings, known_plays())
    yield settings
    reset(settings)


def counts(answer: Answer) -> dict[tuple, float]:
    names = [name for name, _ in answer.chart.nested()]
    return {tuple(row[n] for n in names): row["value"] for _, row in answer.table.iterrows()}


# Pies ---------------------------------------------------------------------------------


def test_the_largest_the_others_and_the_missing_are_all_there_is(shown: Settings) -> None:
    chart = Chart("pie", x=Terms("age", 3, other=True, missing=True))
    answer = ask(shown, ALL, chart)
    truth = known_plays()["age"].value_counts()
    top = sorted(truth.items(), key=lambda item: (-item[1], item[0]))[:3]
    missing = int(known_plays()["age"].isna().sum())
    assert missing > 0
    assert counts(answer) == {
        **{(str(age),): n for age, n in top},
        (OTHER,): len(known_plays()) - missing - sum(n for _, n in top),
        (MISSING,): missing,
    }
    assert answer.total == len(known_plays())
    without = ask(shown, ALL, replace(chart, x=Terms("age", 3)))
    assert without.total < len(known_plays()), "the control: without the two, plays are not seen"


def test_a_second_ring_and_several_charts_are_the_same_numbers(shown: Settings) -> None:
    truth = known_plays().groupby(["level", "device"]).size().to_dict()
    rings = ask(shown, ALL, Chart("pie", x=Terms("level"), split=Terms("device")))
    charts = ask(shown, ALL, Chart("pie", charts=Terms("level"), x=Terms("device")))
    assert counts(rings) == counts(charts) == truth


def test_others_within_others_add_up(shown: Settings) -> None:
    chart = Chart("pie", x=Terms("state", 2, other=True), split=Terms("artist", 2, other=True))
    answer = ask(shown, ALL, chart)
    assert answer.total == len(known_plays())
    states = known_plays()["state"].value_counts().sort_index().sort_values(kind="stable")
    rest = known_plays()[~known_plays()["state"].isin(states.index[-2:])]
    within = answer.table[answer.table["x"] == OTHER]
    assert within["value"].sum() == len(rest)
    assert OTHER in set(within["split"])
    for state in states.index[-2:]:
        part = answer.table[answer.table["x"] == state]
        assert part["value"].sum() == states[state]


def test_a_day_as_the_outer_split_keeps_its_others_within_the_day(shown: Settings) -> None:
    chart = Chart("bar", x=Terms("state", 1, other=True), charts=DateHistogram(interval="day"))
    answer = ask(shown, ALL, chart)
    by_day = answer.table.groupby("charts")["value"].sum()
    assert (
        by_day.to_dict()
        == known_plays().groupby(known_plays()["when"].dt.floor("D")).size().to_dict()
    )


def test_an_average_and_a_unique_count_of_the_others_are_asked_not_guessed(
    shown: Settings,
) -> None:
    for metric, truth in (
        (Metric("unique count", "customer_id"), lambda rows: rows["customer_id"].nunique()),
        (Metric("average", "age"), lambda rows: rows["age"].mean()),
        (Metric("sum", "age"), lambda rows: rows["age"].sum()),
        (Metric("max", "age"), lambda rows: rows["age"].max()),
    ):
        answer = ask(shown, ALL, Chart("bar", metric=metric, x=Terms("device", 1, other=True)))
        (name, value), (_, rest) = [(row["x"], row["value"]) for _, row in answer.table.iterrows()]
        chosen = known_plays()["device"] == name
        assert value == pytest.approx(float(truth(known_plays()[chosen])))
        assert rest == pytest.approx(float(truth(known_plays()[~chosen])))


def test_unknown_is_a_label_and_missing_is_none(shown: Settings) -> None:
    labelled = counts(ask(shown, ALL, Chart("bar", x=Terms("age_band", 20, missing=True))))
    assert labelled["unknown",] == known_plays()["age"].isna().sum()
    assert (MISSING,) not in labelled
    assert (MISSING,) in counts(ask(shown, ALL, Chart("bar", x=Terms("age", 20, missing=True))))


# Lines and the others -----------------------------------------------------------------


def test_split_lines_add_up_to_the_line(shown: Settings) -> None:
    hourly = DateHistogram(interval="hour")
    line = ask(shown, ALL, Chart("line", x=hourly))
    split = ask(shown, ALL, Chart("line", x=hourly, split=Terms("level", 2, other=True)))
    together = split.table.groupby("x")["value"].sum()
    assert together.to_dict() == line.table.set_index("x")["value"].to_dict()
    assert line.table["x"].tolist() == list(pd.date_range(FROM, TO, freq="h", tz="UTC")[:-1])
    truth = known_plays().groupby(known_plays()["when"].dt.floor("h")).size()
    assert line.table.set_index("x")["value"].loc[truth.index].tolist() == truth.tolist()
    assert len(truth) < len(line.table), "there are empty hours, and they are shown as 0"


def test_the_five_largest_are_those_of_the_whole_range(shown: Settings) -> None:
    chart = Chart("line", x=DateHistogram(interval="hour"), split=Terms("artist", 5))
    artists = set(ask(shown, ALL, chart).table["split"])
    truth = known_plays()["artist"].value_counts()
    assert len(artists) == 5
    assert min(truth[a] for a in artists) >= truth[~truth.index.isin(artists)].max()


def test_steps_of_a_number_and_a_median(shown: Settings) -> None:
    by_decade = counts(ask(shown, ALL, Chart("bar", x=Histogram("age", 10))))
    ages = known_plays()["age"].dropna()
    decades = {(key,): n for key, n in (ages // 10 * 10).value_counts().items()}
    assert {key: n for key, n in by_decade.items() if n} == decades
    (middle,) = ask(shown, ALL, Chart("metric", metric=Metric("median", "age"))).table["value"]
    assert abs(middle - ages.median()) <= 1


def test_a_map_shows_every_play_that_has_a_place(shown: Settings) -> None:
    answer = ask(shown, ALL, Chart("map", x=GeoGrid(precision=6)))
    placed = known_plays().dropna(subset=["lat"])
    assert answer.total == len(placed) < len(known_plays())
    weighted = (answer.table["lat"] * answer.table["value"]).sum() / answer.total
    assert weighted == pytest.approx(placed["lat"].mean(), abs=0.001)
    states = counts(ask(shown, ALL, Chart("map", x=Terms("state", 60))))
    assert states == {(name,): n for name, n in known_plays()["state"].value_counts().items()}
    for kind in (GeoGrid(), Terms("state", 60)):
        assert len(draw(ask(shown, ALL, Chart("map", x=kind))).png) > 10_000


# Discover -----------------------------------------------------------------------------


def test_the_field_list_is_the_mapping(shown: Settings) -> None:
    found = {each.name: each.type for each in fields(shown, "plays")}
    assert found["played_at"] == "date"
    assert (found["is_mobile"], found["age"], found["zip"]) == ("boolean", "number", "keyword")
    assert found["location"] == "geo point"
    assert not any(name.startswith("_") for name in found)
    with pytest.raises(WorkshopError, match="no index plays-raw yet"):
        fields(shown, "plays-raw")


def test_top_values_are_shares_of_all_hits(shown: Settings) -> None:
    top = top_values(shown, ALL, "age", 3)
    truth = known_plays()["age"].value_counts()
    assert top.table["plays"].tolist() == truth.head(3).tolist()
    assert top.table["share"].iloc[0] == truth.iloc[0] / len(known_plays())
    assert (top.records, top.missing) == (len(known_plays()), known_plays()["age"].isna().sum())
    assert top.rest == len(known_plays()) - top.missing - truth.head(3).sum()
    assert top_values(shown, ALL, "location").missing == known_plays()["lat"].isna().sum()
    assert top_values(shown, ALL, "is_mobile").table["value"].tolist() in (
        [True, False],
        [False, True],
    )


def test_narrowing_to_bars_finds_what_they_showed_and_nothing_else(shown: Settings) -> None:
    found = find(shown, ALL)
    assert found.hits == found.histogram.sum() == len(known_plays())
    for first, last in ((0, 0), (5, 5), (3, 9), (10, len(found.histogram) - 1)):
        span = found.bar(first, last)
        narrowed = find(shown, ALL.between(span.start, span.end))
        assert narrowed.hits == found.histogram.iloc[first : last + 1].sum()
        inside = known_plays()["played_at"].between(span.start, span.end, inclusive="left")
        assert narrowed.hits == inside.sum()
    newest = (
        known_plays().sort_values(["played_at", "event_id"])["event_id"].tail(10).tolist()[::-1]
    )
    assert [row["event_id"] for row in found.documents] == newest


@pytest.mark.parametrize(
    ("chosen", "truth"),
    [
        (Filter.of("device", "is", "mobile"), lambda plays: plays["device"] == "mobile"),
        (Filter.of("is_mobile", "is not", True), lambda plays: ~plays["is_mobile"].astype(bool)),
        (
            Filter.of("state", "is one of", "CA", "TX"),
            lambda plays: plays["state"].isin(["CA", "TX"]),
        ),
        (Filter.of("age", "is between", 20, 30), lambda plays: plays["age"].between(20, 29)),
        (Filter.of("age", "does not exist"), lambda plays: plays["age"].isna()),
        (Filter("device", ("mobile",), enabled=False), lambda plays: plays["device"].notna()),
    ],
    ids=lambda value: str(value) if isinstance(value, Filter) else "plays",
)
def test_a_filter_keeps_what_it_says(
    shown: Settings, chosen: Filter, truth: Callable[[pd.DataFrame], pd.Series]
) -> None:
    kept = truth(known_plays()).fillna(False)
    assert find(shown, ALL.add(chosen)).hits == kept.sum() > 0


def test_a_query_is_lucene_and_a_broken_one_is_said_in_one_line(shown: Settings) -> None:
    both = find(shown, replace(ALL, query="device:mobile AND age:>=50"))
    assert both.hits == ((known_plays()["device"] == "mobile") & (known_plays()["age"] >= 50)).sum()
    with pytest.raises(WorkshopError, match="cannot read the query"):
        find(shown, replace(ALL, query="device:mobile AND"))


def test_kql_finds_what_it_finds_in_kibana(shown: Settings) -> None:
    """Read as Lucene, each of these would find something else."""
    mobile, age = known_plays()["device"] == "mobile", known_plays()["age"]
    artist = next(
        x for x in known_plays()["artist"] if " " in x and not re.search(r"\b(and|or|not)\b", x)
    )
    for query, truth in {
        "device : mobile and age >= 50": mobile & (age >= 50),
        "not device:mobile": ~mobile,
        "level:Gold or device:mobile and age < 30": (known_plays()["level"] == "Gold")
        | (mobile & (age < 30)),
        "level:(Gold or Free) and not age:*": known_plays()["level"].isin(["Gold", "Free"])
        & age.isna(),
        f"artist:{artist} or age > 200": known_plays()["artist"] == artist,
    }.items():
        assert find(shown, replace(ALL, query=query)).hits == truth.fillna(False).sum() > 0, query
    with pytest.raises(WorkshopError, match="cannot be read as KQL"):
        find(shown, replace(ALL, query="device:mobile and"))


def test_the_request_that_is_shown_gives_the_same_answer(shown: Settings) -> None:
    found = find(shown, ALL.add(Filter.of("device", "is", "pc")))
    (request,) = found.requests
    again = connections.elasticsearch(shown).search(index=request.index, **request.body)
    assert again["hits"]["total"]["value"] == found.hits
    buckets = again["aggregations"]["histogram"]["buckets"]
    assert [bucket["doc_count"] for bucket in buckets] == found.histogram.tolist()


# Widgets, without a front end ---------------------------------------------------------


def test_discover_from_an_empty_quarter_of_an_hour_to_one_listener(shown: Settings) -> None:
    view = Discover(shown)
    assert "0 hits, Last 15 minutes" in repr(view)
    assert "No results" in view.hits.value
    view.bar.start.value = FROM  # to now: years
    view.bar.end.value = TO
    assert f"{len(known_plays()):,} hits" in repr(view)
    view.field.value = "device"
    plus = view.values.children[1].children[1]
    top = known_plays()["device"].value_counts()
    plus.click()
    assert view.found.hits == top.iloc[0]
    view.bar.back.click()
    assert view.found.hits == len(known_plays())
    minus = view.values.children[1].children[2]
    minus.click()
    assert view.found.hits == len(known_plays()) - top.iloc[0]
    exclude = view.bar.pills.children[0].children[2]
    exclude.value = False
    assert view.found.hits == top.iloc[0]
    delete = view.bar.pills.children[0].children[3]
    delete.click()
    assert view.found.hits == len(known_plays())


def test_discover_zooms_says_errors_in_one_line_and_goes_on(shown: Settings) -> None:
    view = Discover(shown)
    view.bar.to(ALL)
    bars = view.found.histogram
    view.bars.index = (4, 8)
    view.zoom.click()
    assert view.found.hits == bars.iloc[4:9].sum()
    view.bar.back.click()
    assert view.found.hits == len(known_plays())
    view.bar.forward.click()
    assert view.found.hits == bars.iloc[4:9].sum()
    view.bar.start.value = "tomorrow"
    assert "is not a time" in view.bar.message.value
    view.bar.start.value = FROM
    assert view.bar.message.value == ""
    view.bar.field.value, view.bar.operator.value = "age", "is between"
    view.bar.value.value = "20"
    view.bar.add.click()
    assert "needs 2 value(s)" in view.bar.message.value
    view.bar.value.value = "20, 30"
    view.bar.add.click()
    assert str(view.search.filters[0]) == "age: 20 to 30"
    view.name.value = "twens"
    view.save.click()
    other = Discover(shown)
    other.open("twens")
    assert other.found.hits == view.found.hits > 0


def test_a_chart_is_built_saved_and_shown_on_a_dashboard(shown: Settings) -> None:
    view = Visualize(shown)
    view.bar.to(ALL)
    view.splits["x"].field.value = "level"
    view.splits["charts"].field.value = "device"
    view.update.click()
    assert counts(view.answer) == known_plays().groupby(["device", "level"]).size().to_dict()
    view.metric.value = "average"
    view.metric_field.value = "age"
    view.update.click()
    assert "A pie cannot show the average" in view.bar.message.value
    view.metric.value = "count"
    view.title.value = "Levels"
    view.save.click()
    line = Chart("line", "Hours", Metric("average", "age"), DateHistogram(interval="3 hours"))
    view.show(line)
    view.save.click()
    assert view.chart == line
    assert "Hours" in repr(view)
    board = Dashboard(shown, "Mine", ["Levels", "Hours"])
    board.bar.to(replace(board.bar.search, time=ALL.time))
    assert board.answers[0].total == len(known_plays())
    board.bar.to(board.bar.search.add(Filter.of("device", "is", "pc")))
    assert board.answers[0].total == (known_plays()["device"] == "pc").sum()
    assert Dashboard(shown, "Mine").charts == ["Levels", "Hours"]
    with pytest.raises(WorkshopError, match="No chart is called"):
        Dashboard(shown, "Other", ["Nothing"])


@pytest.mark.parametrize(
    "chart",
    [
        Chart("heat map", x=Histogram("hour"), split=Terms("age_band", 3, "alphabetical")),
        Chart("map", x=GeoGrid(precision=4)),
        Chart("map", x=Terms("state", 60), rate=True),
        Chart("metric", metric=Metric("unique count", "customer_id"), charts=Terms("level")),
    ],
    ids=lambda chart: chart.kind,
)
def test_the_controls_can_say_every_kind_of_chart(shown: Settings, chart: Chart) -> None:
    view = Visualize(shown)
    view.bar.to(ALL)
    view.show(chart)
    assert view.chart == chart
    assert view.bar.message.value == ""
    assert view.answer.chart == chart


def test_a_server_that_is_away_is_named(shown: Settings, tmp_path: Path) -> None:
    away = shown.model_copy(update={"elasticsearch_url": "http://127.0.0.1:9"})
    with pytest.raises(WorkshopError, match="does not answer"):
        find(away, ALL)


def test_a_failed_update_says_so_in_place_of_the_picture(shown: Settings) -> None:
    view = Visualize(shown)
    view.bar.to(ALL)
    assert "<img" in view.figure.value
    view.metric.value, view.metric_field.value = "average", "age"
    view.update.click()
    assert "<img" not in view.figure.value
    assert "Not updated. A pie cannot show the average" in view.figure.value
    assert view.answer is None
    assert repr(view).startswith("Visualize: A pie cannot show the average")
    view.kind.value = "bar"
    view.update.click()
    assert "<img" in view.figure.value
    assert view.bar.message.value == ""


def test_bars_beyond_the_last_are_not_chosen_and_no_hits_cannot_be_zoomed(shown: Settings) -> None:
    view = Discover(shown)
    view.bar.to(ALL)
    count = len(view.found.histogram)
    view.choose_bars(-1, 1)
    assert view.bars.index == (0, 1)
    view.choose_bars(count - 1, count + 1)
    assert view.bars.index == (count - 1, count - 1)
    view.bar.to(ALL.add(Filter.of("state", "is", "ZZ")))
    assert view.found.hits == 0
    view.choose_bars(-1, 1)
    view.zoom.click()
    assert "no bars to zoom to" in view.bar.message.value
    view.bar.to(ALL)
    view.choose_bars(4, 8)
    view.zoom.click()
    assert view.found.hits > 0


def test_a_view_says_what_to_do_when_it_is_of_another_kernel(shown: Settings) -> None:
    shown_html: list = []
    view = Discover(shown)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "workshop_lib.charts.explore.controls.display", lambda x, **_: shown_html.append(x)
        )
        view._ipython_display_()
    bundle, note = shown_html
    assert bundle["text/plain"] == repr(view)
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert "run this cell again" in note.data
