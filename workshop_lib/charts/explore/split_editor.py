"""The controls of one split of a chart: which aggregation, on which field, how.

In: the fields of an index. Out: a ``Split``, or None when no field is chosen; and the other
way round. A widget of ``visualize``.
"""

from __future__ import annotations

from typing import Any, Final

import ipywidgets as widgets

from workshop_lib.charts.chart import DateHistogram, GeoGrid, Histogram, Split, Terms
from workshop_lib.charts.explore.controls import choice, row, tick
from workshop_lib.charts.fields import IndexField
from workshop_lib.charts.time_range import INTERVALS

#: Kibana's name of an aggregation → the split, whose other fields are its options.
SPLITS: Final[dict[str, type[Split]]] = {
    "Terms": Terms,
    "Date Histogram": DateHistogram,
    "Histogram": Histogram,
    "Geo grid": GeoGrid,
}
#: Type of a field → the aggregations that it may be split by, the usual one first.
AGGREGATIONS: Final[dict[str, tuple[str, ...]]] = {
    "date": ("Date Histogram",),
    "number": ("Terms", "Histogram"),
    "geo point": ("Geo grid",),
}


class SplitEditor:
    """``value`` is the split that the controls describe."""

    def __init__(self, fields: list[IndexField]) -> None:
        self._types = {each.name: each.type for each in fields}
        names: list[tuple[str, str | None]] = [("(none)", None)]
        names += [(each.label, each.name) for each in fields]
        self.title = widgets.HTML(layout=widgets.Layout(width="190px"))
        self.field = choice("Field", names, "240px", self._offer)
        self.aggregation = choice("", ["Terms"], "140px", self._offer)

        def number(kind: Any, value: float, words: str, **limits: int) -> Any:
            layout = widgets.Layout(width="150px")
            return kind(value, description=words, layout=layout, **limits)

        intervals = ["auto", *(each.name for each in INTERVALS)]
        integer = widgets.BoundedIntText
        #: aggregation → name of an option → its control
        self.options: dict[str, dict[str, Any]] = {
            "Terms": {
                "size": number(integer, 5, "Size", min=1, max=200),
                "order": choice("Order", ["metric", "alphabetical"], "210px"),
                "other": tick("Group other values in separate bucket"),
                "missing": tick("Show missing values"),
            },
            "Date Histogram": {"interval": choice("Interval", intervals, "220px")},
            "Histogram": {"step": number(widgets.FloatText, 1, "Step")},
            "Geo grid": {"precision": number(integer, 7, "Precision", min=1, max=15)},
        }
        self._options = row()
        self.view = row(self.title, self.field, self.aggregation, self._options)
        self._offer()

    def _offer(self) -> None:
        """The aggregations of the chosen field's type, and the options of the chosen one."""
        kind = self._types.get(self.field.value or "", "")
        offered = AGGREGATIONS.get(kind, ("Terms",))
        if self.aggregation.options != offered:
            self.aggregation.options = offered
        self.aggregation.layout.display = None if self.field.value else "none"
        options = self.options[self.aggregation.value].values()
        self._options.children = tuple(options) if self.field.value else ()

    @property
    def value(self) -> Split | None:
        if self.field.value is None:
            return None
        options = self.options[self.aggregation.value].items()
        split = SPLITS[self.aggregation.value]
        return split(self.field.value, **{name: control.value for name, control in options})

    @value.setter
    def value(self, split: Split | None) -> None:
        self.field.value = split.field if split else None
        if split:
            self.aggregation.value = next(n for n, kind in SPLITS.items() if type(split) is kind)
            for name, control in self.options[self.aggregation.value].items():
                control.value = getattr(split, name)
