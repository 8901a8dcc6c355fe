"""The field list of Discover: which fields an index has, and the values of one.

In: Settings and a search. Out: fields with their type, and top values with their share of
the documents that the search finds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import pandas as pd
from elasticsearch import NotFoundError

from workshop_lib.charts.ask import bucket_value, counting, no_index, send
from workshop_lib.charts.chart import Metric, Terms
from workshop_lib.charts.search import Request, Search
from workshop_lib.runtime.connections import elasticsearch
from workshop_lib.settings import Settings

#: Type of Elasticsearch → (icon, Kibana's word)
TYPES: Final[dict[str, tuple[str, str]]] = {
    "keyword": ("t", "keyword"),
    "long": ("#", "number"),
    "integer": ("#", "number"),
    "double": ("#", "number"),
    "date": ("◷", "date"),
    "boolean": ("◐", "boolean"),
    "geo_point": ("⊕", "geo point"),
}


class IndexField(NamedTuple):
    """A field of an index, its type as Kibana calls it, and an icon for that."""

    name: str
    type: str
    icon: str

    @property
    def label(self) -> str:
        return f"{self.icon} {self.name}"


def fields(settings: Settings, index: str) -> list[IndexField]:
    """The fields of ``index`` (a name without namespace), by name, from its mapping."""
    full = settings.index(index)
    try:
        answer = elasticsearch(settings).field_caps(index=full, fields="*")
    except NotFoundError:
        raise no_index(index) from None
    found = []
    for name, types in answer["fields"].items():
        kind = next(iter(types))
        if not types[kind]["metadata_field"]:
            icon, word = TYPES.get(kind, ("?", kind))
            found.append(IndexField(name, word, icon))
    return sorted(found)


@dataclass(frozen=True)
class TopValues:
    """The most frequent values of a field. ``table``: ``value``, ``plays`` and ``share`` (of
    all documents found, also those without the field)."""

    field: str
    table: pd.DataFrame
    records: int
    missing: int
    requests: list[Request]

    @property
    def rest(self) -> int:
        """Documents with another value than these."""
        return self.records - self.missing - int(self.table["plays"].sum())


def top_values(settings: Settings, search: Search, name: str, size: int = 5) -> TopValues:
    """The ``size`` most frequent values of field ``name`` among what ``search`` finds.

    A geo point has no top values: its table is empty. ``missing`` counts documents without one.
    """
    kinds = {each.name: each.type for each in fields(settings, search.index)}
    request = counting(search.query_over(search.time.span()))
    request.aggs.bucket("missing", "missing", field=name)
    if kinds.get(name) != "geo point":
        request.aggs.bucket("values", Terms(name, size).aggregation(Metric(), search.time.span()))
    (answer,), sent = send(settings, search, [request])
    records = answer["hits"]["total"]["value"]
    buckets = answer["aggregations"].get("values", {"buckets": []})["buckets"]
    rows = [(bucket_value(bucket), bucket["doc_count"]) for bucket in buckets]
    table = pd.DataFrame(rows, columns=["value", "plays"]).astype({"value": "object"})
    table["share"] = table["plays"] / records if records else 0.0
    missing = answer["aggregations"]["missing"]["doc_count"]
    return TopValues(name, table, records, missing, sent)
