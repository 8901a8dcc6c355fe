"""Discover: search, look at single documents, learn what the fields hold.

In: Settings and an index. Out: a widget. It only holds together what the other modules of
this folder do; from code it is driven by ``.value`` and ``.click()`` of its controls.
"""

from __future__ import annotations

from typing import Any, Final

import ipywidgets as widgets

from workshop_lib.charts import saved
from workshop_lib.charts.ask import Found, find
from workshop_lib.charts.explore import html
from workshop_lib.charts.explore.controls import bundle, button
from workshop_lib.charts.explore.search_bar import SearchBar
from workshop_lib.charts.fields import top_values
from workshop_lib.charts.pictures.draw import histogram
from workshop_lib.charts.search import Filter, Request, Search, text
from workshop_lib.charts.time_range import TimeRange, whole
from workshop_lib.schema.names import PLAYS_INDEX
from workshop_lib.settings import Settings

#: Documents in the table.
SHOWN: Final = 10


class Discover:
    """Kibana's Discover. ``found`` is what is shown; ``request`` how it was asked for."""

    def __init__(
        self, settings: Settings, index: str = PLAYS_INDEX, time: str = "Last 15 minutes"
    ) -> None:
        self._settings = settings
        self.columns: tuple[str, ...] = ()
        search = Search(index, TimeRange.named(time))
        self.bar = SearchBar(settings, search, self._ask)
        self.found: Found | None = None
        self._drawn = True
        self.hits = widgets.HTML()
        self.histogram = widgets.HTML()
        self.bars = widgets.SelectionRangeSlider(
            options=[""],
            description="Bars",
            readout=False,
            continuous_update=False,
            layout=widgets.Layout(width="auto", flex="1 1 auto"),
        )
        self.chosen = widgets.Label()
        self.zoom = button("Zoom to bars", "narrow the time range to the chosen bars")
        self.documents = widgets.HTML()
        self.request_text = widgets.HTML()
        self.field = widgets.Select(
            options=[(each.label, each.name) for each in self.bar.fields],
            value=None,
            rows=min(14, len(self.bar.fields)),
            layout=widgets.Layout(width="100%"),
        )
        self.column = button("Add as column", "show the chosen field in the table")
        self.values = widgets.VBox()
        self.name = widgets.Text(placeholder="name", layout=widgets.Layout(width="180px"))
        self.save = button("Save", "this search under the name")
        self.view = self._arranged()
        self.bars.observe(lambda _: self._mark(), "index")
        self.zoom.on_click(lambda _: self.bar.run(self._zoom))
        self.field.observe(lambda _: self.bar.run(self._show_values), "value")
        self.column.on_click(lambda _: self.bar.run(self._toggle_column))
        self.save.on_click(lambda _: self.bar.run(self._save))
        self.bar.run(self._ask)

    # What a learner may read ----------------------------------------------------------

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

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return bundle(self.view, repr(self))

    def open(self, name: str) -> None:
        """Show the saved search ``name``, over the present time range."""
        held = saved.named("search", saved.load(self._settings).searches, name)
        self.columns = held.columns
        self.bar.to(held.search)

    # What the controls do -------------------------------------------------------------

    def _ask(self) -> None:
        found = find(self._settings, self.search, SHOWN)
        self.found = found
        self.hits.value = (
            f"<b>{found.hits:,} hits</b> &nbsp; {self.search.time}, a bar per {found.interval.name}"
            if found.hits
            else "<b>No results match your search criteria.</b> Try a longer time range."
        )
        last = len(found.histogram) - 1
        starts = [f"{when:%d %b %H:%M:%S}" for when in found.histogram.index]
        self._drawn = False  # each of the next two lines would draw
        self.bars.options = [(start, place) for place, start in enumerate(starts)] or [("", 0)]
        self.bars.index = (0, max(last, 0))
        self._drawn = True
        self._mark()
        self._show_documents()
        self.request_text.value = html.requests(found.requests)
        self._show_values()

    def _mark(self) -> None:
        if self.found and self._drawn and self.found.hits:
            span = self.found.bar(*self.bars.index)
            self.chosen.value = f"{whole(span.start)} to {whole(span.end)}"
            self.histogram.value = histogram(self.found, self.bars.index)._repr_html_()
        elif self._drawn:
            self.histogram.value = self.chosen.value = ""

    def _zoom(self) -> None:
        if self.found and self.found.hits:
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
            there = name in self.columns
            rest = tuple(each for each in self.columns if each != name)
            self.columns = rest if there else (*self.columns, name)
            self._show_documents()
            self._show_values()

    def _show_values(self) -> None:
        """The top values of the chosen field, each with its two buttons."""
        name = self.field.value
        if name is None:
            self.values.children = [widgets.Label("Choose a field to see its top values.")]
            return
        there = name in self.columns
        self.column.description = "Remove column" if there else "Add as column"
        top = top_values(self._settings, self.search, name)
        rows: list[widgets.Widget] = []
        for value, share in zip(top.table["value"], top.table["share"], strict=True):
            wide = widgets.Layout(flex="1 1 auto", width="auto", min_width="0", margin="0")
            label = widgets.HTML(html.bar(text(value), share), layout=wide)
            rows.append(
                widgets.HBox(
                    [
                        label,
                        self._small("+", f"Filter for {name}: {text(value)}", name, value, False),
                        self._small("−", f"Filter out {name}: {text(value)}", name, value, True),
                    ]
                )
            )
        tail = f"{top.rest:,} hits have other values, {top.missing:,} have none"
        head = f"<b>Top values</b> of {top.records:,} hits"
        self.values.children = [widgets.HTML(head), *rows, widgets.HTML(tail)]

    def _small(
        self, sign: str, tooltip: str, name: str, value: Any, exclude: bool
    ) -> widgets.Button:
        words = "is not" if exclude else "is"
        button = widgets.Button(
            description=sign, tooltip=tooltip, layout=widgets.Layout(width="32px", margin="0 1px")
        )
        add = Filter.of(name, words, value)
        button.on_click(lambda _: self.bar.run(lambda: self.bar.to(self.search.add(add))))
        return button

    def _save(self) -> None:
        name = saved.check_name(self.name.value)
        with saved.changing(self._settings) as held:
            held.searches[name] = saved.SavedSearch(self.search, self.columns)

    def _arranged(self) -> widgets.Widget:
        left = widgets.VBox(
            [widgets.HTML("<b>Available fields</b>"), self.field, self.column, self.values],
            layout=widgets.Layout(flex="0 0 250px", width="250px", margin="0 16px 0 0"),
        )
        inspect = widgets.Accordion([self.request_text], titles=("Inspect: the request",))
        right = widgets.VBox(
            [
                self.hits,
                self.histogram,
                widgets.HBox([self.bars, self.chosen, self.zoom]),
                self.documents,
                inspect,
                widgets.HBox([self.name, self.save]),
            ],
            layout=widgets.Layout(flex="1 1 auto", min_width="0"),
        )
        return widgets.VBox([self.bar.view, widgets.HBox([left, right])])
