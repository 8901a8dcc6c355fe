"""The controls of one split of a chart: which aggregation, on which field, how.

In: the fields of an index. Out: a ``Split``, or None when no field is chosen; and the other
way round. A widget of ``visualize``.
"""

from __future__ import annotations

from typing import Final

import ipywidgets as widgets

from workshop_lib.charts.chart import DateHistogram, GeoGrid, Histogram, Split, Terms
from workshop_lib.charts.explore.controls import choice, row
from workshop_lib.charts.fields import Field
from workshop_lib.charts.time_range import INTERVALS

#: Type of a field → the aggregations that it may be split by, the usual one first.
AGGREGATIONS: Final[dict[str, tuple[str, ...]]] = {
    "date": ("Date Histogram",),
    "number": ("Terms", "Histogram"),
    "geo point": ("Geo grid",),
}


class SplitEditor:
    """``value`` is the split that the controls describe."""

    def __init__(self, fields: list[Field]) -> None:
        self._types = {each.name: each.type for each in fields}
        names: list[tuple[str, str | None]] = [("(none)", None)]
        names += [(each.label, each.name) for each in fields]
        self.title = widgets.HTML(layout=widgets.Layout(width="190px"))
        self.field = choice("Field", names, "240px")
        self.aggregation = choice("", ["Terms"], "140px")
        self.size = widgets.BoundedIntText(
            5, min=1, max=200, description="Size", layout=widgets.Layout(width="150px")
        )
        self.order = choice("Order", ["metric", "alphabetical"], "210px")
        tick = widgets.Layout(width="auto", margin="0 12px")
        self.other = widgets.Checkbox(
            description="Group other values in separate bucket", indent=False, layout=tick
        )
        self.missing = widgets.Checkbox(
            description="Show missing values", indent=False, layout=tick
        )
        self.interval = choice("Interval", ["auto", *(x.name for x in INTERVALS)], "220px")
        self.step = widgets.FloatText(1, description="Step", layout=widgets.Layout(width="160px"))
        self.precision = widgets.BoundedIntText(
            7, min=1, max=15, description="Precision", layout=widgets.Layout(width="160px")
        )
        self._options = row()
        self.view = row(self.title, self.field, self.aggregation, self._options)
        self.field.observe(lambda _: self._offer(), "value")
        self.aggregation.observe(lambda _: self._offer_options(), "value")
        self._offer()

    def _offer(self) -> None:
        """The aggregations of the chosen field's type."""
        kind = self._types.get(self.field.value or "", "")
        offered = AGGREGATIONS.get(kind, ("Terms",))
        if self.aggregation.options != offered:
            self.aggregation.options = offered
        self._offer_options()

    def _offer_options(self) -> None:
        controls = {
            "Terms": (self.size, self.order, self.other, self.missing),
            "Date Histogram": (self.interval,),
            "Histogram": (self.step,),
            "Geo grid": (self.precision,),
        }[self.aggregation.value]
        self.aggregation.layout.display = None if self.field.value else "none"
        self._options.children = controls if self.field.value else ()

    @property
    def value(self) -> Split | None:
        name = self.field.value
        if name is None:
            return None
        if self.aggregation.value == "Date Histogram":
            return DateHistogram(name, self.interval.value)
        if self.aggregation.value == "Histogram":
            return Histogram(name, self.step.value)
        if self.aggregation.value == "Geo grid":
            return GeoGrid(name, self.precision.value)
        return Terms(name, self.size.value, self.order.value, self.other.value, self.missing.value)

    @value.setter
    def value(self, split: Split | None) -> None:
        self.field.value = split.field if split else None
        if isinstance(split, DateHistogram):
            self.interval.value = split.interval
        elif isinstance(split, Histogram):
            self.aggregation.value = "Histogram"
            self.step.value = split.step
        elif isinstance(split, GeoGrid):
            self.precision.value = split.precision
        elif split:
            self.aggregation.value = "Terms"
            self.size.value, self.order.value = split.size, split.order
            self.other.value, self.missing.value = split.other, split.missing
