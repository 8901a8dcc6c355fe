"""Each of Kibana's objects against what Kibana 8.19 takes at an import, and can open afterwards."""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from kibana_query import Object
from kibana_schemas import NEWEST, opened, refused
from pytest import param

from workshop_lib.charts.kibana.saved_objects import FILE
from workshop_lib.stack.kibana import by_the_clocks

OBJECTS: list[Object] = [json.loads(line) for line in FILE.read_text("utf-8").splitlines()]


def an(kind: str, having: str = "title") -> Object:
    """A copy of the first object of that type with that attribute."""
    found = (o for o in OBJECTS if o["type"] == kind and having in o["attributes"])
    return copy.deepcopy(next(found))


@pytest.mark.parametrize("zone", ["UTC", "Asia/Seoul"])
def test_every_object_is_taken_as_it_is_imported(zone: str) -> None:
    lines = by_the_clocks(FILE.read_text("utf-8"), zone).splitlines()
    objects = [json.loads(line) for line in lines]
    assert {each["id"]: faults for each in objects if (faults := refused(each))} == {}
    assert set(Counter(each["type"] for each in objects)) == set(NEWEST)


def test_every_dashboard_can_be_opened() -> None:
    dashboards = [each for each in OBJECTS if each["type"] == "dashboard"]
    assert len(dashboards) == 5
    assert {each["id"]: faults for each in dashboards if (faults := opened(each))} == {}


Change = Callable[[Object, dict[str, Any]], Any]


@pytest.mark.parametrize(
    ("kind", "change", "fault"),
    [
        param("search", lambda o, a: a.update(hidden=1), "'hidden' was unexpected", id="unknown"),
        param(
            "search", lambda o, a: a.update(sort=[["a", "asc", "b"]]), "attributes.sort", id="sort"
        ),
        param(
            "search", lambda o, a: a.update(columns="zip"), "is not of type 'array'", id="columns"
        ),
        param("search", lambda o, a: a["grid"].update(rows={}), "attributes.grid", id="grid"),
        param("search", lambda o, a: a.pop("kibanaSavedObjectMeta"), "required", id="no source"),
        param("search", lambda o, a: a.update(viewMode="all"), "is not one of", id="view"),
        param(
            "visualization", lambda o, a: a.update(type="pie"), "unexpected", id="unknown in vis"
        ),
        param(
            "visualization", lambda o, a: a.update(visState={}), "attributes.visState", id="no text"
        ),
        param(
            "visualization",
            lambda o, a: a["kibanaSavedObjectMeta"].update(indexRefName="x"),
            "attributes.kibanaSavedObjectMeta",
            id="unknown in its source",
        ),
        param(
            "dashboard", lambda o, a: a.update(panelsJSON=[]), "attributes.panelsJSON", id="panels"
        ),
        param("dashboard", lambda o, a: a["refreshInterval"].pop("pause"), "'pause'", id="refresh"),
        param("dashboard", lambda o, a: a.pop("title"), "'title' is a required", id="no title"),
        param("map", lambda o, a: o["references"][0].update(x=1), "references.0", id="reference"),
        param(
            "map", lambda o, a: o.update(typeMigrationVersion="8.5.0"), "more recent", id="newer"
        ),
        param("search", lambda o, a: o.update(typeMigrationVersion="10.6.0"), "recent", id="tabs"),
        param(
            "index-pattern", lambda o, a: o.update(coreMigrationVersion="9.0.0"), "recent", id="9"
        ),
        param("index-pattern", lambda o, a: o.update(type="data-view"), "not one of", id="type"),
        param("index-pattern", lambda o, a: o.update(name="plays"), "unexpected", id="envelope"),
    ],
)
def test_what_kibana_would_refuse_is_found(kind: str, change: Change, fault: str) -> None:
    each = an(kind)
    assert refused(each) == []
    change(each, each["attributes"])
    faults = refused(each)
    assert len(faults) == 1 and fault in faults[0], faults


@pytest.mark.parametrize(
    ("kind", "attribute"), [("index-pattern", "seen"), ("map", "seen"), ("dashboard", "seen")]
)
def test_what_kibana_lets_pass_is_no_fault(kind: str, attribute: str) -> None:
    each = an(kind)
    each["attributes"][attribute] = True
    assert refused(each) == []


def in_text(name: str, change: Callable[[Any], Any]) -> Callable[[dict[str, Any]], None]:
    """A change of the JSON that stands as text in the attribute ``name``."""

    def apply(attributes: dict[str, Any]) -> None:
        value = json.loads(attributes[name])
        change(value)
        attributes[name] = json.dumps(value)

    return apply


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (in_text("panelsJSON", lambda p: p[0]["gridData"].update(w=49)), "panelsJSON.0.gridData.w"),
        (in_text("panelsJSON", lambda p: p[1]["gridData"].pop("i")), "'i' is a required"),
        (in_text("panelsJSON", lambda p: p[0].pop("panelIndex")), "'panelIndex' is a required"),
        (in_text("optionsJSON", lambda o: o.update(darkTheme=True)), "'darkTheme' was unexpected"),
        (lambda a: a["controlGroupInput"].update(controlStyle="wide"), "controlStyle"),
        (
            lambda a: in_text("panelsJSON", lambda c: next(iter(c.values())).update(width="auto"))(
                a["controlGroupInput"]
            ),
            "width",
        ),
        (
            lambda a: in_text("ignoreParentSettingsJSON", lambda i: i.update(ignoreQuery="no"))(
                a["controlGroupInput"]
            ),
            "ignoreQuery",
        ),
    ],
)
def test_what_a_dashboard_could_not_be_opened_with_is_found(
    change: Callable[[dict[str, Any]], None], fault: str
) -> None:
    dashboard = an("dashboard", having="controlGroupInput")
    assert opened(dashboard) == []
    change(dashboard["attributes"])
    assert refused(dashboard) == [], "it is taken all the same"
    faults = opened(dashboard)
    assert len(faults) == 1 and fault in faults[0], faults
