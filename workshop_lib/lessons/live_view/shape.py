"""What a streaming query does with time, as its plan says.

In: Spark's analysed plan, as text, and the output mode. Out: ``Shape``: the column of event time,
the watermark's delay, the windows, the keys they are counted by, and what makes a record distinct.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from workshop_lib.errors import WorkshopError

#: ``EventTimeWatermark <id>, played_at#18: timestamp, 10 minutes``
_WATERMARK: Final = re.compile(r"EventTimeWatermark [^,]*, (\w+)#\d+: timestamp, ([\w ]+?)\n")
#: A window is arithmetic on microseconds: event time modulo slide, plus length.
_OF_WINDOW: Final = re.compile(r"precisetimestampconversion\((\w+)#\d+")
_SLIDE: Final = re.compile(r" % (\d+)\)")
_LENGTH: Final = re.compile(r"- \d+\) \+ (\d+)\), LongType, TimestampType\)")
_KEYS: Final = re.compile(r"Aggregate \[([^\]]*)\]")
_DISTINCT: Final = re.compile(r"DeduplicateWithinWatermark \[([^\]]*)\]")
_NUMBERED: Final = re.compile(r"(\w+)#\d+")
_DELAY: Final = re.compile(r"(\d+) (second|minute|hour|day)s?")
_MILLISECONDS: Final = {"second": 1_000, "minute": 60_000, "hour": 3_600_000, "day": 86_400_000}


class Shape(NamedTuple):
    """Durations are in milliseconds. ``delay`` is None without a watermark, ``window`` and
    ``slide`` are 0 without a window."""

    event_time: str
    delay: int | None
    window: int
    slide: int
    keys: tuple[str, ...] = ()
    distinct: tuple[str, ...] = ()
    mode: str = "update"


def read(plan: str, mode: str) -> Shape:
    """The shape of the query with this plan. Raises ``WorkshopError`` for one without event time,
    and for one that counts twice."""
    watermark, window = _WATERMARK.search(plan), _OF_WINDOW.search(plan)
    if not watermark and not window:
        raise WorkshopError(
            "This query has no event time: neither a watermark nor a window.",
            "Add `.withWatermark(…)`, or group by `F.window(…)`.",
        )
    groups = _KEYS.findall(plan)
    if len(groups) > 1:
        raise WorkshopError(
            "This query has more than one aggregation; the picture knows one.",
            "Look at the query up to its first aggregation.",
        )
    keys = _names(groups[0]) if window and groups else ()
    distinct = _DISTINCT.search(plan)
    return Shape(
        event_time=(watermark or window)[1],  # type: ignore[index]  # one of them is there
        delay=duration(watermark[2]) if watermark else None,
        window=_milliseconds(_LENGTH, plan) if keys else 0,
        slide=_milliseconds(_SLIDE, plan) if keys else 0,
        keys=tuple(key for key in keys if key not in ("window", "session_window")),
        distinct=_names(distinct[1]) if distinct else (),
        mode=mode.lower(),
    )


def duration(text: str) -> int:
    """Milliseconds of "10 minutes" or "1 hours 30 minutes"."""
    return sum(int(number) * _MILLISECONDS[unit] for number, unit in _DELAY.findall(text))


def _names(columns: str) -> tuple[str, ...]:
    return tuple(_NUMBERED.findall(columns))


def _milliseconds(pattern: re.Pattern[str], plan: str) -> int:
    found = pattern.search(plan)
    return int(found[1]) // 1000 if found else 0
