"""Time ranges, intervals and bars: what they mean, without a server."""

from __future__ import annotations

import pytest

from workshop_lib.charts.time_range import (
    COMMONLY_USED,
    DAY,
    HOUR,
    INTERVALS,
    MINUTE,
    MOST_BARS,
    Span,
    TimeRange,
    interval,
    iso,
    parse_time,
)
from workshop_lib.errors import WorkshopError

NOON = 1_769_860_800_000  # 2026-01-31T12:00:00Z


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("now", NOON),
        ("now-15m", NOON - 15 * MINUTE),
        ("now-2w", NOON - 14 * DAY),
        ("now/d", NOON - 12 * HOUR),
        ("now-1d/d", NOON - 36 * HOUR),
        ("2026-01-31T12:00", NOON),
        ("2026-01-31 12:00:00.250", NOON + 250),
        ("2026-01-31T13:00+01:00", NOON),
        (" 2026-01-31T12:00:00.000Z ", NOON),
    ],
)
def test_a_time_is_what_it_says(text: str, ms: int) -> None:
    assert parse_time(text, NOON) == ms
    assert parse_time(iso(ms), 0) == ms


@pytest.mark.parametrize("text", ["", "yesterday", "now+1d", "now-1y", "2026-13-01", "$x$"])
def test_what_is_not_a_time_is_refused_with_a_message(text: str) -> None:
    with pytest.raises(WorkshopError, match="is not a time"):
        parse_time(text, NOON)


def test_a_range_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(WorkshopError, match="is empty"):
        TimeRange("now", "now-1h").span(NOON)
    with pytest.raises(WorkshopError, match="is empty"):
        TimeRange("now", "now").span(NOON)


def test_a_range_is_called_what_kibana_calls_it() -> None:
    assert str(TimeRange("now-24h", "now")) == "Last 24 hours"
    assert str(TimeRange.between(NOON, NOON + HOUR)) == "2026-01-31 12:00 to 2026-01-31 13:00"
    assert str(TimeRange("2026-01-31T12:00", "2026-02-01T00:00")) == (
        "2026-01-31 12:00 to 2026-02-01 00:00"
    )
    assert all(str(TimeRange.named(name)) == name for name in COMMONLY_USED)


@pytest.mark.parametrize(
    ("span", "name"),
    [
        (15 * MINUTE, "30 seconds"),
        (HOUR, "minute"),
        (24 * HOUR, "30 minutes"),
        (7 * DAY, "3 hours"),
        (30 * DAY, "12 hours"),
        (365 * DAY, "week"),
        (1, "second"),
        (500 * 365 * DAY, "year"),
    ],
)
def test_bars_are_as_wide_as_kibana_makes_them(span: int, name: str) -> None:
    assert interval(Span(NOON, NOON + span)).name == name


def test_there_are_never_too_many_bars_nor_needlessly_few() -> None:
    for span in (2**power for power in range(10, 43)):
        chosen = interval(Span(0, span))
        if chosen is not INTERVALS[-1]:
            assert span / chosen.ms <= MOST_BARS
        finer = INTERVALS[max(0, INTERVALS.index(chosen) - 1)]
        assert finer is chosen or span / finer.ms > MOST_BARS


def test_an_interval_that_would_choke_the_server_is_refused() -> None:
    assert interval(Span(0, DAY), "5 minutes").name == "5 minutes"
    with pytest.raises(WorkshopError, match="too many bars"):
        interval(Span(0, DAY), "second")
    with pytest.raises(WorkshopError, match="No interval is called 'fortnight'"):
        interval(Span(0, DAY), "fortnight")
