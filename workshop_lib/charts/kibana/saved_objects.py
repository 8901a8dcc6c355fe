"""The tables of charts and dashboards as Kibana's saved objects.

In: ``CHARTS`` and ``DASHBOARDS``. Out: the objects, and NDJSON as ``_import`` takes it: one
object a line, the same bytes each time. What an object refers to is named in it and listed,
with type and id, in its ``references``.
"""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any, Final

from workshop_lib.charts.catalogue import CHARTS, TIME_FIELD, ChartSpec
from workshop_lib.charts.kibana.dashboards import DASHBOARDS, HOURS, REFRESH_SECONDS, Layout
from workshop_lib.charts.kibana.visualizations import template, vis_state
from workshop_lib.schema.tables import INDICES
from workshop_lib.settings import PROJECT

SavedObject = dict[str, Any]

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

#: Numbers that would otherwise be written like amounts, with a comma.
PLAIN: Final[tuple[str, ...]] = ("event_id", "customer_id", "track_id", "hour", "age")
#: What maps and dashboards open on.
TIME_RANGE: Final = {"from": f"now-{HOURS}h", "to": "now"}
PERCENT: Final[tuple[str, ...]] = ("error", "precision", "recall", "base_rate")


def object_id(name: str) -> str:
    """The id of the chart, dashboard or index of that name; ids never change."""
    return f"workshop-{name}"


def objects() -> list[SavedObject]:
    """Everything: data views, charts, dashboards."""
    return [
        *(data_view(index) for index in INDICES),
        *(chart_object(chart) for chart in charts()),
        *(dashboard_object(dashboard) for dashboard in DASHBOARDS),
    ]


def charts() -> list[ChartSpec]:
    """Those of the catalogue that a dashboard shows."""
    shown = {name for each in DASHBOARDS for row in each.rows for name, _ in row.panels()}
    return [chart for chart in CHARTS.values() if chart.name in shown]


def ndjson() -> str:
    return "".join(_json(each) + "\n" for each in objects())


def write(path: Path = FILE) -> Path:
    path.write_text(ndjson(), encoding="utf-8")
    return path


# Data views ---------------------------------------------------------------------


def data_view(index: str) -> SavedObject:
    fields = INDICES[index]
    formats = {name: _number("0") for name in PLAIN if name in fields}
    formats |= {name: _number("0.0%") for name in PERCENT if name in fields}
    attributes = {
        "title": index,
        "name": index,
        # Stage 2 may be looked at before Stage 3 has made its indices.
        "allowNoIndex": True,
        "fields": "[]",
        "fieldAttrs": "{}",
        "fieldFormatMap": _json(formats),
        "runtimeFieldMap": "{}",
        "sourceFilters": "[]",
    }
    time_field = TIME_FIELD[index]
    if time_field:
        attributes["timeFieldName"] = time_field
    return _saved("index-pattern", index, attributes)


def _number(pattern: str) -> dict[str, Any]:
    return {"id": "number", "params": {"pattern": pattern}}


# Charts -------------------------------------------------------------------------


def object_type(chart: ChartSpec) -> str:
    return {"documents": "search", "map": "map"}.get(chart.kind, "visualization")


def chart_object(chart: ChartSpec) -> SavedObject:
    # The stage before the title, so that a list of all is in the story's order.
    title = f"{chart.stage} · {chart.title}"
    kind, name = object_type(chart), SOURCE
    attributes: dict[str, Any] = {"title": title, "description": chart.question}
    if kind == "map":
        layers, state, name = _map(chart)
        attributes |= {
            "layerListJSON": _json(layers),
            "mapStateJSON": _json(state),
            "uiStateJSON": _json({"isLayerTOCOpen": False, "openTOCDetails": []}),
        }
    else:
        source = {"indexRefName": SOURCE, "query": _query(chart.where), "filter": []}
        attributes["kibanaSavedObjectMeta"] = {"searchSourceJSON": _json(source)}
    if kind == "search":
        attributes |= {
            "columns": list(chart.columns),
            "sort": [[TIME_FIELD[chart.index] or "trained_at", "desc"]],
            "grid": {},
            "hideChart": False,
            "isTextBasedQuery": False,
            "timeRestore": False,
        }
    elif kind == "visualization":
        state = _vega(chart) if chart.kind == "state map" else vis_state(chart)
        attributes |= {
            "uiStateJSON": "{}",
            "version": 1,
            "visState": _json({"title": title, **state}),
        }
    return _saved(kind, chart.name, attributes, [_reference(name, chart.index)])


def _vega(chart: ChartSpec) -> dict[str, Any]:
    """A Vega drawing: a dot per place and a circle per state at the middle of its plays, so
    that the country shows by itself."""
    time, field = TIME_FIELD[chart.index], chart.splits[0].field
    spec = template("state_map", index=chart.index, time=str(time), field=field)
    return {"type": "vega", "aggs": [], "params": {"spec": json.dumps(spec, indent=2)}}


def _map(chart: ChartSpec) -> tuple[list[dict[str, Any]], dict[str, Any], str]:
    """Layers and state of Kibana's Maps, and the layer's name for its index: a grid that
    becomes finer as one zooms in."""
    made = template("place_map", field=chart.splits[0].field)
    state = {
        **made["state"],
        "timeFilters": TIME_RANGE,
        "refreshConfig": {"isPaused": False, "interval": REFRESH_SECONDS * 1000},
        "query": _query(""),
        "filters": [],
        "settings": {"autoFitToDataBounds": False, "backgroundColor": "#ffffff"},
    }
    return made["layers"], state, made["layers"][0]["sourceDescriptor"]["indexPatternRefName"]


# Dashboards ---------------------------------------------------------------------


def dashboard_object(dashboard: Layout) -> SavedObject:
    panels: list[dict[str, Any]] = []
    references: list[dict[str, str]] = []
    y = 0
    for row in dashboard.rows:
        x = 0
        for name, width in row.panels():
            chart = CHARTS[name]
            panels.append(
                {
                    "type": object_type(chart),
                    "panelIndex": name,
                    "gridData": {"i": name, "x": x, "y": y, "w": width, "h": row.height},
                    "panelRefName": f"panel_{name}",
                    "title": chart.title,
                    "embeddableConfig": {"enhancements": _enhancements(dashboard, name)},
                }
            )
            references.append(
                {
                    "name": f"{name}:panel_{name}",
                    "type": object_type(chart),
                    "id": object_id(name),
                }
            )
            if name in dashboard.drilldowns:
                references.append(
                    {
                        "name": f"{name}:{_drilldown_reference(dashboard, name)}",
                        "type": "dashboard",
                        "id": object_id(dashboard.drilldowns[name]),
                    }
                )
            x += width
        y += row.height
    attributes = {
        "title": dashboard.title,
        "description": dashboard.about,
        "panelsJSON": _json(panels),
        "optionsJSON": _json({"useMargins": True, "syncColors": True, "hidePanelTitles": False}),
        "timeRestore": True,
        "timeFrom": TIME_RANGE["from"],
        "timeTo": TIME_RANGE["to"],
        "refreshInterval": {"pause": False, "value": REFRESH_SECONDS * 1000},
        "kibanaSavedObjectMeta": {
            "searchSourceJSON": _json({"query": _query(""), "filter": []}),
        },
        "version": 1,
    }
    if dashboard.controls:
        attributes["controlGroupInput"] = _controls(dashboard)
        references += [
            _reference(f"controlGroup_{field}:optionsListDataView", index)
            for index, field, _ in dashboard.controls
        ]
    return _saved("dashboard", dashboard.name, attributes, references)


def _enhancements(dashboard: Layout, name: str) -> dict[str, Any]:
    """The drilldown of a panel, if it has one.

    It takes the time range along, but of the filters only the click's own: another one might
    name a field that an index over there does not have, and its charts would be empty.
    """
    if name not in dashboard.drilldowns:
        return {}
    titles = {each.name: each.title for each in DASHBOARDS}
    event = {
        "eventId": _event_id(dashboard, name),
        "triggers": ["FILTER_TRIGGER"],
        "action": {
            "factoryId": "DASHBOARD_TO_DASHBOARD_DRILLDOWN",
            "name": f"Go to: {titles[dashboard.drilldowns[name]]}",
            "config": {
                "useCurrentFilters": False,
                "useCurrentDateRange": True,
                "openInNewTab": False,
            },
        },
    }
    return {"dynamicActions": {"events": [event]}}


def _event_id(dashboard: Layout, name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{dashboard.name}/{name}"))


def _drilldown_reference(dashboard: Layout, name: str) -> str:
    event = _event_id(dashboard, name)
    return f"drilldown:DASHBOARD_TO_DASHBOARD_DRILLDOWN:{event}:dashboardId"


def _controls(dashboard: Layout) -> dict[str, Any]:
    panels = {
        field: {
            "type": "optionsListControl",
            "order": order,
            "width": "medium",
            "grow": False,
            "explicitInput": {
                "id": field,
                "fieldName": field,
                "title": title,
                "singleSelect": True,
                "enhancements": {},
            },
        }
        for order, (_, field, title) in enumerate(dashboard.controls)
    }
    nothing = ("ignoreFilters", "ignoreQuery", "ignoreTimerange", "ignoreValidations")
    return {
        "controlStyle": "oneLine",
        "chainingSystem": "HIERARCHICAL",
        "ignoreParentSettingsJSON": _json(dict.fromkeys(nothing, False)),
        "panelsJSON": _json(panels),
    }


# Parts of all -------------------------------------------------------------------


def _query(text: str) -> dict[str, str]:
    return {"query": text, "language": "kuery"}


def _reference(name: str, index: str) -> dict[str, str]:
    return {"name": name, "type": "index-pattern", "id": object_id(index)}


def _saved(
    kind: str, name: str, attributes: dict[str, Any], references: list[dict[str, str]] | None = None
) -> SavedObject:
    return {
        "type": kind,
        "id": object_id(name),
        "attributes": attributes,
        "references": references or [],
        "coreMigrationVersion": CORE_VERSION,
        "typeMigrationVersion": TYPE_VERSIONS[kind],
        "managed": False,
    }


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
