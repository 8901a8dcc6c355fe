"""A dashboard: saved charts together, over one time range, with filters that hold for all.

In: Settings and the name of a saved dashboard, or names of saved charts. Out: a widget.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from html import escape

import ipywidgets as widgets

from workshop_lib.charts import saved
from workshop_lib.charts.ask import Answer, ask
from workshop_lib.charts.explore.controls import View
from workshop_lib.charts.explore.search_bar import SearchBar
from workshop_lib.charts.kql import lucene
from workshop_lib.charts.pictures.draw import draw
from workshop_lib.charts.pictures.style import Picture
from workshop_lib.charts.search import Search
from workshop_lib.charts.time_range import TimeRange
from workshop_lib.errors import WorkshopError
from workshop_lib.settings import Settings


class Dashboard(View):
    """Kibana's Dashboard. ``answers`` and ``pictures`` are in the order of ``charts``."""

    def __init__(
        self,
        settings: Settings,
        name: str,
        charts: Sequence[str] | None = None,
        time: str = "Last 24 hours",
    ) -> None:
        """Open dashboard ``name``; with ``charts`` it is made of these first, and saved."""
        self._settings = settings
        self.name = name
        with saved.changing(settings) as held:
            if charts is not None:
                for each in charts:
                    saved.named("chart", held.charts, each)
                held.dashboards[saved.check_name(name)] = list(charts)
            self.charts = saved.named("dashboard", held.dashboards, name)
            self._saved = [saved.named("chart", held.charts, each) for each in self.charts]
        if not self._saved:
            raise WorkshopError(f"The dashboard {name!r} has no charts.", "Name some.")
        self.answers: list[Answer] = []
        self.pictures: list[Picture] = []
        self.panels = [widgets.HTML(layout=widgets.Layout(flex="1 1 420px")) for _ in self.charts]
        search = Search(self._saved[0].search.index, TimeRange.named(time))
        self.bar = SearchBar(settings, search, self._ask)
        row = widgets.Layout(flex_flow="row wrap", align_items="flex-start")
        title = widgets.HTML(f"<h3>{escape(name)}</h3>")
        self.view = widgets.VBox([title, self.bar.view, widgets.HBox(self.panels, layout=row)])
        self.bar.run(self._ask)

    def _ask(self) -> None:
        shown = self.bar.search
        self.answers = [
            ask(self._settings, _together(each.search, shown), each.chart) for each in self._saved
        ]
        self.pictures = [draw(answer) for answer in self.answers]
        for panel, picture in zip(self.panels, self.pictures, strict=True):
            panel.value = picture._repr_html_()

    def __repr__(self) -> str:
        lines = [f"Dashboard {self.name}, {self.bar.search.time}"]
        return "\n".join([*lines, *(f"- {each.alt}" for each in self.pictures)])


def _together(own: Search, shown: Search) -> Search:
    """A chart's own search over the dashboard's time range, with the dashboard's conditions."""
    queries = [f"({lucene(query)})" for query in (own.query, shown.query) if query.strip()]
    return replace(own, time=shown.time, query=" AND ".join(queries)).add(*shown.filters)
