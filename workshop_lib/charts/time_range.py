"""A time range as Kibana has it, and how wide the bars of its histogram are.

In: two times, relative (``now-24h``, ``now/d``) or absolute (ISO 8601), and the zone in which
days begin and hours are read: ``WORKSHOP_TIMEZONE``. Out: the same in milliseconds since 1970,
the condition of a query, and an interval. No server is asked.
This Elasticsearch has no ``auto_date_histogram``; Kibana does not use it either, and chooses
the interval itself, as here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from elasticsearch.dsl import Q
from elasticsearch.dsl.query import Query

from workshop_lib.errors import WorkshopError
from workshop_lib.settings import timezone

SECOND: Final = 1000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
_UNITS: Final = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}
_RELATIVE: Final = re.compile(r"now(?:-(\d{1,6})([smhdw]))?(/d)?")

#: Kibana's "commonly used" ranges → (from, to)
COMMONLY_USED: Final[dict[str, tuple[str, str]]] = {
    "Last 15 minutes": ("now-15m", "now"),
    "Last 1 hour": ("now-1h", "now"),
    "Last 24 hours": ("now-24h", "now"),
    "Today": ("now/d", "now"),
    "Last 7 days": ("now-7d", "now"),
    "Last 30 days": ("now-30d", "now"),
}


def now_ms() -> int:
    return int(datetime.now(UTC).timestamp() * 1000)


def iso(ms: int) -> str:
    """``ms`` since 1970 as ``2026-01-31T12:00:00.000Z``."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def local(ms: int, zone: str) -> datetime:
    """``ms`` since 1970 as the clocks of ``zone`` show it."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
    return moment.astimezone(ZoneInfo(zone))


def millis(moment: datetime) -> int:
    return round((moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1))


def parse_time(text: str, now: int, zone: str = "UTC") -> int:
    """``text`` in ms since 1970; a day begins, and an hour without a zone is read, in ``zone``.

    Raises ``WorkshopError`` when it is not a time.
    """
    text = text.strip()
    if match := _RELATIVE.fullmatch(text):
        number, unit, day = match.groups()
        at = now - int(number) * _UNITS[unit] if number else now
        # On the clock, not 24 hours long: two days of a year are shorter or longer.
        midnight = local(at, zone).replace(hour=0, minute=0, second=0, microsecond=0)
        return millis(midnight) if day else at
    try:
        absolute = datetime.fromisoformat(text)
    except ValueError:
        raise WorkshopError(
            f"{text!r} is not a time.", f"Write now, now-15m, now/d or 2026-01-31T12:00 ({zone})."
        ) from None
    if absolute.tzinfo is None:
        absolute = absolute.replace(tzinfo=ZoneInfo(zone))
    return millis(absolute)


@dataclass(frozen=True)
class Span:
    """From ``start`` on, up to but without ``end``; ms since 1970. ``zone``: of its days."""

    start: int
    end: int
    zone: str = "UTC"

    def hours_of_day(self) -> list[list[tuple[int, int]]]:
        """For each hour of the day, 0–23 by the clocks of ``zone``, the stretches in the span.

        When clocks are put back an hour comes twice, when they are put forward one is missing.
        """
        stretches: list[list[tuple[int, int]]] = [[] for _ in range(24)]
        at = self.start
        while at < self.end:
            here = local(at, self.zone)
            left = HOUR - (here.minute * MINUTE + here.second * SECOND + at % SECOND)
            after = min(at + left, self.end)
            stretches[here.hour].append((at, after))
            at = after
        return stretches

    def query(self, field: str) -> Query:
        """The condition of a query; ``lt``, so that neighbouring ranges share no play."""
        return Q("range", **{field: {"gte": iso(self.start), "lt": iso(self.end)}})


@dataclass(frozen=True)
class TimeRange:
    """``start`` and ``end`` as written; relative ones move with the clock of ``zone``."""

    start: str = "now-15m"
    end: str = "now"
    zone: str = field(default_factory=timezone)

    @classmethod
    def named(cls, name: str) -> TimeRange:
        """One of ``COMMONLY_USED``."""
        return cls(*COMMONLY_USED[name])

    @classmethod
    def between(cls, start: int, end: int) -> TimeRange:
        """An absolute one, from ms since 1970."""
        return cls(iso(start), iso(end))

    def span(self, now: int | None = None) -> Span:
        """What the range means at ``now`` (ms). Raises ``WorkshopError``."""
        now = now_ms() if now is None else now
        start, end = (parse_time(text, now, self.zone) for text in (self.start, self.end))
        span = Span(start, end, self.zone)
        if span.start >= span.end:
            raise WorkshopError(
                f"The time range from {self.start} to {self.end} is empty.",
                "Choose a start before the end.",
            )
        return span

    def __str__(self) -> str:
        for name, bounds in COMMONLY_USED.items():
            if bounds == (self.start, self.end):
                return name
        return f"{self._shown(self.start)} to {self._shown(self.end)}"

    def _shown(self, text: str) -> str:
        """A time as it is written, an absolute one by the clocks of the zone."""
        return (
            text if text.startswith("now") else readable(parse_time(text, 0, self.zone), self.zone)
        )


def short(text: str) -> str:
    """An absolute time without seconds that are zero: ``2026-01-31 12:00``."""
    day_and_time = text.replace("T", " ").removesuffix("Z").removesuffix(".000")
    return day_and_time.removesuffix(":00") if day_and_time.count(":") == 2 else day_and_time


def readable(ms: int, zone: str = "UTC") -> str:
    """``ms`` as ``2026-01-31 12:00`` in ``zone``, without fractions of a second."""
    return short(local(ms // SECOND * SECOND, zone).isoformat()[:19])


@dataclass(frozen=True)
class Interval:
    """The width of a bar: its name, the parameter for Elasticsearch, about how many ms."""

    name: str
    parameter: dict[str, str]
    ms: int


#: Ascending. From a day on the calendar's: months and years differ in length.
INTERVALS: Final = tuple(
    Interval(name, {kind: value}, ms)
    for name, kind, value, ms in (
        ("second", "fixed_interval", "1s", SECOND),
        ("5 seconds", "fixed_interval", "5s", 5 * SECOND),
        ("10 seconds", "fixed_interval", "10s", 10 * SECOND),
        ("30 seconds", "fixed_interval", "30s", 30 * SECOND),
        ("minute", "fixed_interval", "1m", MINUTE),
        ("5 minutes", "fixed_interval", "5m", 5 * MINUTE),
        ("10 minutes", "fixed_interval", "10m", 10 * MINUTE),
        ("30 minutes", "fixed_interval", "30m", 30 * MINUTE),
        ("hour", "fixed_interval", "1h", HOUR),
        ("3 hours", "fixed_interval", "3h", 3 * HOUR),
        ("12 hours", "fixed_interval", "12h", 12 * HOUR),
        ("day", "calendar_interval", "1d", DAY),
        ("week", "calendar_interval", "1w", 7 * DAY),
        ("month", "calendar_interval", "1M", 30 * DAY),
        ("year", "calendar_interval", "1y", 365 * DAY),
    )
)
MOST_BARS: Final = 60


def interval(span: Span, name: str = "auto", most: int = MOST_BARS) -> Interval:
    """The interval called ``name``; for ``auto`` the smallest with at most ``most`` bars.

    A named one that makes more than ten times ``most`` bars is refused: they could not be
    read, and millions of them would overload the server.
    """
    length = span.end - span.start
    if name == "auto":
        return next((each for each in INTERVALS if length / each.ms <= most), INTERVALS[-1])
    named = {each.name: each for each in INTERVALS}
    if name not in named:
        raise WorkshopError(f"No interval is called {name!r}.", f"Choose auto, {', '.join(named)}.")
    if length / named[name].ms > 10 * most:
        raise WorkshopError(f"An interval of {name} makes too many bars.", "Choose a longer one.")
    return named[name]
