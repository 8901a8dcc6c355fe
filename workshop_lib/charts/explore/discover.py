"""Discover: search, look at single documents, learn what the fields hold.

In: Settings and an index. Out: a widget. It only holds together what the other modules do;
from code it is driven by ``.value`` and ``.click()`` of its controls.
"""

from __future__ import annotations

from typing import Final

import ipywidgets as widgets

from workshop_lib.charts import saved
from workshop_lib.charts.ask import Found, find
from workshop_lib.charts.explore import html
from workshop_lib.charts.explore.controls import View, button, entry, inspect
from workshop_lib.charts.explore.search_bar import SearchBar
from workshop_lib.charts.fields import top_values
from workshop_lib.charts.pictures.draw import histogram
from workshop_lib.charts.search import Filter, Request, Search, text
from workshop_lib.charts.time_range import TimeRange, readable
from workshop_lib.errors import WorkshopError
from workshop_lib.schema.names import PLAYS_INDEX
from workshop_lib.settings import Settings

#: Documents in the table.
SHOWN: Final = 10


class Discover(View):
    """Kibana's Discover. ``found`` is what is shown; ``request`` how it was asked for."""

    def __init__(
        self, settings: Settings, index: str = PLAYS_INDEX, time: str = "Last 15 minutes"
    ) -> None:
        self._settings = settings
        self.columns: tuple[str, ...] = ()
        self.bar = SearchBar(settings, Search(index, TimeRange.named(time)), self._ask)
        run = self.bar.run
        self.found: Found | None = None
        self._drawn = True
        html_ = [widgets.HTML() for _ in range(4)]
        self.hits, self.histogram, self.documents, self.request_text = html_
        self.bars = widgets.SelectionRangeSlider(
            options=[""],
            description="Bars",
            readout=False,
            continuous_update=False,
            layout=widgets.Layout(width="auto", flex="1 1 auto"),
        )
        self.chosen = widgets.Label(layout=widgets.Layout(margin="2px 6px 2px 14px"))
        self.zoom = button(
            "Zoom to bars", "Narrow the time range to the chosen bars", lambda: run(self._zoom)
        )
        self.field = widgets.Select(
            options=[(each.label, each.name) for each in self.bar.fields],
            value=None,
            rows=min(14, len(self.bar.fields)),
            layout=widgets.Layout(width="auto"),  # with its margins, 100 % would be cut off
        )
        self.column = button(
            "Add as column",
            "Show the chosen field in the table",
            lambda: run(self._toggle_column),
        )
        self.values = widgets.VBox()
        self.name = entry(width="180px", placeholder="name")
        self.save = button("Save", "Save this search under the name", lambda: run(self._save))
        left = widgets.VBox(
            [widgets.HTML("<b>Available fields</b>"), self.field, self.column, self.values],
            layout=widgets.Layout(flex="0 0 250px", width="250px", margin="0 16px 0 0"),
        )
        right = widgets.VBox(
            [
                self.hits,
                self.histogram,
                widgets.HBox([self.bars, self.chosen, self.zoom]),
                self.documents,
                inspect(request=self.request_text),
                widgets.HBox([self.name, self.save]),
            ],
            layout=widgets.Layout(flex="1 1 auto", min_width="0"),
        )
        self.view = widgets.VBox([self.bar.view, widgets.HBox([left, right])])
        self.bars.observe(lambda _: self._mark(), "index")
        self.field.observe(lambda _: run(self._show_values), "value")
        run(self._ask)

    # What a learner may read or call --------------------------------------------------

    @property
    def search(self) -> Search:
        return self.bar.search

    @property
    def request(self) -> Request | None:
        return self.found.requests[0] if self.found else None

    def __repr__(self) -> str:
        hits = f"{self.found.hits:,} hits" if self.found else "not asked"
        pills = "".join(f", {each}" for each in self.search.filters)
        return f"Discover {self.search.index}: {hits}, {self.search.time}{pills}"

    def open(self, name: str) -> None:
        """Show the saved search ``name``, over the present time range."""
        found = saved.named("search", saved.load(self._settings).searches, name)
        self.columns = found.columns
        self.bar.to(found.search)

    def choose_bars(self, first: int, last: int) -> None:
        """Mark bars number ``first`` to ``last``, as far as there are so many."""
        end = len(self.bars.options) - 1
        first = min(max(first, 0), end)
        self.bars.index = (first, min(max(last, first), end))

    # What the controls do -------------------------------------------------------------

    def _ask(self) -> None:
        found = find(self._settings, self.search, SHOWN)
        self.found = found
        self.hits.value = (
            f"<b>{found.hits:,} hits</b> &nbsp; {self.search.time}, a bar per {found.interval.name}"
            if found.hits
            else "<b>No results match your search criteria.</b> Try a longer time range."
        )
        starts = [f"{when:%d %b %H:%M:%S}" for when in found.histogram.index] or [""]
        self._drawn = False  # each of the next two lines would draw
        self.bars.options = [(start, place) for place, start in enumerate(starts)]
        self.choose_bars(0, len(starts) - 1)
        self._drawn = True
        self._mark()
        self._show_documents()
        self.request_text.value = html.request_text(found.requests)
        self._show_values()

    def _mark(self) -> None:
        if self.found and self._drawn and self.found.hits:
            span = self.found.bar(*self.bars.index)
            self.chosen.value = (
                f"{readable(span.start, span.zone)} to {readable(span.end, span.zone)}"
            )
            self.histogram.value = histogram(self.found, self.bars.index)._repr_html_()
        elif self._drawn:
            self.histogram.value = self.chosen.value = ""

    def _zoom(self) -> None:
        if not self.found or not self.found.hits:
            raise WorkshopError("There are no bars to zoom to.", "Try a longer time range.")
        span = self.found.bar(*self.bars.index)
        self.bar.to(self.search.between(span.start, span.end))

    def _show_documents(self) -> None:
        rows = self.found.documents if self.found else []
        time = self.search.time_field
        names = [each.name for each in self.bar.fields if each.name != time]
        columns = [time, *(self.columns or names)]
        caption = f"The newest {len(rows)} documents"
        self.documents.value = html.table(rows, columns, caption) if rows else ""

    def _toggle_column(self) -> None:
        name = self.field.value
        if name and name != self.search.time_field:
            rest = tuple(each for each in self.columns if each != name)
            self.columns = rest if name in self.columns else (*self.columns, name)
            self._show_documents()
            self._show_values()

    def _show_values(self) -> None:
        """The top values of the chosen field, each with its two buttons."""
        name = self.field.value
        if name is None:
            self.values.children = [widgets.Label("Choose a field to see its top values.")]
            return
        self.column.description = "Remove column" if name in self.columns else "Add as column"
        top = top_values(self._settings, self.search, name)
        wide = widgets.Layout(flex="1 1 auto", width="auto", min_width="0", margin="0")
        rows = [
            widgets.HBox(
                [
                    widgets.HTML(html.bar(text(value), share), layout=wide),
                    self._filter_button("+", "Filter for", Filter.of(name, "is", value)),
                    self._filter_button("−", "Filter out", Filter.of(name, "is not", value)),
                ]
            )
            for value, share in zip(top.table["value"], top.table["share"], strict=True)
        ]
        head = widgets.HTML(f"<b>Top values</b> of {top.records:,} hits")
        rest = f"{top.rest:,} hits have other values, {top.missing:,} have none"
        self.values.children = [head, *rows, widgets.HTML(rest)]

    def _filter_button(self, sign: str, words: str, add: Filter) -> widgets.Button:
        tooltip = f"{words} {add.field}: {text(add.values[0])}"

        def filter_() -> None:
            self.bar.run(lambda: self.bar.to(self.search.add(add)))

        return button(sign, tooltip, filter_, width="32px")

    def _save(self) -> None:
        name = saved.check_name(self.name.value)
        with saved.changing(self._settings) as held:
            held.searches[name] = saved.SavedSearch(self.search, self.columns)
