"""Notebook 04's evening as Spark reported it, for the live picture: records, batches, frames.

``Recorded`` stands for a query that has ended; ``view`` of it needs neither Spark nor Kafka.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

from workshop_lib.lessons.live_view import widget
from workshop_lib.lessons.live_view.frames import Batch, Frame, Record, frames
from workshop_lib.lessons.live_view.shape import Shape
from workshop_lib.settings import Settings

MINUTE = 60_000
EVENING = int(datetime(2026, 1, 4, 20, tzinfo=UTC).timestamp() * 1000)
BY_FIVE = Shape("played_at", 10 * MINUTE, 5 * MINUTE, 5 * MINUTE)


def at(minute: float) -> int:
    return EVENING + round(minute * MINUTE)


def record(offset: int, minute: float, **fields: Any) -> Record:
    moment = datetime.fromtimestamp(at(minute) / 1000, UTC).isoformat()
    return Record(0, offset, {"played_at": moment, **fields})


def report(number: int, watermark: float | None, rows: int, dropped: int, state: int) -> Batch:
    mark = None if watermark is None else at(watermark)
    return Batch(number, f"2026-01-05T09:00:0{number}.000Z", mark, rows, dropped, state, 0)


#: Notebook 04's evening with a second late play of one window in batch 3, and what Spark reported:
#: (watermark, rows dropped, rows of state).
MINUTES = ((1, 4, 12), (14, 9, 20), (22, 13, 26), (6, 7, 30), (31, 11, 40))
REPORTED = ((None, 0, 2), (2, 0, 4), (10, 0, 3), (16, 1, 3), (20, 1, 4))


def batches() -> list[tuple[Batch, list[Record]]]:
    return [
        (report(n, mark, 3, gone, state), [record(3 * n + i, m) for i, m in enumerate(minutes)])
        for n, (minutes, (mark, gone, state)) in enumerate(zip(MINUTES, REPORTED, strict=True))
    ]


def evening(mode: str = "update") -> list[Frame]:
    return list(frames(BY_FIVE._replace(mode=mode), batches()))


class Recorded(NamedTuple):
    shape: Shape
    isActive: bool = False  # as Spark calls it


def recorded_view() -> widget.StreamView:
    """A picture of the evening. Run again with more lateness, nothing is dropped."""
    setattr(widget, "shape_of", lambda query: query.shape)  # noqa: B010

    def again(query: Recorded, *_: Any) -> list[tuple[Batch, list[Record]]]:
        if query.shape.delay == BY_FIVE.delay:
            return batches()
        return [
            (batch._replace(watermark=None, dropped=0, state_rows=0), records)
            for batch, records in batches()
        ]

    setattr(widget, "batches", again)  # noqa: B010
    return widget.view(
        Recorded(BY_FIVE),  # type: ignore[arg-type]
        Settings(),
        again=lambda late: Recorded(BY_FIVE._replace(delay=int(late.split()[0]) * MINUTE)),
    )
