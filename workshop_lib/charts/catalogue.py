"""The catalogue: every chart of Kibana and of the live page, a row each of ``catalogue.csv``.

In: ``catalogue.csv``, ``dashboards.json``. Out: ``CHARTS``, name → ``ChartSpec``, and
``DASHBOARDS``, the layouts of Kibana's dashboards: rows with the width of each chart, of 48;
lists to choose from (``controls``); to which dashboard a click in a chart leads (``drilldowns``).
From the charts come Kibana's saved objects (``kibana``), the live page's requests
(``page_requests``), the answers to the story's questions (``answers``), and, with
``ChartSpec.chart``, charts of the explorer. Change a row, then run ``make kibana``.

The columns of the table:

- ``splits``, outermost first, with ``;`` between them: the x axis and then the series of a chart
  with axes, the rings of a pie from the inside out, the columns of a table or of documents.
  A split is written as

      field                one bucket per label, most first
      field top 10         the ten labels with most
      field by label       in the label's order
      field every 5        ranges of a number; of a time: an interval such as hour, or auto

- ``charts``: a split that makes a small chart per label
- ``metrics``: ``count``, or ``sum``, ``average``, ``max``, ``unique count`` and a field
- ``where``: a condition in Kibana's query language
- ``limit``: the setting that says where a line across the chart is
- ``page``: the name under which the live page asks for it; empty when it does not
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from workshop_lib.charts.chart import (
    Chart,
    DateHistogram,
    GeoGrid,
    Histogram,
    Kind,
    Metric,
    Split,
    Terms,
)
from workshop_lib.errors import WorkshopError
from workshop_lib.schema import names
from workshop_lib.schema.tables import INDICES
from workshop_lib.settings import Settings

FILE: Final = Path(__file__).with_suffix(".csv")
#: More labels than any field has that is split without "top": states, bands, versions.
ALL_LABELS: Final = 100

#: The time by which an index is filtered. Models have none: one that was trained long ago
#: is in use all the same.
TIME_FIELD: Final = {
    names.PLAYS_RAW_INDEX: "played_at",
    names.PLAYS_INDEX: "played_at",
    names.PLAYS_PER_MINUTE_INDEX: "minute",
    names.INTERESTS_INDEX: "interested_at",
    names.TARGETS_INDEX: "played_at",
    names.SMS_INDEX: "updated_at",
    names.MODELS_INDEX: None,
}


class ChartKind(NamedTuple):
    """What a kind of chart is to the explorer (None: Discover shows it), and to Kibana: its name,
    the type of its object, of its visualization, and what the splits are called there, the last
    one as often as there are more."""

    explorer: Kind | None
    kibana: str
    object_type: str = "visualization"
    vis_type: str = ""
    schemas: tuple[str, ...] = ("segment", "group")


CATALOGUE_KINDS: Final = {
    "documents": ChartKind(None, "Discover session", "search"),
    "metric": ChartKind("metric", "Metric", vis_type="metric"),
    "bars": ChartKind("bar", "Vertical bar", vis_type="histogram"),
    "rows": ChartKind("bar", "Horizontal bar", vis_type="horizontal_bar"),
    "line": ChartKind("line", "Line", vis_type="line"),
    "pie": ChartKind("pie", "Pie", vis_type="pie", schemas=("segment",)),
    "table": ChartKind("bar", "Data table", vis_type="table", schemas=("bucket",)),
    "state map": ChartKind("map", "Vega", vis_type="vega"),
    "map": ChartKind("map", "Maps", "map"),
}


@dataclass(frozen=True)
class ChartSpec:
    """A row of the catalogue. ``columns`` are the fields of documents, which have no splits."""

    name: str  # never changes: the id in Kibana is workshop-<name>
    stage: int
    index: str
    kind: str
    title: str
    question: str
    columns: tuple[str, ...]
    splits: tuple[Split, ...]
    charts: Split | None
    metrics: tuple[Metric, ...]
    where: str
    limit: float | None
    page: str

    @property
    def form(self) -> ChartKind:
        return CATALOGUE_KINDS[self.kind]

    def chart(self) -> Chart:
        """The explorer's chart: the first metric, by the first two splits."""
        kind = self.form.explorer
        if kind is None:
            raise WorkshopError(f"{self.name} shows documents.", "Open it in Discover.")
        x, split = (*self.splits, None, None)[:2]
        return Chart(kind, self.title, self.metrics[0], x, split, self.charts)


def _spec(row: dict[str, Any]) -> ChartSpec:
    index, limit = row["index"], row["limit"]
    splits = tuple(filter(None, row["splits"].split("; ")))
    documents = row["kind"] == "documents"
    return ChartSpec(
        **{name: row[name] for name in ("name", "index", "kind", "title", "question", "page")},
        stage=int(row["stage"]),
        columns=splits if documents else (),
        splits=() if documents else tuple(_split(text, index) for text in splits),
        charts=_split(row["charts"], index) if row["charts"] else None,
        metrics=tuple(_metric(text) for text in (row["metrics"] or "count").split("; ")),
        where=row["where"],
        limit=float(Settings.model_fields[limit].default) if limit else None,
    )


def _split(text: str, index: str) -> Split:
    field, how, what = (*text.split(), "", "")[:3]
    kind = INDICES[index][field]
    if kind == "geo_point":
        return GeoGrid(field)
    if how == "every":
        return DateHistogram(field, what) if kind == "timestamp" else Histogram(field, float(what))
    size = int(what) if how == "top" else ALL_LABELS
    return Terms(field, size, "alphabetical" if how == "by" else "metric")


def _metric(text: str) -> Metric:
    aggregation, _, field = text.rpartition(" ")
    return Metric(aggregation, field) if aggregation else Metric()  # type: ignore[arg-type]


def read(path: Path = FILE) -> dict[str, ChartSpec]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row["name"]: _spec(row) for row in csv.DictReader(file)}


CHARTS: Final = read()
DASHBOARDS: Final[dict[str, dict[str, Any]]] = {
    each["name"]: each
    for each in json.loads(FILE.with_name("dashboards.json").read_text(encoding="utf-8"))
}
