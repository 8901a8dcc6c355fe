"""What Kibana 8.19 takes at an import, and what it reads when a dashboard is opened.

In: saved objects as they stand in the NDJSON. Out: for each fault where it is and what is wrong.
Read from Kibana's sources and written down again as JSON Schema; not Kibana's own validation.

An object that is imported is first migrated to the newest version of its type, which one of a
newer version cannot be. Then its envelope and its attributes are validated against the schema of
that version: `search` has one (10.5), `dashboard` (10.3), `visualization` (one of 8.8.0, which is
used for all that come after). `index-pattern` and `map` have none: any attribute is taken.
Unknown attributes are refused, but for those of a dashboard and of its controls, which are
ignored. The texts inside are read later, when a dashboard is opened; ``opened`` is about these.
"""

from __future__ import annotations

import json
from typing import Any, Final

from jsonschema import Draft202012Validator

Schema = dict[str, Any]

TEXT: Final[Schema] = {"type": "string"}
NUMBER: Final[Schema] = {"type": "number"}
YES_NO: Final[Schema] = {"type": "boolean"}
PAIR: Final[Schema] = {"type": "array", "items": TEXT, "maxItems": 2}


def of(required: dict[str, Schema], optional: dict[str, Schema], unknown: bool = False) -> Schema:
    """An object with these members; others only if ``unknown``."""
    return {
        "type": "object",
        "required": list(required),
        "properties": required | optional,
        "additionalProperties": unknown,
    }


def one_of(*values: str) -> Schema:
    return {"enum": list(values)}


def list_of(items: Schema) -> Schema:
    return {"type": "array", "items": items}


#: The newest version of each type: what a type that has model versions calls 10.N.0.
NEWEST: Final = {
    "index-pattern": (8, 0, 0),
    "search": (10, 5, 0),
    "visualization": (8, 5, 0),
    "map": (8, 4, 0),
    "dashboard": (10, 3, 0),
}
CORE_NEWEST: Final = (8, 8, 0)

REFERENCE: Final = of({"name": TEXT, "type": TEXT, "id": TEXT}, {})
ENVELOPE: Final = of(
    {"id": TEXT | {"minLength": 1}, "type": one_of(*NEWEST), "attributes": {"type": "object"}},
    {
        "references": list_of(REFERENCE),
        "coreMigrationVersion": TEXT,
        "typeMigrationVersion": TEXT,
        "managed": YES_NO,
        **dict.fromkeys(("updated_at", "created_at", "version", "originId"), TEXT),
    },
)
SOURCE: Final = of({"searchSourceJSON": TEXT}, {})
REFRESH: Final = of({"pause": YES_NO, "value": NUMBER}, {"display": TEXT, "section": NUMBER})
TAKES: Final[dict[str, Schema]] = {
    "search": of(
        {"title": TEXT, "kibanaSavedObjectMeta": SOURCE},
        {
            "description": TEXT,
            "columns": list_of(TEXT),
            "sort": {"anyOf": [list_of(PAIR), PAIR]},
            "grid": of(
                {},
                {
                    "columns": {
                        "type": "object",
                        "additionalProperties": of({}, {"width": NUMBER}),
                    }
                },
            ),
            **dict.fromkeys(("rowHeight", "headerRowHeight", "rowsPerPage"), NUMBER),
            "sampleSize": NUMBER | {"minimum": 1, "maximum": 10_000},
            **dict.fromkeys(("hideChart", "isTextBasedQuery", "usesAdHocDataView"), YES_NO),
            **dict.fromkeys(("timeRestore", "hideAggregatedPreview"), YES_NO),
            "breakdownField": TEXT,
            "visContext": {"type": "object"},
            "timeRange": of({"from": TEXT, "to": TEXT}, {}),
            "refreshInterval": of({"pause": YES_NO, "value": NUMBER}, {}),
            "viewMode": one_of("documents", "patterns", "aggregated"),
            "density": one_of("compact", "normal", "expanded"),
            **dict.fromkeys(("hits", "version"), NUMBER),
        },
    ),
    "visualization": of(
        {"title": TEXT},
        {
            "version": NUMBER,
            "kibanaSavedObjectMeta": SOURCE,
            **dict.fromkeys(("description", "uiStateJSON", "visState", "savedSearchRefName"), TEXT),
        },
    ),
    "dashboard": of(
        {"title": TEXT},
        {
            **dict.fromkeys(("description", "timeFrom", "timeTo", "panelsJSON"), TEXT),
            "optionsJSON": TEXT,
            "kibanaSavedObjectMeta": of({}, {"searchSourceJSON": TEXT}),
            "timeRestore": YES_NO,
            "refreshInterval": REFRESH,
            "controlGroupInput": of(
                {},
                {
                    **dict.fromkeys(("panelsJSON", "controlStyle", "chainingSystem"), TEXT),
                    "ignoreParentSettingsJSON": TEXT,
                    "showApplySelections": YES_NO,
                },
                unknown=True,
            ),
            **dict.fromkeys(("hits", "version"), NUMBER),
        },
        unknown=True,
    ),
}
ANY: Final[Schema] = {"type": "object"}

#: Of a dashboard that is opened: its texts, by the names of the attributes they are in.
PANELS: Final = list_of(
    of(
        {
            "type": TEXT,
            "gridData": of(
                {"x": NUMBER, "y": NUMBER, "i": TEXT},
                {
                    "w": NUMBER | {"minimum": 1, "maximum": 48},
                    "h": NUMBER | {"minimum": 1},
                    "sectionId": TEXT,
                },
            ),
            "panelIndex": TEXT,
        },
        {
            "embeddableConfig": of(
                {},
                {
                    **dict.fromkeys(("version", "title", "description", "savedObjectId"), TEXT),
                    "hidePanelTitles": YES_NO,
                    "enhancements": {"type": "object"},
                },
                unknown=True,
            ),
            **dict.fromkeys(("panelRefName", "title", "version", "id"), TEXT),
        },
        unknown=True,
    )
)
OPTIONS: Final = of(
    {},
    dict.fromkeys(
        ("hidePanelTitles", "useMargins", "syncColors", "syncTooltips", "syncCursor"), YES_NO
    ),
)
CONTROLS: Final[Schema] = {
    "type": "object",
    "additionalProperties": of(
        {"type": TEXT, "order": NUMBER},
        {
            "width": one_of("small", "medium", "large"),
            "grow": YES_NO,
            "explicitInput": {"type": "object"},
        },
        unknown=True,
    ),
}
GROUP: Final = of(
    {},
    {
        "controlStyle": one_of("oneLine", "twoLine"),
        "chainingSystem": one_of("HIERARCHICAL", "NONE"),
    },
    unknown=True,
)
IGNORE: Final = of(
    {},
    dict.fromkeys(("ignoreFilters", "ignoreQuery", "ignoreTimerange", "ignoreValidations"), YES_NO),
    unknown=True,
)


def refused(each: dict[str, Any]) -> list[str]:
    """Why Kibana would not take the object; empty if it would."""
    faults = _faults(ENVELOPE, each)
    if faults:
        return faults
    kind = each["type"]
    for name, newest in (
        ("coreMigrationVersion", CORE_NEWEST),
        ("typeMigrationVersion", NEWEST[kind]),
    ):
        if name in each and tuple(map(int, each[name].split("."))) > newest:
            faults.append(f"{name}: {each[name]} belongs to a more recent version")
    return faults + _faults(TAKES.get(kind, ANY), each["attributes"], "attributes")


def opened(dashboard: dict[str, Any]) -> list[str]:
    """What Kibana could not read of a dashboard that it has taken."""
    attributes = dashboard["attributes"]
    faults = _faults(PANELS, json.loads(attributes["panelsJSON"]), "panelsJSON")
    faults += _faults(OPTIONS, json.loads(attributes["optionsJSON"]), "optionsJSON")
    group = attributes.get("controlGroupInput")
    if group is not None:
        faults += _faults(GROUP, group, "controlGroupInput")
        faults += _faults(CONTROLS, json.loads(group["panelsJSON"]), "controls")
        faults += _faults(IGNORE, json.loads(group["ignoreParentSettingsJSON"]), "ignore")
    return faults


def _faults(schema: Schema, value: Any, at: str = "") -> list[str]:
    found = sorted(Draft202012Validator(schema).iter_errors(value), key=lambda e: str(e.path))
    return [
        f"{'.'.join([at, *map(str, error.path)]).strip('.')}: {error.message}" for error in found
    ]
