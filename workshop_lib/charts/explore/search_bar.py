"""The head of every view: time range, query and filter pills, with back and forward.

In: a search and whom to tell when it changes. Out: the changed search. A widget, and thin:
what a search is stands in ``search``. Every control works by keyboard, and from code by
setting ``.value`` and calling ``.click()``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import ipywidgets as widgets

from workshop_lib.charts.explore import html
from workshop_lib.charts.explore.controls import button
from workshop_lib.charts.explore.history import History
from workshop_lib.charts.fields import Field, fields
from workshop_lib.charts.search import OPERATORS, Filter, Search, Value
from workshop_lib.charts.time_range import COMMONLY_USED, TimeRange
from workshop_lib.errors import WorkshopError
from workshop_lib.settings import Settings

ABSOLUTE: Final = "Absolute"


class SearchBar:
    """``search`` is what is shown; ``to`` goes to another; ``changed`` is called after."""

    def __init__(self, settings: Settings, search: Search, changed: Callable[[], None]) -> None:
        self.fields: list[Field] = fields(settings, search.index)
        self._changed = changed
        self._quiet = False
        self.history: History[Search] = History()
        self.message = widgets.HTML()
        wide = widgets.Layout(width="auto", flex="1 1 auto", min_width="160px")
        narrow = widgets.Layout(width="auto", flex="0 1 190px")
        self.back = button("◀ Back", "Back to the search before")
        self.forward = button("Forward ▶", "Forward to the search after")
        self.refresh = button("Refresh", "Ask again", "primary")
        self.time = widgets.Dropdown(
            options=[*COMMONLY_USED, ABSOLUTE], description="Time range", layout=narrow
        )
        self.time.layout.flex = "0 1 260px"
        self.start = widgets.Text(description="from", continuous_update=False, layout=narrow)
        self.end = widgets.Text(description="to", continuous_update=False, layout=narrow)
        self.start.style.description_width = self.end.style.description_width = "36px"
        self.query = widgets.Text(
            description="Search",
            placeholder="Lucene syntax, for example: is_mobile:true AND zip:9*",
            continuous_update=False,
            layout=wide,
        )
        names = [(each.label, each.name) for each in self.fields]
        self.field = widgets.Dropdown(options=names, description="Add filter", layout=narrow)
        self.field.layout.flex = "0 1 260px"
        self.operator = widgets.Dropdown(
            options=list(OPERATORS), layout=widgets.Layout(width="auto", flex="0 1 130px")
        )
        self.value = widgets.Text(
            placeholder="value; several with a comma", continuous_update=False, layout=narrow
        )
        self.add = button("Add", "Add this filter")
        self.pills = widgets.VBox()
        row = widgets.Layout(flex_flow="row wrap", align_items="center")
        self.view = widgets.VBox(
            [
                widgets.HBox(
                    [self.time, self.start, self.end, self.back, self.forward, self.refresh],
                    layout=row,
                ),
                widgets.HBox([self.query], layout=row),
                widgets.HBox([self.field, self.operator, self.value, self.add], layout=row),
                self.pills,
                self.message,
            ]
        )
        self.time.observe(lambda _: self._do(self._take_time), "value")
        for text in (self.start, self.end):
            text.observe(lambda _: self._do(self._take_moments), "value")
        self.query.observe(
            lambda _: self._do(lambda: self.to(replace(self.search, query=self.query.value))),
            "value",
        )
        self.add.on_click(lambda _: self._do(self._take_filter))
        self.back.on_click(lambda _: self._do(lambda: self._at(self.history.back())))
        self.forward.on_click(lambda _: self._do(lambda: self._at(self.history.forward())))
        self.refresh.on_click(lambda _: self._do(lambda: self._at(self.search)))
        self.history.visit(search)
        self._show()

    @property
    def search(self) -> Search:
        return self.history.states[self.history.place]

    def to(self, search: Search) -> None:
        """Go to ``search``, remembering where one was."""
        search.time.span()  # an impossible one is refused before it is gone to
        self.history.visit(search)
        self._at(search)

    def run(self, action: Callable[[], None]) -> None:
        """Do ``action``; what goes wrong is said in one line, without a traceback."""
        try:
            self.message.value = ""
            action()
        except WorkshopError as error:
            self.message.value = html.message(str(error))

    def _do(self, action: Callable[[], None]) -> None:
        if not self._quiet:
            self.run(action)

    def _at(self, search: Search) -> None:
        self._show()
        self._changed()

    def _take_time(self) -> None:
        if self.time.value == ABSOLUTE:  # show as moments what was named
            span = self.search.time.span()
            self.to(replace(self.search, time=TimeRange.between(span.start, span.end)))
        else:
            self.to(replace(self.search, time=TimeRange.named(self.time.value)))

    def _take_moments(self) -> None:
        self.to(replace(self.search, time=TimeRange(self.start.value, self.end.value)))

    def _take_filter(self) -> None:
        """Numbers and booleans as such; words and moments as they are written."""
        kind = next(each.type for each in self.fields if each.name == self.field.value)
        several = OPERATORS[self.operator.value][0] in ("is one of", "is between")
        words = self.value.value.split(",") if several else [self.value.value]
        if OPERATORS[self.operator.value][0] == "exists":
            words = []
        values = [value_of(word.strip(), kind) for word in words]
        self.to(self.search.add(Filter.of(self.field.value, self.operator.value, *values)))

    def _show(self) -> None:
        """The controls as the search is."""
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
        words = widgets.Label(str(each), layout=widgets.Layout(width="auto", min_width="220px"))
        if not each.enabled:
            words.style.text_decoration = "line-through"
        box = widgets.Layout(width="auto", margin="0 12px")
        on = widgets.Checkbox(each.enabled, description="enabled", indent=False, layout=box)
        exclude = widgets.Checkbox(each.exclude, description="exclude", indent=False, layout=box)
        delete = button("Delete", f"Delete the filter {each}")

        def set_(**what: bool) -> None:
            self._do(lambda: self.to(self.search.change(place, **what)))

        on.observe(lambda change: set_(enabled=change["new"]), "value")
        exclude.observe(lambda change: set_(exclude=change["new"]), "value")
        delete.on_click(lambda _: self._do(lambda: self.to(self.search.without(place))))
        return widgets.HBox(
            [words, on, exclude, delete],
            layout=widgets.Layout(
                align_items="center", border_left="4px solid #0072B2", padding="0 0 0 8px"
            ),
        )


def value_of(word: str, kind: str) -> Value:
    """``word`` as a value of a field of this type. Raises ``WorkshopError``."""
    if kind == "boolean":
        if word.lower() in ("true", "false"):
            return word.lower() == "true"
        raise WorkshopError(f"{word!r} is neither true nor false.")
    if kind == "number":
        try:
            return float(word) if "." in word else int(word)
        except ValueError:
            raise WorkshopError(f"{word!r} is no number.") from None
    return word
