"""Visualize: a chart of what a search finds, built from a metric and up to three splits.

In: Settings, an index, perhaps a chart to begin with. Out: a widget. "Update" draws what the
controls say, as in Kibana; from code, ``show`` does the same for a ``Chart``.
"""

from __future__ import annotations

from typing import Any, Final

import ipywidgets as widgets

from workshop_lib.charts import saved
from workshop_lib.charts.ask import Answer, ask
from workshop_lib.charts.chart import AGGREGATIONS, KINDS, Chart, Metric, Terms
from workshop_lib.charts.explore import html
from workshop_lib.charts.explore.controls import View, button, choice, entry, inspect, row, tick
from workshop_lib.charts.explore.search_bar import SearchBar
from workshop_lib.charts.explore.split_editor import SplitEditor
from workshop_lib.charts.pictures.draw import draw, title
from workshop_lib.charts.pictures.style import Picture
from workshop_lib.charts.search import Search
from workshop_lib.charts.time_range import TimeRange
from workshop_lib.errors import WorkshopError
from workshop_lib.schema.names import PLAYS_INDEX
from workshop_lib.settings import Settings

#: Kind of chart → what its three splits are called; one without a name is not offered.
_SERIES: Final = {"x": "X-axis", "split": "Split series", "charts": "Split chart"}
SLOTS: Final[dict[str, dict[str, str]]] = {
    "pie": {"x": "Split slices", "split": "Split slices, 2nd ring", "charts": "Split chart"},
    "line": _SERIES,
    "bar": _SERIES,
    "heat map": _SERIES | {"split": "Y-axis"},
    "map": {"x": "Layer (state, or location)"},
    "metric": {"charts": "Split group"},
}
#: Rows of the data that Inspect shows.
SHOWN: Final = 200


class Visualize(View):
    """Kibana's Visualize. ``answer`` has the numbers, ``picture`` what is seen."""

    def __init__(
        self,
        settings: Settings,
        index: str = PLAYS_INDEX,
        chart: Chart | None = None,
        time: str = "Last 24 hours",
    ) -> None:
        self._settings = settings
        self.answer: Answer | None = None
        self.picture: Picture | None = None
        self._problem = "nothing drawn"
        self.bar = SearchBar(settings, Search(index, TimeRange.named(time)), self._ask)
        fields = self.bar.fields
        numbers = [("(none)", None), *((x.label, x.name) for x in fields if x.type != "geo point")]
        self.kind = choice("Type", KINDS, changed=self._name_slots)
        self.metric = choice("Metric", AGGREGATIONS, changed=self._name_slots)
        self.metric_field = choice("of field", numbers)
        self.rate = tick("per 100,000 residents")
        self.splits = {name: SplitEditor(fields) for name in ("x", "split", "charts")}
        self.update = button(
            "▶ Update",
            "Draw the chart that the controls describe",
            lambda: self.bar.run(self._ask),
            "primary",
        )
        self.title = entry(width="300px", placeholder="title")
        self.save = button(
            "Save", "Save this chart under its title", lambda: self.bar.run(self._save)
        )
        self.figure, self.request_text, self.data = (widgets.HTML() for _ in range(3))
        self.view = widgets.VBox(
            [
                self.bar.view,
                row(self.kind, self.metric, self.metric_field, self.rate),
                *(editor.view for editor in self.splits.values()),
                row(self.update, self.title, self.save),
                self.figure,
                inspect(request=self.request_text, data=self.data),
            ]
        )
        self.show(chart or Chart("pie", x=Terms(first_word(fields))))

    # What a learner may read or call --------------------------------------------------

    @property
    def search(self) -> Search:
        return self.bar.search

    @property
    def chart(self) -> Chart:
        """The chart that the controls describe. Raises ``WorkshopError``."""
        return Chart(
            self.kind.value,
            self.title.value.strip(),
            Metric(self.metric.value, self._needed_field()),
            **{name: self.splits[name].value for name in SLOTS[self.kind.value]},
            rate=self.rate.value and self.kind.value == "map",
        )

    def show(self, chart: Chart) -> Visualize:
        """Set the controls as ``chart`` is, and draw it."""
        self.kind.value, self.title.value = chart.kind, chart.title
        self.metric.value, self.metric_field.value = chart.metric.aggregation, chart.metric.field
        self.rate.value = chart.rate
        for name, editor in self.splits.items():
            editor.value = getattr(chart, name)
        self._name_slots()
        self.bar.run(self._ask)
        return self

    def open(self, name: str) -> Visualize:
        """Show the saved chart ``name``, over the present time range."""
        found = saved.named("chart", saved.load(self._settings).charts, name)
        search = self.search
        self.bar.history.visit(Search(search.index, search.time, found.search.filters))
        self.bar.refresh.click()
        return self.show(found.chart)

    def __repr__(self) -> str:
        return self.picture.alt if self.picture else f"Visualize: {self._problem}"

    # What the controls do -------------------------------------------------------------

    def _needed_field(self) -> str | None:
        if self.metric.value == "count":
            return None
        name: str | None = self.metric_field.value
        kinds = {each.name: each.type for each in self.bar.fields}
        if name and self.metric.value != "unique count" and kinds[name] != "number":
            raise WorkshopError(
                f"{name} is not a number, so it has no {self.metric.value}.",
                "Choose a number, or unique count.",
            )
        return name

    def _ask(self) -> None:
        """Draw; where that fails, the place of the picture says why, not an older picture."""
        try:
            answer = ask(self._settings, self.search, self.chart)
        except WorkshopError as error:
            self.picture = self.answer = None
            self._problem = str(error)
            self.figure.value = html.message(f"Not updated. {error}")
            self.request_text.value = self.data.value = ""
            raise
        self.answer, self.picture = answer, draw(answer)
        self.figure.value = self.picture._repr_html_()
        self.request_text.value = html.request_text(answer.requests)
        rows: list[Any] = answer.table.head(SHOWN).to_dict("records")
        self.data.value = html.table(rows, list(answer.table.columns), title(answer.chart))

    def _save(self) -> None:
        name = saved.check_name(self.title.value)
        with saved.changing(self._settings) as held:
            held.charts[name] = saved.SavedChart(self.chart, self.search)

    def _name_slots(self) -> None:
        slots = SLOTS[self.kind.value]
        for name, editor in self.splits.items():
            editor.title.value = f"<b>{slots.get(name, '')}</b>"
            editor.view.layout.display = None if name in slots else "none"
        self.metric_field.layout.display = "none" if self.metric.value == "count" else None
        self.rate.layout.display = None if self.kind.value == "map" else "none"


def first_word(fields: list[Any]) -> str:
    """A field to begin with: the first keyword or boolean."""
    return next(each.name for each in fields if each.type in ("keyword", "boolean"))
