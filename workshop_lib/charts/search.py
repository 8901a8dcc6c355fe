"""A search as data: index, time range, filters, query text; and the request that it becomes.

In: what a learner chose. Out: the body of ``_search``, and the same as text for Kibana's
Dev Tools. No server is asked here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from elasticsearch.dsl import Q
from elasticsearch.dsl.query import Query

from workshop_lib.charts.kql import lucene
from workshop_lib.charts.time_range import Span, TimeRange
from workshop_lib.errors import WorkshopError
from workshop_lib.schema.names import PLAYS_INDEX

Value = str | int | float | bool
Operator = Literal["is", "is one of", "is between", "exists"]

#: Kibana's words → (operator, whether it excludes)
OPERATORS: Final[dict[str, tuple[Operator, bool]]] = {
    "is": ("is", False),
    "is not": ("is", True),
    "is one of": ("is one of", False),
    "is not one of": ("is one of", True),
    "is between": ("is between", False),
    "is not between": ("is between", True),
    "exists": ("exists", False),
    "does not exist": ("exists", True),
}


@dataclass(frozen=True)
class Filter:
    """One pill: a condition on a field, with switches to exclude and to disable it.

    ``values``: one for ``is``, any for ``is one of``, lower (included) and upper (not) for
    ``is between``, none for ``exists``.
    """

    field: str
    values: tuple[Value, ...] = ()
    operator: Operator = "is"
    exclude: bool = False
    enabled: bool = True

    @classmethod
    def of(cls, field: str, words: str, *values: Value) -> Filter:
        """``Filter.of("device", "is not", "pc")``, in Kibana's words. Raises ``WorkshopError``."""
        if words not in OPERATORS:
            raise WorkshopError(f"No operator is called {words!r}.", f"Use {', '.join(OPERATORS)}.")
        operator, exclude = OPERATORS[words]
        needed = {"is": 1, "is between": 2, "exists": 0}.get(operator, max(1, len(values)))
        if len(values) != needed:
            raise WorkshopError(f"{field} {words} needs {needed} value(s), not {len(values)}.")
        return cls(field, values, operator, exclude)

    def query(self) -> Query:
        """What documents must, or with ``exclude`` must not, match."""
        if self.operator == "is":
            return Q("term", **{self.field: self.values[0]})
        if self.operator == "is one of":
            return Q("terms", **{self.field: list(self.values)})
        if self.operator == "is between":
            return Q("range", **{self.field: {"gte": self.values[0], "lt": self.values[1]}})
        return Q("exists", field=self.field)

    def __str__(self) -> str:
        """The pill's text, as Kibana writes it."""
        words = [text(value) for value in self.values]
        said = {
            "is": words[0] if words else "",
            "is one of": "one of " + ", ".join(words),
            "is between": " to ".join(words),
            "exists": "exists",
        }[self.operator]
        return f"{'NOT ' if self.exclude else ''}{self.field}: {said}"


def text(value: Any) -> str:
    """A value as Kibana shows it: true and false, and "(empty)" for an empty text."""
    if isinstance(value, bool):
        return str(value).lower()
    return "(empty)" if value == "" else str(value)


@dataclass(frozen=True)
class Search:
    """Which documents: those of ``index`` (a name without namespace) in the time range that
    pass every enabled filter and match ``query`` (Lucene or KQL; empty: all)."""

    index: str = PLAYS_INDEX
    time: TimeRange = field(default_factory=TimeRange)
    filters: tuple[Filter, ...] = ()
    query: str = ""
    time_field: str = "played_at"

    def add(self, *filters: Filter) -> Search:
        """With ``filters``; one that it already has is not added twice."""
        new = tuple(each for each in filters if each not in self.filters)
        return replace(self, filters=self.filters + new)

    def without(self, place: int) -> Search:
        """Without filter number ``place``."""
        return replace(self, filters=self.filters[:place] + self.filters[place + 1 :])

    def change(self, place: int, **what: Any) -> Search:
        """With ``exclude`` or ``enabled`` of filter number ``place`` set."""
        filters = list(self.filters)
        filters[place] = replace(filters[place], **what)
        return replace(self, filters=tuple(filters))

    def between(self, start: int, end: int) -> Search:
        """The same from ``start`` to ``end``, ms since 1970."""
        return replace(self, time=TimeRange.between(start, end))

    def query_over(self, span: Span) -> Query:
        """The query of Elasticsearch, over ``span``; all of it as filters: nothing is scored."""
        enabled = [each for each in self.filters if each.enabled]
        words = [Q("query_string", query=lucene(self.query))] if self.query.strip() else []
        must = [span.query(self.time_field), *words, *(f.query() for f in enabled if not f.exclude)]
        return Q("bool", filter=must, must_not=[f.query() for f in enabled if f.exclude])


@dataclass(frozen=True)
class Request:
    """What was sent: the full name of the index, and the body of ``_search``."""

    index: str
    body: dict[str, Any]

    def console(self) -> str:
        """For Kibana → Dev Tools → Console, or after ``curl -XGET``: paste, and run."""
        return f"GET {self.index}/_search\n{layout(self.body)}"

    def __str__(self) -> str:
        return self.console()

    def __repr__(self) -> str:
        return self.console()


def layout(value: Any, indent: str = "", width: int = 88) -> str:
    """JSON with short parts on one line, so that a query can be read at a glance."""
    flat = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(flat) <= width and flat.count("{") <= 4:
        return flat
    deeper = indent + "  "
    if isinstance(value, dict) and value:
        rows = [
            f"{deeper}{json.dumps(key, ensure_ascii=False)}: {layout(item, deeper, width)}"
            for key, item in value.items()
        ]
        return "{\n" + ",\n".join(rows) + f"\n{indent}}}"
    if isinstance(value, list) and value:
        rows = [deeper + layout(item, deeper, width) for item in value]
        return "[\n" + ",\n".join(rows) + f"\n{indent}]"
    return flat
