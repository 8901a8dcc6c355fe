"""The tables of charts and dashboards as Kibana's saved objects.

In: ``CHARTS`` and ``DASHBOARDS``. Out: the objects, and NDJSON as ``_import`` takes it: one
object a line, the same bytes each time. What an object refers to is named in it and listed,
with type and id, in its ``references``.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from workshop_lib.charts.kibana.aggregations import bucket, metric
from workshop_lib.charts.kibana.charts import CHARTS, TIME_FIELD, Chart
from workshop_lib.charts.kibana.dashboards import DASHBOARDS, HOURS, REFRESH_SECONDS, Dashboard
from workshop_lib.charts.kibana.looks import LOOKS
from workshop_lib.charts.kibana.maps import place_map, state_map
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
PERCENT: Final[tuple[str, ...]] = ("error", "precision", "recall", "base_rate")


def object_id(name: str) -> str:
    """The id of the chart, dashboard or index of that name; ids never change."""
    return f"workshop-{name}"


def objects() -> list[SavedObject]:
    """Everything: data views, charts, dashboards."""
    used = {chart.reads for chart in CHARTS}
    return [
        *(data_view(index) for index in INDICES if index in used),
        *(chart_object(chart) for chart in CHARTS),
        *(dashboard_object(dashboard) for dashboard in DASHBOARDS),
    ]


def ndjson(saved: Iterable[SavedObject] | None = None) -> str:
    lines = objects() if saved is None else saved
    return "".join(_json(each) + "\n" for each in lines)


def write(path: Path = FILE) -> int:
    """Write all objects to ``path``; their number."""
    saved = objects()
    path.write_text(ndjson(saved), encoding="utf-8")
    return len(saved)


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


def chart_object(chart: Chart) -> SavedObject:
    return _BY_KIND.get(chart.kind, _aggregated)(chart)


def _documents(chart: Chart) -> SavedObject:
    time_field = TIME_FIELD[chart.reads]
    attributes = {
        **_named(chart),
        **_search_source(chart),
        "columns": list(chart.splits),
        "sort": [[time_field, "desc"]] if time_field else [["trained_at", "desc"]],
        "grid": {},
        "hideChart": False,
        "isTextBasedQuery": False,
        "timeRestore": False,
    }
    return _saved("search", chart.name, attributes, [_reference(SOURCE, chart.reads)])


def _aggregated(chart: Chart) -> SavedObject:
    look = LOOKS[chart.kind]
    metrics = [metric(chart, number) for number in range(len(chart.metrics))]
    places = [look.places[min(n, len(look.places) - 1)] for n in range(len(chart.splits))]
    buckets = list(zip(chart.splits, places, strict=True))
    if chart.charts:
        buckets.insert(0, (chart.charts, "split"))
    aggs = metrics + [
        bucket(chart, text, len(metrics) + n, place) for n, (text, place) in enumerate(buckets, 1)
    ]
    return _visualization(chart, look.type, aggs, look.params(chart, metrics))


def _vega(chart: Chart) -> SavedObject:
    return _visualization(chart, "vega", [], {"spec": json.dumps(state_map(chart), indent=2)})


def _visualization(
    chart: Chart, kind: str, aggs: list[dict[str, Any]], params: dict[str, Any]
) -> SavedObject:
    named = _named(chart)
    state = {"title": named["title"], "type": kind, "aggs": aggs, "params": params}
    attributes = {
        **named,
        **_search_source(chart),
        "uiStateJSON": "{}",
        "version": 1,
        "visState": _json(state),
    }
    return _saved("visualization", chart.name, attributes, [_reference(SOURCE, chart.reads)])


def _map(chart: Chart) -> SavedObject:
    made = place_map(chart)
    attributes = {
        **_named(chart),
        "layerListJSON": _json(made["layers"]),
        "mapStateJSON": _json(
            {
                **made["state"],
                "timeFilters": _time_range(),
                "refreshConfig": {"isPaused": False, "interval": REFRESH_SECONDS * 1000},
                "query": _query(""),
                "filters": [],
                "settings": {"autoFitToDataBounds": False, "backgroundColor": "#ffffff"},
            }
        ),
        "uiStateJSON": _json({"isLayerTOCOpen": False, "openTOCDetails": []}),
    }
    source = made["layers"][0]["sourceDescriptor"]["indexPatternRefName"]
    return _saved("map", chart.name, attributes, [_reference(source, chart.reads)])


_BY_KIND: Final[dict[str, Callable[[Chart], SavedObject]]] = {
    "documents": _documents,
    "state map": _vega,
    "map": _map,
}
_TYPE: Final = {"documents": "search", "map": "map"}


def object_type(chart: Chart) -> str:
    return _TYPE.get(chart.kind, "visualization")


def _named(chart: Chart) -> dict[str, Any]:
    """The stage before the title, so that a list of all is in the story's order."""
    return {"title": f"{chart.stage} · {chart.title}", "description": chart.question}


def _search_source(chart: Chart) -> dict[str, Any]:
    source = {"indexRefName": SOURCE, "query": _query(chart.where), "filter": []}
    return {"kibanaSavedObjectMeta": {"searchSourceJSON": _json(source)}}


# Dashboards ---------------------------------------------------------------------


def dashboard_object(dashboard: Dashboard) -> SavedObject:
    by_name = {chart.name: chart for chart in CHARTS}
    panels: list[dict[str, Any]] = []
    references: list[dict[str, str]] = []
    y = 0
    for row in dashboard.rows:
        x = 0
        for name, width in row.panels():
            chart = by_name[name]
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
        "timeFrom": _time_range()["from"],
        "timeTo": _time_range()["to"],
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


def _enhancements(dashboard: Dashboard, name: str) -> dict[str, Any]:
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


def _event_id(dashboard: Dashboard, name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{dashboard.name}/{name}"))


def _drilldown_reference(dashboard: Dashboard, name: str) -> str:
    event = _event_id(dashboard, name)
    return f"drilldown:DASHBOARD_TO_DASHBOARD_DRILLDOWN:{event}:dashboardId"


def _controls(dashboard: Dashboard) -> dict[str, Any]:
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


def _time_range() -> dict[str, str]:
    return {"from": f"now-{HOURS}h", "to": "now"}


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
