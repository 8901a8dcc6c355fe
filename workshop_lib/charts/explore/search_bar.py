"""The head of every view: time range, query and filter pills, with back and forward.

In: a search, and what to call when it changes. Out: the changed search. A widget, and thin:
what a search is stands in ``search``. Every control works by keyboard, and from code by
setting ``.value`` and calling ``.click()``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import ipywidgets as widgets

from workshop_lib.charts.explore import html
from workshop_lib.charts.explore.controls import button, choice, entry, row, tick
from workshop_lib.charts.explore.history import History
from workshop_lib.charts.fields import IndexField, fields
from workshop_lib.charts.search import OPERATORS, Filter, Search, Value
from workshop_lib.charts.time_range import COMMONLY_USED, TimeRange
from workshop_lib.errors import WorkshopError
from workshop_lib.settings import Settings

ABSOLUTE: Final = "Absolute"
SYNTAX: Final = "Lucene or KQL, for example: is_mobile:true AND zip:9*"


class SearchBar:
    """``search`` is what is shown; ``to`` goes to another; ``changed`` is called after."""

    def __init__(self, settings: Settings, search: Search, changed: Callable[[], None]) -> None:
        self.fields: list[IndexField] = fields(settings, search.index)
        self._changed = changed
        self._quiet = False
        self.history: History[Search] = History()
        self.message = widgets.HTML()

        def on(action: Callable[[], None]) -> Callable[[], None]:
            return lambda: self._do(action)

        self.back = button("◀ Back", "Back to the search before", on(self._back))
        self.forward = button("Forward ▶", "Forward to the search after", on(self._forward))
        self.refresh = button("Refresh", "Ask again", on(self._at), "primary")
        ranges = [*COMMONLY_USED, ABSOLUTE]
        self.time = choice("Time range", ranges, "230px", on(self._take_time))
        self.start = entry("from", "170px", changed=on(self._take_moments))
        self.end = entry("to", "170px", changed=on(self._take_moments))
        self.start.style.description_width = self.end.style.description_width = "36px"
        self.query = entry("Search", changed=on(self._take_query), placeholder=SYNTAX)
        self.query.layout.flex = "1 1 auto"
        names = [(each.label, each.name) for each in self.fields]
        self.field = choice("Add filter", names, "260px")
        self.operator = choice("", list(OPERATORS), "130px")
        self.value = entry(placeholder="value; several with a comma")
        self.add = button("Add", "Add this filter", on(self._take_filter))
        self.pills = widgets.VBox()
        self.view = widgets.VBox(
            [
                row(self.time, self.start, self.end, self.back, self.forward),
                row(self.query, self.refresh),
                row(self.field, self.operator, self.value, self.add),
                self.pills,
                self.message,
            ]
        )
        self.history.visit(search)
        self._show()

    @property
    def search(self) -> Search:
        return self.history.states[self.history.place]

    def to(self, search: Search) -> None:
        """Go to ``search``; back leads to the present one."""
        search.time.span()  # an impossible one is refused before it is gone to
        self.history.visit(search)
        self._at()

    def run(self, action: Callable[[], None]) -> None:
        """Do ``action``; an error is shown in one line, without a traceback."""
        try:
            self.message.value = ""
            action()
        except WorkshopError as error:
            self.message.value = html.message(str(error))

    def _do(self, action: Callable[[], None]) -> None:
        if not self._quiet:
            self.run(action)

    def _at(self) -> None:
        self._show()
        self._changed()

    def _back(self) -> None:
        self.history.back()
        self._at()

    def _forward(self) -> None:
        self.history.forward()
        self._at()

    def _change(self, **what: Any) -> None:
        self.to(replace(self.search, **what))

    def _take_time(self) -> None:
        if self.time.value == ABSOLUTE:  # the named range as moments
            span = self.search.time.span()
            self._change(time=TimeRange.between(span.start, span.end))
        else:
            self._change(time=TimeRange.named(self.time.value))

    def _take_moments(self) -> None:
        self._change(time=TimeRange(self.start.value, self.end.value))

    def _take_query(self) -> None:
        self._change(query=self.query.value)

    def _take_filter(self) -> None:
        """Numbers and booleans as such; words and moments as they are written."""
        kind = next(each.type for each in self.fields if each.name == self.field.value)
        operator, _ = OPERATORS[self.operator.value]
        several = operator in ("is one of", "is between")
        words = self.value.value.split(",") if several else [self.value.value]
        values = [] if operator == "exists" else [parse_value(word.strip(), kind) for word in words]
        self.to(self.search.add(Filter.of(self.field.value, self.operator.value, *values)))

    def _show(self) -> None:
        """Set the controls as the search is."""
        self._quiet = True
        search = self.search
        name = str(search.time)
        self.time.value = name if name in COMMONLY_USED else ABSOLUTE
        self.start.value, self.end.value = search.time.start, search.time.end
        self.query.value = search.query
        self.back.disabled = not self.history.can_go_back
        self.forward.disabled = not self.history.can_go_forward
        self.pills.children = [self._pill(place, x) for place, x in enumerate(search.filters)]
        self._quiet = False

    def _pill(self, place: int, each: Filter) -> widgets.Widget:
        """A filter with its switches: enabled, exclude results, delete."""

        def do(change: Callable[[], Search]) -> Callable[[], None]:
            return lambda: self._do(lambda: self.to(change()))

        words = widgets.Label(str(each), layout=widgets.Layout(width="auto", min_width="220px"))
        if not each.enabled:
            words.style.text_decoration = "line-through"
        on = tick("enabled", each.enabled, do(lambda: self.search.change(place, enabled=on.value)))
        exclude = tick(
            "exclude", each.exclude, do(lambda: self.search.change(place, exclude=exclude.value))
        )
        delete = button(
            "Delete", f"Delete the filter {each}", do(lambda: self.search.without(place))
        )
        pill = row(words, on, exclude, delete)
        pill.layout.border_left, pill.layout.padding = "4px solid #0072B2", "0 0 0 8px"
        return pill


def parse_value(word: str, kind: str) -> Value:
    """``word`` as a value of a field of this type. Raises ``WorkshopError``."""
    if kind == "boolean":
        if word.lower() in ("true", "false"):
            return word.lower() == "true"
        raise WorkshopError(f"{word!r} is neither true nor false.")
    if kind == "number":
        try:
            return float(word) if "." in word else int(word)
        except ValueError:
            raise WorkshopError(f"{word!r} is not a number.") from None
    return word
