"""When lines are written and how dates are moved: arithmetic with known answers."""

from __future__ import annotations

import numpy as np
import pytest

from workshop_lib.ingest import schedule
from workshop_lib.ingest.schedule import DAY, MISSING

START = 1_800_000_000_000
MINUTE = 60_000


def dates(*values: int) -> schedule.Millis:
    return np.array(values, dtype=np.int64)


def random_recording(seed: int, size: int = 500) -> schedule.Millis:
    """Plays in order but for late ones, some lines without a date, one in the far future."""
    draw = np.random.default_rng(seed)
    found = np.cumsum(draw.integers(0, 30_000, size)) + 1_600_000_000_000
    late = draw.random(size) < 0.1
    found[late] -= draw.integers(0, 8 * 3_600_000, late.sum())
    found[draw.random(size) < 0.05] = MISSING
    found[size // 2] += 60 * 365 * DAY
    return found.astype(np.int64)


def test_arrival_is_the_latest_date_so_far() -> None:
    found = dates(MISSING, 10, 30, 20, MISSING, 40)
    mask = schedule.plausible(found)
    assert mask.tolist() == [False, True, True, True, False, True]
    assert schedule.arrivals(found, mask).tolist() == [10, 10, 30, 30, 30, 40]


@pytest.mark.parametrize("place", [0, 1, 5, 9])
def test_a_date_years_ahead_is_not_believed_wherever_it_stands(place: int) -> None:
    values = [i * MINUTE for i in range(10)]
    values[place] += 73 * 365 * DAY
    found = dates(*values)
    mask = schedule.plausible(found)
    assert [i for i in range(10) if not mask[i]] == [place]
    assert schedule.arrivals(found, mask).max() < 10 * MINUTE


def test_a_gap_of_days_in_the_recording_is_believed() -> None:
    values = [i * MINUTE for i in range(10)] + [5 * DAY + i * MINUTE for i in range(10)]
    assert schedule.plausible(dates(*values)).all()


def test_exactly_one_day_ahead_is_believed_and_one_ms_more_at_the_end_is_not() -> None:
    assert schedule.plausible(dates(0, DAY)).tolist() == [True, True]
    assert schedule.plausible(dates(0, DAY + 1)).tolist() == [True, False]


def test_a_single_line_and_no_date_at_all() -> None:
    assert schedule.plausible(dates(5)).tolist() == [True]
    found = dates(MISSING, MISSING)
    mask = schedule.plausible(found)
    assert schedule.arrivals(found, mask).tolist() == [0, 0]
    assert schedule.shift(START, schedule.at_rate(2, 1), found, mask) == 0


def test_speed_two_takes_half_the_time_and_ends_now() -> None:
    found = dates(0, 60_000, 20_000, 100_000)
    mask = schedule.plausible(found)
    offsets = schedule.at_speed(schedule.arrivals(found, mask), 2)
    assert offsets.tolist() == [0, 30_000, 30_000, 50_000]
    # The last of 100 s is written after 50 s, dated then.
    assert schedule.shift(START, offsets, found, mask) == START + 50_000 - 100_000


def test_rate_is_lines_a_second() -> None:
    assert schedule.at_rate(5, 2).tolist() == [0, 500, 1000, 1500, 2000]


def test_random_gaps_are_the_tables_and_the_same_for_the_same_seed() -> None:
    one, same, other = (
        schedule.at_random(20_000, 7),
        schedule.at_random(20_000, 7),
        schedule.at_random(9, 8),
    )
    assert (one == same).all()
    assert not (one[:9] == other).all()
    gaps = np.diff(one)
    assert set(gaps.tolist()) == {gap for gap, _ in schedule.GAPS}
    expected = sum(gap * weight for gap, weight in schedule.GAPS) / sum(w for _, w in schedule.GAPS)
    assert gaps.mean() == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("speed", [1.0, 1.5, 60, 1e9])
def test_at_any_speed_nothing_is_in_the_future_and_something_is_now(
    seed: int, speed: float
) -> None:
    found = random_recording(seed)
    mask = schedule.plausible(found)
    offsets = schedule.at_speed(schedule.arrivals(found, mask), speed)
    shift = schedule.shift(START, offsets, found, mask)
    ahead = (found + shift - (START + offsets))[mask]
    assert ahead.max() == 0
    # The formula of the speed: the latest play is dated at its own writing.
    arrived = schedule.arrivals(found, mask)
    length = int(arrived[-1] - arrived[0])
    assert abs(shift - (START + length / speed - arrived[-1])) <= 1


@pytest.mark.parametrize("rate", [0.5, 33, 1e6])
def test_at_any_rate_nothing_is_in_the_future_and_something_is_now(rate: float) -> None:
    found = random_recording(3)
    mask = schedule.plausible(found)
    offsets = schedule.at_rate(len(found), rate)
    shift = schedule.shift(START, offsets, found, mask)
    assert (found + shift - (START + offsets))[mask].max() == 0
    # Negative control: one ms more and something would be in the future.
    assert (found + shift + 1 - (START + offsets))[mask].max() > 0


def test_a_line_waits_for_its_date_when_the_pace_was_raised_half_way() -> None:
    moments = schedule.write_times(START, dates(0, 10, 20), dates(START - 5, START + 15, MISSING))
    assert moments.tolist() == [START, START + 15, START + 20]
