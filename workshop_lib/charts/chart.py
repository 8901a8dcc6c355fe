"""A chart as data: what is measured, and by what it is split; Kibana's words.

In: what a learner chose. Out: aggregations of ``elasticsearch.dsl``. No server is asked here.
A chart has up to three splits, each one aggregation inside the other:

| kind       | ``x``          | ``split``              | ``charts``    |
|------------|----------------|------------------------|---------------|
| pie        | Split slices   | Split slices, 2nd ring | Split chart   |
| line, bar  | X-axis         | Split series           | Split chart   |
| heat map   | X-axis         | Y-axis                 | Split chart   |
| map        | cells or state |                        |               |
| metric     |                |                        | Split group   |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from elasticsearch.dsl import A, Q
from elasticsearch.dsl.aggs import Agg, AggBase
from elasticsearch.dsl.query import Query

from workshop_lib.charts.time_range import HOUR, Span, interval, iso
from workshop_lib.errors import WorkshopError

Kind = Literal["pie", "line", "bar", "heat map", "map", "metric"]
Aggregation = Literal["count", "sum", "average", "min", "max", "median", "unique count"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
AGGREGATIONS: Final[tuple[Aggregation, ...]] = get_args(Aggregation)

#: Kibana's word → (aggregation of Elasticsearch, its other parameters)
_METRICS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "sum": ("sum", {}),
    "average": ("avg", {}),
    "min": ("min", {}),
    "max": ("max", {}),
    "median": ("percentiles", {"percents": [50]}),
    # Exact up to so many different values; above that, an estimate within a few per cent.
    "unique count": ("cardinality", {"precision_threshold": 40_000}),
}


@dataclass(frozen=True)
class Metric:
    """What a slice, point or bar measures."""

    aggregation: Aggregation = "count"
    field: str | None = None

    def __post_init__(self) -> None:
        if (self.aggregation == "count") != (self.field is None):
            raise WorkshopError(
                f"{self.aggregation} {'takes no' if self.field else 'needs a'} field."
            )

    @property
    def additive(self) -> bool:
        """Whether the buckets add up to the whole, so that a pie may show them."""
        return self.aggregation in ("count", "sum")

    def add_to(self, parent: AggBase[Any], name: str = "metric") -> None:
        """Measure it in each bucket of ``parent``; documents are counted anyway."""
        if self.aggregation != "count":
            aggregation, options = _METRICS[self.aggregation]
            parent.metric(name, aggregation, field=self.field, **options)

    def value(self, bucket: dict[str, Any]) -> float:
        """The metric of a bucket of the answer; NaN where no document has a value."""
        if self.aggregation == "count":
            return float(bucket["doc_count"])
        answer = bucket["metric"]
        value = answer["values"]["50.0"] if "values" in answer else answer["value"]
        return float("nan") if value is None else float(value)

    def __str__(self) -> str:
        if self.field is None:
            return "Count"
        return f"{self.aggregation.capitalize()} of {self.field}"


@dataclass(frozen=True)
class Terms:
    """A bucket per value of ``field``: the ``size`` largest by the metric, or by alphabet."""

    field: str
    size: int = 5
    order: Literal["metric", "alphabetical"] = "metric"
    other: bool = False  # "Group other values in separate bucket"
    missing: bool = False  # "Show missing values"
    type: Literal["terms"] = "terms"

    def aggregation(self, metric: Metric, span: Span) -> Agg[Any]:
        by = "_count" if metric.aggregation == "count" else "metric"
        if metric.aggregation == "median":
            by = "metric.50"
        order = [{by: "desc"}, {"_key": "asc"}] if self.order == "metric" else [{"_key": "asc"}]
        return A("terms", field=self.field, size=self.size, order=order)


@dataclass(frozen=True)
class DateHistogram:
    """A bucket per interval of time, empty ones included."""

    field: str = "played_at"
    interval: str = "auto"
    type: Literal["date histogram"] = "date histogram"

    def aggregation(self, metric: Metric, span: Span) -> Agg[Any]:
        # Days begin, and summer time comes and goes, in the zone of the span.
        zone = {} if span.zone == "UTC" else {"time_zone": span.zone}
        return A(
            "date_histogram",
            field=self.field,
            **interval(span, self.interval).parameter,
            **zone,
            min_doc_count=0,
            extended_bounds={"min": iso(span.start), "max": iso(span.end - 1)},
        )


@dataclass(frozen=True)
class Histogram:
    """A bucket per step of a number, such as ten years of age.

    The field ``hour`` is in UTC. By the clocks of another zone it is a bucket per hour of the
    day of ``TIME_OF_HOUR``: the time's stretches within the span, since there are no scripts.
    """

    field: str
    step: float = 1
    type: Literal["histogram"] = "histogram"

    def by_the_clock(self, span: Span) -> bool:
        """Whether the buckets are the hours of the day in the zone of ``span``."""
        return self.field == "hour" and self.step == 1 and span.zone != "UTC"

    def aggregation(self, metric: Metric, span: Span) -> Agg[Any]:
        if self.by_the_clock(span):
            hours = enumerate(hours_of_day(span))
            return A("filters", filters={f"{hour:02d}": query for hour, query in hours})
        return A("histogram", field=self.field, interval=self.step, min_doc_count=0)


#: The time of which the field ``hour`` is the hour.
TIME_OF_HOUR: Final = "played_at"
#: So many stretches of an hour make a query that Elasticsearch answers at once.
MOST_HOURS: Final = 24 * 62


def hours_of_day(span: Span) -> list[Query]:
    """A query for each hour of the day in the zone of ``span``, 0 to 23."""
    if (span.end - span.start) / HOUR > MOST_HOURS:
        raise WorkshopError(
            f"Hours of the day by the clocks of {span.zone} are counted for two months at most.",
            "Choose a shorter time range, or set WORKSHOP_TIMEZONE=UTC.",
        )
    return [
        Q("bool", should=[Span(*each).query(TIME_OF_HOUR) for each in stretches])
        if stretches
        else Q("match_none")
        for stretches in span.hours_of_day()
    ]


@dataclass(frozen=True)
class GeoGrid:
    """A bucket per cell of the map; each ``precision`` more halves the cell's sides."""

    field: str = "location"
    precision: int = 7
    type: Literal["geo grid"] = "geo grid"

    def aggregation(self, metric: Metric, span: Span) -> Agg[Any]:
        return A("geotile_grid", field=self.field, precision=self.precision, size=10_000)


Split = Terms | DateHistogram | Histogram | GeoGrid


@dataclass(frozen=True)
class Chart:
    """What is drawn. ``rate``: on a map of states, per 100,000 residents."""

    kind: Kind = "pie"
    title: str = ""
    metric: Metric = Metric()
    x: Split | None = None
    split: Split | None = None
    charts: Split | None = None
    rate: bool = False

    def __post_init__(self) -> None:
        if self.kind == "pie" and not self.metric.additive:
            raise WorkshopError(
                f"A pie cannot show the {self.metric.aggregation}: slices must add up to a whole.",
                "Choose count or sum, or a bar chart.",
            )
        if self.kind != "metric" and self.x is None:
            raise WorkshopError(f"A {self.kind} needs a field to split by.")
        cells = [name for name, each in self.nested() if isinstance(each, GeoGrid)]
        if cells and (self.kind, cells) != ("map", ["x"]):
            raise WorkshopError("Only a map can be split into grid cells.")
        if self.kind == "heat map" and self.split is None:
            raise WorkshopError("A heat map needs a field for its Y-axis.")

    def nested(self) -> list[tuple[str, Split]]:
        """(column of the answer, split), the outermost first.

        Series are chosen before the X-axis is divided, so that "top 5" are the five of the
        whole range, not five different ones in every hour.
        """
        order = ("charts", "x", "split") if self.kind == "pie" else ("charts", "split", "x")
        return [(name, each) for name in order if (each := getattr(self, name)) is not None]


def nest(parent: AggBase[Any], splits: list[tuple[str, Split]], metric: Metric, span: Span) -> None:
    """Put ``splits`` into ``parent``, inside one another, and the metric into each of them."""
    if not splits:
        return
    (name, split), *inner = splits
    buckets = {name: split.aggregation(metric, span)}
    if isinstance(split, Terms) and split.missing:
        buckets[f"{name}_missing"] = A("missing", field=split.field)
    for key, aggregation in buckets.items():
        bucket = parent.bucket(key, aggregation)
        metric.add_to(bucket)
        if isinstance(split, GeoGrid):
            bucket.metric("centre", "geo_centroid", field=split.field)
        nest(bucket, inner, metric, span)
