"""Kibana's saved objects as a file: what they consist of, and that it is what the tables say."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from itertools import combinations

import pytest
from kibana_check import broken_references, drilldowns, repeated_ids
from kibana_query import Object

from workshop_lib.charts.catalogue import CHARTS, TIME_FIELD
from workshop_lib.charts.kibana import document
from workshop_lib.charts.kibana.saved_objects import FILE, TYPE_VERSIONS, ndjson
from workshop_lib.schema.tables import INDICES

LINES = FILE.read_text(encoding="utf-8").splitlines()
OBJECTS: list[Object] = [json.loads(line) for line in LINES]
#: The attributes that Kibana 8.19 knows. What it does with others depends on the type
#: (``kibana_schemas``); here there are none, whatever it does.
KNOWN = {
    "index-pattern": "title name timeFieldName fields fieldAttrs fieldFormatMap runtimeFieldMap"
    " sourceFilters typeMeta type allowNoIndex allowHidden",
    "search": "title description columns sort grid hideChart isTextBasedQuery timeRestore"
    " kibanaSavedObjectMeta",
    "visualization": "title description version kibanaSavedObjectMeta uiStateJSON visState",
    "map": "title description mapStateJSON layerListJSON uiStateJSON",
    "dashboard": "title description kibanaSavedObjectMeta timeRestore timeFrom timeTo"
    " refreshInterval controlGroupInput panelsJSON optionsJSON version",
}
TEXTS = ("visState", "panelsJSON", "optionsJSON", "layerListJSON", "mapStateJSON", "uiStateJSON")


def of_type(kind: str) -> list[Object]:
    return [each for each in OBJECTS if each["type"] == kind]


def panels(dashboard: Object) -> list[Object]:
    return list(json.loads(dashboard["attributes"]["panelsJSON"]))


def test_the_file_is_what_the_tables_make() -> None:
    assert FILE.read_text(encoding="utf-8") == ndjson(), "run `make kibana`"
    assert ndjson() == ndjson()


def test_every_line_is_an_object_of_a_known_form() -> None:
    for each in OBJECTS:
        assert set(each["attributes"]) <= set(KNOWN[each["type"]].split()), each["id"]
        assert each["typeMigrationVersion"] == TYPE_VERSIONS[each["type"]]
        assert each["coreMigrationVersion"] == "8.8.0"
        for name in set(TEXTS) & set(each["attributes"]):
            assert json.loads(each["attributes"][name]) is not None


def test_ids_are_unique_and_each_reference_leads_somewhere() -> None:
    assert repeated_ids(OBJECTS) == []
    assert repeated_ids([*OBJECTS, OBJECTS[3]]) == [OBJECTS[3]["id"]]
    assert broken_references(OBJECTS) == []


def spoil_target(dashboard: Object) -> None:
    dashboard["references"][0]["id"] = "workshop-nothing"


def spoil_name(dashboard: Object) -> None:
    dashboard["references"][0]["name"] = "raw-total:panel_other"


def lose_drilldown(dashboard: Object) -> None:
    dashboard["references"] = [r for r in dashboard["references"] if "drilldown" not in r["name"]]


@pytest.mark.parametrize(
    ("spoil", "faults"),
    [
        (spoil_target, ["no ('visualization', 'workshop-nothing')"]),
        (spoil_name, ["raw-total:panel_raw-total is not listed", "raw-total:panel_other is not"]),
        (lose_drilldown, ["dashboardId is not listed"]),
    ],
)
def test_a_dangling_reference_is_found(spoil: Callable[[Object], None], faults: list[str]) -> None:
    objects = copy.deepcopy(OBJECTS)
    spoil(next(each for each in objects if each["id"] == "workshop-stage-1"))
    found = broken_references(objects)
    assert len(found) == len(faults)
    for fault, part in zip(found, faults, strict=True):
        assert part in fault


def test_there_is_a_data_view_for_every_index_and_its_time_is_a_time() -> None:
    assert [each["attributes"]["title"] for each in of_type("index-pattern")] == list(INDICES)
    for index, field in TIME_FIELD.items():
        assert field is None or INDICES[index][field] == "timestamp"


def test_every_chart_is_on_a_dashboard_and_each_stage_has_one() -> None:
    shown = {panel["panelIndex"] for each in of_type("dashboard") for panel in panels(each)}
    # Those of Stage 4 are the live page's alone.
    assert shown == {name for name, chart in CHARTS.items() if chart.stage < 4}
    of_stage = {name: chart.stage for name, chart in CHARTS.items()}
    for stage in (1, 2, 3):
        (one,) = [each for each in OBJECTS if each["id"] == f"workshop-stage-{stage}"]
        assert {of_stage[panel["panelIndex"]] for panel in panels(one)} == {stage}


def test_what_the_workshop_teaches_is_there() -> None:
    """Split slices, split charts, a sub-aggregation: as Kibana's editor names their places."""

    def places(name: str) -> list[tuple[str, str]]:
        (one,) = [each for each in OBJECTS if each["id"] == f"workshop-{name}"]
        aggs = json.loads(one["attributes"]["visState"])["aggs"]
        return [(agg["schema"], agg["params"].get("field", "")) for agg in aggs[1:]]

    assert places("gender-and-age") == [("segment", "gender"), ("segment", "age_band")]
    assert places("age-per-device") == [("split", "device"), ("segment", "age_band")]
    assert places("trend-by-age") == [("segment", "played_at"), ("group", "age_band")]


def test_panels_fill_the_width_and_do_not_overlap() -> None:
    for dashboard in of_type("dashboard"):
        grids = [panel["gridData"] for panel in panels(dashboard)]
        for top in {grid["y"] for grid in grids}:
            row = [grid["w"] for grid in grids if grid["y"] == top]
            assert sum(row) == 48, (dashboard["id"], top)
        for a, b in combinations(grids, 2):
            apart = (
                *(a["x"] + a["w"] <= b["x"], b["x"] + b["w"] <= a["x"]),
                *(a["y"] + a["h"] <= b["y"], b["y"] + b["h"] <= a["y"]),
            )
            assert any(apart), (a, b)


def test_one_gets_from_a_state_to_its_listeners_and_from_there_to_one_of_them() -> None:
    leads = {
        (each["id"], panel["panelIndex"], reference["id"])
        for each in of_type("dashboard")
        for panel in panels(each)
        for event in drilldowns(panel)
        for reference in each["references"]
        if event["eventId"] in reference["name"]
    }
    assert ("workshop-stage-2", "states", "workshop-state") in leads
    assert ("workshop-state", "listeners", "workshop-listener") in leads
    ids = [event["eventId"] for each in of_type("dashboard") for p in panels(each)
           for event in drilldowns(p)]  # fmt: skip
    assert len(ids) == len(set(ids)) == len(leads)


def test_nothing_needs_a_script_or_a_server_outside() -> None:
    text = FILE.read_text(encoding="utf-8")
    for word in ('"script', '\\"script', "painless", "EMS_", "tilemap", "http://"):
        assert word not in text
    outside = text.replace("https://vega.github.io/schema/vega/v5.json", "")  # a name, not asked
    assert "https://" not in outside


def test_the_documentation_is_of_these_tables() -> None:
    text = document.DOCUMENT.read_text(encoding="utf-8")
    assert text == document.renewed(text), "run `make kibana`"
    for each in OBJECTS:
        assert f"`{each['id']}`" in text, each["id"]
