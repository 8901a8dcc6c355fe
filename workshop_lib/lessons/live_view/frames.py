"""The frames of a stream's picture: one for each batch, from its records and Spark's own report.

In: a query's ``Shape``, and for each batch Spark's progress and the records that it read. Out:
frames, plain data that a browser or matplotlib draws. No server, no Spark.

Which watermark judges a record? A batch drops what the watermark of the batch **before** has
closed, and closes windows by its own watermark when it has taken in its records. Spark counts
dropped **rows** after it has summed the batch's records by window and key: two late records of one
window are one row. ``Frame`` has both numbers, and ``differs`` says where they and Spark's differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from workshop_lib.lessons.live_view.shape import Shape

#: What became of a record.
IN_ORDER: Final = "in order"
LATE: Final = "late, counted"
PARTLY: Final = "late, counted in some of its windows"
DROPPED: Final = "too late, dropped"
REPEATED: Final = "repeated, ignored"
KINDS: Final = (IN_ORDER, LATE, PARTLY, DROPPED, REPEATED)


class Record(NamedTuple):
    """A record of Kafka; ``fields`` are those of its JSON, empty if it is none."""

    partition: int
    offset: int
    fields: Mapping[str, Any]


class Batch(NamedTuple):
    """What Spark reports of a batch. Times in ms; ``watermark`` is None at Spark's beginning."""

    number: int
    time: str
    watermark: int | None
    rows: int
    dropped: int
    state_rows: int
    duplicates: int


class Dot(NamedTuple):
    at: int
    kind: str
    partition: int
    offset: int


class Window(NamedTuple):
    """``emitted``: in this batch. A closed one is deleted from the state."""

    start: int
    end: int
    records: int
    emitted: bool
    closed: bool


@dataclass
class Frame:
    """The stream after a batch. ``mark`` judged its records, ``after`` closed windows."""

    batch: int
    time: str
    rows: int
    mark: int | None
    after: int | None
    dots: list[Dot] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    no_event_time: int = 0
    dropped_rows: int = 0
    spark_dropped: int = 0
    state_rows: int = 0
    #: Empty when all of the batch's records are drawn and all counts are Spark's.
    differs: str = ""

    def count(self, kind: str) -> int:
        return sum(dot.kind == kind for dot in self.dots)

    def as_data(self) -> dict[str, Any]:
        return dict(vars(self))


def batch(progress: Mapping[str, Any]) -> Batch:
    """A batch from Spark's progress, as JSON."""
    operators = progress["stateOperators"]
    return Batch(
        number=progress["batchId"],
        time=progress["timestamp"],
        watermark=_moment(progress.get("eventTime", {}).get("watermark")),
        rows=progress["numInputRows"],
        dropped=sum(each["numRowsDroppedByWatermark"] for each in operators),
        state_rows=sum(each["numRowsTotal"] for each in operators),
        duplicates=sum(
            each.get("customMetrics", {}).get("numDroppedDuplicateRows", 0) for each in operators
        ),
    )


def frames(shape: Shape, batches: Iterable[tuple[Batch, list[Record]]]) -> Iterator[Frame]:
    """A frame for each batch and its records, in order of arrival. Fewer records than the batch
    had are a part of them: their dots are drawn, and nothing is counted from then on."""
    counts: dict[tuple[int, tuple[Any, ...]], int] = {}  # (window's start, key) → records
    closed: dict[int, int] = {}
    seen: dict[tuple[Any, ...], int] = {}  # what is distinct → when it is forgotten
    mark: int | None = None
    latest: int | None = None
    whole = True
    for report, records in batches:
        whole &= len(records) == report.rows
        frame = Frame(
            *(report.number, report.time, report.rows, mark, _closing(shape, report.watermark)),
            spark_dropped=report.dropped,
        )
        touched: set[int] = set()
        gone: set[Any] = set()
        repeated = 0
        for record in records:
            at = _moment(record.fields.get(shape.event_time))
            if at is None:
                frame.no_event_time += 1
                continue
            key = tuple(record.fields.get(name) for name in shape.keys)
            starts = _starts(shape, at)
            over = [start for start in starts if mark is not None and start + shape.window <= mark]
            if shape.distinct and mark is not None and at <= mark:
                kind = DROPPED
                gone.add((record.partition, record.offset))
            elif shape.distinct and _id(shape, record) in seen:
                kind = REPEATED
                repeated += 1
            else:
                kind = _kind(at, latest, len(over), len(starts))
                gone |= {(start, key) for start in over}
                if shape.distinct:
                    seen[_id(shape, record)] = at + (shape.delay or 0)
                for start in set(starts) - set(over):
                    counts[start, key] = counts.get((start, key), 0) + 1
                    touched.add(start)
            frame.dots.append(Dot(at, kind, record.partition, record.offset))
            latest = at if latest is None else max(latest, at)
        now = _by_window(counts)
        ended = {s for s in now if frame.after is not None and s + shape.window <= frame.after}
        closed |= {start: now[start] for start in ended}
        emitted = {"update": touched, "append": ended}.get(shape.mode, set(now))
        if whole:
            frame.windows = _windows(shape, now, closed, emitted)
        counts = {place: n for place, n in counts.items() if place[0] not in ended}
        if frame.after is not None:
            seen = {each: until for each, until in seen.items() if until > frame.after}
        frame.dropped_rows, frame.state_rows = len(gone), len(counts) + len(seen)
        frame.differs = _differs(report, frame, repeated, whole)
        mark = frame.after
        yield frame


def dropped(all_frames: Iterable[Frame]) -> int:
    """How many records are marked as dropped."""
    return sum(frame.count(DROPPED) for frame in all_frames)


def _closing(shape: Shape, watermark: int | None) -> int | None:
    """The watermark, where it closes anything: mode ``complete`` keeps all windows."""
    return None if shape.delay is None or shape.mode == "complete" else watermark


def _starts(shape: Shape, at: int) -> list[int]:
    """The beginnings of the windows that ``at`` lies in."""
    if not shape.window:
        return []
    last = at // shape.slide * shape.slide
    return list(range(last, at - shape.window, -shape.slide))


def _id(shape: Shape, record: Record) -> tuple[Any, ...]:
    return tuple(record.fields.get(name) for name in shape.distinct)


def _kind(at: int, latest: int | None, over: int, windows: int) -> str:
    if over:
        return DROPPED if over == windows else PARTLY
    return LATE if latest is not None and at < latest else IN_ORDER


def _by_window(counts: Mapping[tuple[int, Any], int]) -> dict[int, int]:
    total: dict[int, int] = {}
    for (start, _), number in counts.items():
        total[start] = total.get(start, 0) + number
    return total


def _windows(
    shape: Shape, now: Mapping[int, int], closed: Mapping[int, int], emitted: set[int]
) -> list[Window]:
    return [
        Window(start, start + shape.window, count, start in emitted, start in closed)
        for start, count in sorted({**closed, **now}.items())
    ]


def _differs(report: Batch, frame: Frame, repeated: int, whole: bool) -> str:
    if not whole:
        return f"{len(frame.dots)} of {report.rows:,} records are drawn; counts are Spark's"
    compared = (
        ("rows dropped", report.dropped, frame.dropped_rows),
        ("rows of state", report.state_rows, frame.state_rows),
        ("repetitions", report.duplicates, repeated),
    )
    wrong = [
        f"{what}: Spark {spark}, picture {ours}" for what, spark, ours in compared if spark != ours
    ]
    return "; ".join(wrong)


def _moment(text: Any) -> int | None:
    """Milliseconds since 1970; None for the beginning of time and for what is no moment."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    utc = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(utc.timestamp() * 1000) or None
