"""What can be wrong with Kibana's saved objects, each a function: objects → the faults found."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from kibana_query import Object, Question, Span

Caps = Callable[[str], dict[str, dict[str, Any]]]
NUMBERS = {"long", "integer", "double"}
#: What a field is used for → the types that Elasticsearch can do that with; None: any.
TYPES: dict[str, set[str] | None] = {
    "time": {"date"},
    "date_histogram": {"date"},
    "histogram": NUMBERS,
    "sum": NUMBERS,
    "avg": NUMBERS,
    "max": NUMBERS,
    "terms": {"keyword", "boolean", "long", "integer"},
    "cardinality": {"keyword", "long", "integer"},
    "geotile_grid": {"geo_point"},
    "geo_centroid": {"geo_point"},
    "sort": {"date"},
    "column": None,
}


def repeated_ids(objects: list[Object]) -> list[str]:
    return [id_ for id_, times in Counter(each["id"] for each in objects).items() if times > 1]


def named_references(each: Object) -> Iterator[str]:
    """The names that an object's content uses for what it refers to."""
    attributes = each["attributes"]
    source = attributes.get("kibanaSavedObjectMeta", {}).get("searchSourceJSON", "{}")
    if "indexRefName" in (found := json.loads(source)):
        yield found["indexRefName"]
    for layer in json.loads(attributes.get("layerListJSON", "[]")):
        yield layer["sourceDescriptor"]["indexPatternRefName"]
    for panel in json.loads(attributes.get("panelsJSON", "[]")):
        index = panel["panelIndex"]
        yield f"{index}:{panel['panelRefName']}"
        for event in drilldowns(panel):
            factory = event["action"]["factoryId"]
            yield f"{index}:drilldown:{factory}:{event['eventId']}:dashboardId"
    controls = json.loads(attributes.get("controlGroupInput", {}).get("panelsJSON", "{}"))
    for id_, control in controls.items():
        assert control["explicitInput"]["id"] == id_
        yield f"controlGroup_{id_}:optionsListDataView"


def drilldowns(panel: Object) -> list[Object]:
    events = panel["embeddableConfig"]["enhancements"].get("dynamicActions", {}).get("events", [])
    return list(events)


def broken_references(objects: list[Object]) -> list[str]:
    """References to nothing, ones that are used and not listed, and ones listed and not used."""
    there = {(each["type"], each["id"]) for each in objects}
    faults = []
    for each in objects:
        listed = {ref["name"]: (ref["type"], ref["id"]) for ref in each["references"]}
        used = set(named_references(each))
        faults += [
            f"{each['id']}: no {target}" for target in listed.values() if target not in there
        ]
        faults += [f"{each['id']}: {name} is not listed" for name in used - set(listed)]
        faults += [f"{each['id']}: {name} is not used" for name in set(listed) - used]
        if len(listed) < len(each["references"]):
            faults.append(f"{each['id']}: a name twice")
    return faults


def wrong_fields(asked: Iterable[Question], caps: Caps) -> list[str]:
    """Fields that an index does not have, or that cannot be used as a chart uses them."""
    faults = []
    for question in asked:
        known = caps(question.index)
        for field, use in question.fields:
            (cap,) = known.get(field, {"none": {"type": "absent"}}).values()
            allowed = TYPES[use]
            right = allowed is None or (cap["type"] in allowed and cap["aggregatable"])
            if cap["type"] == "absent" or not right:
                faults.append(f"{question.name}: {field} for {use} is {cap['type']}")
    return faults


def empty(asked: Iterable[Question], span: Span, search: Callable[..., Any]) -> list[str]:
    """Charts that would show nothing, or columns of which no document has anything."""
    faults = []
    for question in asked:
        answer = search(question, span)
        if not answer["hits"]["total"]["value"]:
            faults.append(f"{question.name}: no document")
        for column in question.body.get("fields", []):
            if not any(column in hit.get("fields", {}) for hit in answer["hits"]["hits"]):
                faults.append(f"{question.name}: nothing in column {column}")
        for agg in answer.get("aggregations", {}).values():
            if not agg.get("buckets", [agg.get("value")]) or agg.get("value", 1) is None:
                faults.append(f"{question.name}: no bucket")
    return faults


def levels(body: dict[str, Any]) -> list[tuple[str, str, str]]:
    """(id, kind, field) of the nested buckets of a request, outermost first."""
    for id_, agg in body.get("aggs", {}).items():
        inner = {"aggs": agg.get("aggs", {})}
        (kind,) = set(agg) - {"aggs"}
        if kind in ("terms", "histogram", "date_histogram", "geotile_grid"):
            return [(id_, kind, agg[kind]["field"]), *levels(inner)]
    return []


def counted(aggregations: dict[str, Any], ids: list[str]) -> int:
    """Documents that the buckets of all levels hold together, those left to "other" too."""
    if not ids:
        raise ValueError("no bucket")
    this, *inner = ids
    found = aggregations[this]
    held = sum(counted(each, inner) if inner else each["doc_count"] for each in found["buckets"])
    return int(held + found.get("sum_other_doc_count", 0))
