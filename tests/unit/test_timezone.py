"""Which zone is taken, when its days begin, and which hours a day has."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from workshop_lib.charts.time_range import HOUR, Span, TimeRange, parse_time, readable
from workshop_lib.errors import WorkshopError
from workshop_lib.settings import Settings, system_timezone

NEW_YORK = "America/New_York"


def ms(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp() * 1000)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("variable", "zone"),
    [
        ("Asia/Seoul", "Asia/Seoul"),
        (":America/New_York", NEW_YORK),
        (":/usr/share/zoneinfo/Europe/Berlin", "Europe/Berlin"),
        ("/usr/share/zoneinfo/posix/Asia/Tokyo", "Asia/Tokyo"),
        ("EST5EDT4,M3.2.0,M11.1.0", "UTC"),  # rules, not a name
    ],
)
def test_the_system_s_zone_by_its_name(
    variable: str, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", variable)
    monkeypatch.delenv("WORKSHOP_TIMEZONE", raising=False)
    assert system_timezone() == Settings().timezone == TimeRange().zone == zone


def test_the_setting_comes_first_and_must_be_a_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("WORKSHOP_TIMEZONE", "Asia/Seoul")
    assert Settings().timezone == TimeRange().zone == "Asia/Seoul"
    monkeypatch.setenv("WORKSHOP_TIMEZONE", "KST")
    with pytest.raises(WorkshopError, match="WORKSHOP_TIMEZONE='KST' is wrong; allowed is a name"):
        Settings()


def test_today_begins_at_midnight_in_the_zone() -> None:
    noon = ms(2026, 11, 1, 17)  # 12:00 in New York, 13 hours after midnight: clocks were put back
    assert parse_time("now/d", noon, NEW_YORK) == ms(2026, 11, 1, 4)
    assert parse_time("now/d", noon, "Asia/Seoul") == ms(2026, 11, 1, 15)
    assert parse_time("now-1h", noon, NEW_YORK) == noon - HOUR


def test_a_time_without_a_zone_is_one_of_the_zone_s_clocks() -> None:
    assert parse_time("2026-01-31T12:00", 0, "Asia/Seoul") == ms(2026, 1, 31, 3)
    assert parse_time("2026-01-31T12:00Z", 0, "Asia/Seoul") == ms(2026, 1, 31, 12)
    assert readable(ms(2026, 1, 31, 3), "Asia/Seoul") == "2026-01-31 12:00"
    shown = TimeRange("2026-01-31T03:00Z", "2026-01-31T04:00Z", "Asia/Seoul")
    assert str(shown) == "2026-01-31 12:00 to 2026-01-31 13:00"


@pytest.mark.parametrize(
    ("start", "hours", "missing", "twice"),
    [
        (ms(2026, 3, 8, 5), 23, {2}, set()),  # clocks put forward
        (ms(2026, 11, 1, 4), 25, set(), {1}),  # and back
        (ms(2026, 7, 1, 4), 24, set(), set()),
    ],
)
def test_the_hours_of_a_day(start: int, hours: int, missing: set[int], twice: set[int]) -> None:
    stretches = Span(start, start + hours * HOUR, NEW_YORK).hours_of_day()
    assert {hour for hour, found in enumerate(stretches) if not found} == missing
    assert {hour for hour, found in enumerate(stretches) if len(found) > 1} == twice
    assert sum(end - begin for found in stretches for begin, end in found) == hours * HOUR


def test_hours_of_a_zone_that_is_a_quarter_of_an_hour_off() -> None:
    start = ms(2026, 1, 1)  # 05:45 in Kathmandu
    stretches = Span(start, start + 24 * HOUR, "Asia/Kathmandu").hours_of_day()
    assert stretches[5] == [
        (start, start + HOUR // 4),
        (start + 23 * HOUR + HOUR // 4, start + 24 * HOUR),
    ]
    assert stretches[6] == [(start + HOUR // 4, start + HOUR + HOUR // 4)]
