"""The catalogue's charts and dashboards as Kibana's saved objects.

In: ``CHARTS`` and ``DASHBOARDS``. Out: the objects, and NDJSON as ``_import`` takes it: one
object a line, the same bytes each time. What an object refers to is named in it and listed,
with type and id, in its ``references``. What is the same in all objects of a kind stands in
``templates``.
"""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any, Final

from workshop_lib.charts.catalogue import CHARTS, DASHBOARDS, TIME_FIELD, ChartSpec
from workshop_lib.charts.kibana.visualizations import template, vis_state
from workshop_lib.schema.tables import INDICES
from workshop_lib.schema.world import LIVE_HOURS
from workshop_lib.settings import PROJECT

SavedObject = dict[str, Any]
Reference = dict[str, str]

#: Where ``make kibana`` writes to.
FILE: Final = PROJECT / "docker" / "kibana" / "workshop.ndjson"

#: Of the format, not of Kibana: Kibana 8.19 takes these and all that came before.
CORE_VERSION: Final = "8.8.0"
TYPE_VERSIONS: Final = {
    "index-pattern": "8.0.0",
    "search": "10.2.0",
    "visualization": "8.5.0",
    "map": "8.4.0",
    "dashboard": "10.2.0",
}
#: The name under which an object's search source refers to its data view.
SOURCE: Final = "kibanaSavedObjectMeta.searchSourceJSON.index"
#: Maps and dashboards open on the hours that the replay fills, and ask again every 10 s.
OPENS_ON: Final = {"begin": f"now-{LIVE_HOURS}h", "refresh": "10000"}
#: Attributes that hold JSON as text; all others end in "JSON".
TEXTS: Final = frozenset(
    ["fields", "fieldAttrs", "fieldFormatMap", "runtimeFieldMap", "sourceFilters", "visState"]
)
#: Numbers that would otherwise be written like amounts, with a comma; and shares.
FORMATS: Final = {
    "0": ("event_id", "customer_id", "track_id", "hour", "age"),
    "0.0%": ("error", "precision", "recall", "base_rate"),
}


def object_id(name: str) -> str:
    """The id of the chart, dashboard or index of that name; ids never change."""
    return f"workshop-{name}"


def objects() -> list[SavedObject]:
    """Everything: data views, charts, dashboards."""
    return [
        *(_data_view(index) for index in INDICES),
        *(_chart(chart) for chart in charts()),
        *(_dashboard(dashboard) for dashboard in DASHBOARDS.values()),
    ]


def charts() -> list[ChartSpec]:
    """Those of the catalogue that a dashboard shows."""
    shown = {name for each in DASHBOARDS.values() for row in each["rows"] for name in row["charts"]}
    return [chart for chart in CHARTS.values() if chart.name in shown]


def ndjson() -> str:
    return "".join(_json(each) + "\n" for each in objects())


def write(path: Path = FILE) -> Path:
    path.write_text(ndjson(), encoding="utf-8")
    return path


def _data_view(index: str) -> SavedObject:
    attributes: dict[str, Any] = {
        **template("data_view"),
        "title": index,
        "name": index,
        "fieldFormatMap": {
            name: {"id": "number", "params": {"pattern": pattern}}
            for pattern, names in FORMATS.items()
            for name in names
            if name in INDICES[index]
        },
    }
    if TIME_FIELD[index]:
        attributes["timeFieldName"] = TIME_FIELD[index]
    return _saved("index-pattern", index, attributes, [])


def _chart(chart: ChartSpec) -> SavedObject:
    # The stage before the title, so that a list of all is in the story's order.
    title = f"{chart.stage} · {chart.title}"
    attributes: dict[str, Any] = {"title": title, "description": chart.question}
    kind, time, source = chart.form.object_type, TIME_FIELD[chart.index], SOURCE
    if kind == "map":
        attributes |= template("place_map", field=chart.splits[0].field, **OPENS_ON)
        source = "layer_0_source_index_pattern"
    else:
        query = {"query": chart.where, "language": "kuery"}
        search_source = {"indexRefName": SOURCE, "query": query, "filter": []}
        attributes["kibanaSavedObjectMeta"] = {"searchSourceJSON": search_source}
    if kind == "search":
        sort = [[time or "trained_at", "desc"]]
        attributes |= {**template("documents"), "columns": list(chart.columns), "sort": sort}
    elif kind == "visualization":
        state: dict[str, Any] = {"title": title}
        if chart.kind == "state map":
            # A dot per place and a circle per state at the middle of its plays, so that the
            # country shows by itself.
            field = chart.splits[0].field
            spec = template("state_map", index=chart.index, time=str(time), field=field)
            spec = json.dumps(spec, indent=2)
            state |= {"type": "vega", "aggs": [], "params": {"spec": spec}}
        else:
            state |= vis_state(chart)
        attributes |= {"uiStateJSON": {}, "version": 1, "visState": state}
    return _saved(kind, chart.name, attributes, [_reference(source, "index-pattern", chart.index)])


def _dashboard(dashboard: dict[str, Any]) -> SavedObject:
    panels: list[dict[str, Any]] = []
    references: list[Reference] = []
    y = 0
    for row in dashboard["rows"]:
        x = 0
        for name, width in row["charts"].items():
            chart = CHARTS[name]
            events, reference = _drilldown(dashboard, name)
            panel = _reference(f"{name}:panel_{name}", chart.form.object_type, name)
            references += [panel, *reference]
            panels.append(
                {
                    "type": chart.form.object_type,
                    "panelIndex": name,
                    "gridData": {"i": name, "x": x, "y": y, "w": width, "h": row["height"]},
                    "panelRefName": f"panel_{name}",
                    "title": chart.title,
                    "embeddableConfig": {"enhancements": events},
                }
            )
            x += width
        y += row["height"]
    attributes = {
        **template("dashboard", **OPENS_ON),
        "title": dashboard["title"],
        "description": dashboard["about"],
        "panelsJSON": panels,
    }
    controls = dashboard.get("controls", [])
    if controls:
        lists = {
            each["field"]: {**template("control", **each), "order": order}
            for order, each in enumerate(controls)
        }
        attributes["controlGroupInput"] = {**template("controls"), "panelsJSON": lists}
        references += [
            _reference(
                f"controlGroup_{each['field']}:optionsListDataView", "index-pattern", each["index"]
            )
            for each in controls
        ]
    return _saved("dashboard", dashboard["name"], attributes, references)


def _drilldown(dashboard: dict[str, Any], chart: str) -> tuple[dict[str, Any], list[Reference]]:
    """Where a click in a panel leads, if anywhere.

    It takes the time range along, but of the filters only the click's own: another one might
    name a field that an index over there does not have, and its charts would be empty.
    """
    target = dashboard.get("drilldowns", {}).get(chart)
    if not target:
        return {}, []
    event = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{dashboard['name']}/{chart}"))
    made = template("drilldown", event=event, title=DASHBOARDS[target]["title"])
    name = f"{chart}:drilldown:{made['action']['factoryId']}:{event}:dashboardId"
    return {"dynamicActions": {"events": [made]}}, [_reference(name, "dashboard", target)]


def _reference(name: str, kind: str, target: str) -> Reference:
    return {"name": name, "type": kind, "id": object_id(target)}


def _saved(
    kind: str, name: str, attributes: dict[str, Any], references: list[Reference]
) -> SavedObject:
    return {
        "type": kind,
        "id": object_id(name),
        "attributes": _as_text(attributes),
        "references": references,
        "coreMigrationVersion": CORE_VERSION,
        "typeMigrationVersion": TYPE_VERSIONS[kind],
        "managed": False,
    }


def _as_text(attributes: dict[str, Any]) -> dict[str, Any]:
    """``attributes``, where Kibana wants JSON as text with that text."""
    made: dict[str, Any] = {}
    for name, value in attributes.items():
        if name.endswith("JSON") or name in TEXTS:
            made[name] = _json(value)
        else:
            nested = name in ("kibanaSavedObjectMeta", "controlGroupInput")
            made[name] = _as_text(value) if nested else value
    return made


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
