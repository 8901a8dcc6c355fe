"""The recorded plays happen again: every line once, in order, never in the future, after any
crash. A clock of the test's own stands in for time; one test uses the real one."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from replay_world import BEGIN, HOUR, NOW, Clock, log_lines, moved, record, replay, usual_lines

from workshop_lib.errors import WorkshopError
from workshop_lib.ingest.recording import read_recording, redate, same_but_for_date
from workshop_lib.ingest.replay import read_state
from workshop_lib.ingest.replay import replay as real_replay
from workshop_lib.runtime.lock import only_one
from workshop_lib.schema.play import MalformedPlay, Play, parse, to_line
from workshop_lib.settings import Settings


def test_every_line_once_in_order_with_one_shift(settings: Settings) -> None:
    lines = record(settings, usual_lines())
    state = replay(settings, speed=100)
    assert (state.first_line, state.next_line, state.last_line, state.done) == (0, 40, 40, True)
    assert state.shift_ms == NOW + 3900 - (BEGIN + 390_000)
    assert log_lines(settings) == [moved(line, state.shift_ms) for line in lines]
    assert read_state(settings) == state


@pytest.mark.parametrize("pace", [{"speed": 1}, {"speed": 3}, {"speed": 1e6}, {"rate": 7}])
def test_no_play_is_later_than_the_moment_it_is_written(
    settings: Settings, pace: dict[str, float]
) -> None:
    record(settings, usual_lines())
    clock = Clock()
    seen = 0

    def check(step: str, done: float, total: float | None) -> None:
        nonlocal seen
        for line in log_lines(settings)[seen:]:
            if line in (b"", b"not a play") or b"2099" in line or b"\xff" in line:
                continue
            assert parse(line).played_at <= clock.now
        seen = done

    replay(settings, clock, progress=check, **pace)
    assert seen == 40


def test_at_speed_one_a_play_is_dated_when_it_is_written(settings: Settings) -> None:
    lines = record(settings, usual_lines())
    clock = Clock()
    dates: list[tuple[int, int]] = []

    def look(step: str, done: float, total: float | None) -> None:
        line = log_lines(settings)[-1]
        if line.startswith(b"%d," % (done - 1)) and b"2099" not in line:
            dates.append((parse(line).played_at, clock.now))

    state = replay(settings, clock, progress=look)
    assert state.mode == "live"
    assert state.shift_ms is None
    assert dates and all(written == now for written, now in dates)
    written = log_lines(settings)
    assert all(same_but_for_date(a, b) for a, b in zip(written, lines, strict=True))
    assert written[21] == lines[21]  # a future date is not made a believable one


def test_with_the_real_clock_nothing_is_in_the_future(settings: Settings) -> None:
    record(settings, usual_lines())
    real_replay(settings, speed=2000)
    latest = time.time_ns() // 1_000_000
    plays = [parse(x) for i, x in enumerate(log_lines(settings)) if i not in (15, 18, 21, 24)]
    # The last one is dated at its writing: just now, as far as clocks of a test go.
    assert latest - 60_000 < max(play.played_at for play in plays) <= latest


def test_the_last_hours_are_by_arrival(settings: Settings) -> None:
    lines = [
        to_line(Play(0, 1, 1, BEGIN, True, "1")),
        to_line(Play(1, 1, 1, BEGIN + 1 * HOUR, True, "1")),
        b"broken, arrives with the line before",
        to_line(Play(3, 1, 1, BEGIN + 2 * HOUR, True, "1")),
        to_line(Play(4, 1, 1, BEGIN - 5 * HOUR, True, "1")),  # hours late, but arrives now
        b'5,1,1,"2099-01-01 00:00:00",1,"1"',
        to_line(Play(6, 1, 1, BEGIN + 3 * HOUR, True, "1")),
    ]
    record(settings, lines)
    assert read_recording(settings.world / "tracks.csv").first_of_last(2) == 1
    state = replay(settings, rate=10, last_hours=1)
    assert (state.first_line, state.next_line, state.last_line) == (3, 7, 7)
    assert log_lines(settings) == [moved(line, state.shift_ms or 0) for line in lines[3:]]


def test_a_line_end_that_is_missing_or_foreign(settings: Settings) -> None:
    settings.world.mkdir(parents=True)
    one = to_line(Play(1, 2, 3, BEGIN, True, "01234"))
    (settings.world / "tracks.csv").write_bytes(one + b"\r\n" + one)
    state = replay(settings, rate=10)
    want = moved(one, state.shift_ms or 0)
    assert settings.live_log.read_bytes() == want + b"\r\n" + want + b"\n"


def test_only_the_date_changes(settings: Settings) -> None:
    odd = b"\xef\xbb\xbf 7 , 8,9 ,2026-03-01 12:00:00.5,1, 01234\r"
    assert redate(odd, BEGIN) == b"\xef\xbb\xbf 7 , 8,9 ,2023-11-14 22:13:20,1, 01234\r"
    assert redate(odd, 10**18) == odd  # no calendar has that date


# Stopped and resumed ------------------------------------------------------------------


def test_a_stopped_replay_goes_on_with_the_same_shift(settings: Settings) -> None:
    lines = record(settings, usual_lines())
    stop = threading.Event()
    clock = Clock()
    clock.on_wait = stop.set
    first = replay(settings, clock, rate=100, stop=stop)
    assert 0 < first.next_line < 40
    clock = Clock(NOW + 5 * HOUR)
    second = replay(settings, clock)
    assert second.done and second.shift_ms == first.shift_ms and second.mode == "rate"
    assert log_lines(settings) == [moved(line, first.shift_ms or 0) for line in lines]
    # The pause was not made up for by writing all at once.
    assert clock.now - (NOW + 5 * HOUR) >= 10 * (39 - first.next_line)


def test_the_pace_may_change_half_way_but_not_into_the_future(settings: Settings) -> None:
    record(settings, usual_lines())
    clock = Clock()
    first = replay(settings, clock, rate=1, limit=10)
    assert first.next_line == 10
    state = replay(settings, clock, rate=1000)
    assert state.done and state.pace == 1000
    assert max(parse(x).played_at for x in log_lines(settings)[25:]) <= clock.now


def test_limit_writes_so_many_lines_at_a_time(settings: Settings) -> None:
    record(settings, usual_lines())
    assert replay(settings, rate=1e6, limit=15).next_line == 15
    assert len(log_lines(settings)) == 15
    assert replay(settings, limit=15).next_line == 30
    assert replay(settings, limit=15).done
    assert len(log_lines(settings)) == 40


def test_a_finished_replay_does_nothing_and_restart_begins_anew(settings: Settings) -> None:
    record(settings, usual_lines())
    done = replay(settings, rate=1e6)
    assert replay(settings, rate=1e6) == done
    assert len(log_lines(settings)) == 40
    again = replay(settings, rate=1e6, restart=True, last_hours=0.05)
    assert again.first_line == 22  # 210 s after the first; line 21 is dated 2099
    assert len(log_lines(settings)) == 40 + again.last_line - again.first_line


def test_started_over_they_are_new_plays_with_new_ids(settings: Settings) -> None:
    """With the ids of before a stream would take them for duplicates, and charts stand still."""
    lines = record(settings, usual_lines())
    replay(settings, rate=1e6)
    first = log_lines(settings)
    for turn in (1, 2):
        state = replay(settings, rate=1e6, restart=True)
        assert state.id_shift == 40 * turn
        again = log_lines(settings)[len(lines) * turn :]
        assert [_id(line) for line in again] == [
            event if event is None else event + 40 * turn for event in map(_id, first)
        ]
        # A line that is no play is as it was.
        assert [line for line in again if _id(line) is None] == [
            line for line in first if _id(line) is None
        ]


def test_ids_near_the_end_of_64_bits_stay(settings: Settings) -> None:
    record(settings, [b'%d,1,1,"2024-01-01 00:00:00",0,""' % (2**63 - 2)])
    replay(settings, rate=1e6)
    assert replay(settings, rate=1e6, restart=True).id_shift == 0


def _id(line: bytes) -> int | None:
    try:
        return parse(line).event_id
    except MalformedPlay:
        return None


def test_a_renamed_log_is_followed_by_a_new_one(settings: Settings) -> None:
    lines = record(settings, usual_lines())
    rotated = settings.live_log.with_name("plays.log.1")

    def rotate(step: str, done: float, total: float | None) -> None:
        if not rotated.exists():
            settings.live_log.rename(rotated)

    state = replay(settings, rate=10, progress=rotate)
    old, new = rotated.read_bytes(), settings.live_log.read_bytes()
    assert old and new
    assert (old + new).split(b"\n")[:-1] == [moved(line, state.shift_ms or 0) for line in lines]


def test_half_a_line_of_somebody_else_is_not_glued_to_a_play(settings: Settings) -> None:
    lines = record(settings, usual_lines())
    settings.live_log.parent.mkdir(parents=True)
    settings.live_log.write_bytes(b"typed by hand")
    state = replay(settings, rate=1e6)
    assert log_lines(settings) == [
        b"typed by hand",
        *(moved(line, state.shift_ms or 0) for line in lines),
    ]


# What a user did wrong ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"speed": 2, "rate": 3}, "not both"),
        ({"speed": 0.5}, "1 or more"),
        ({"speed": float("nan")}, "1 or more"),
        ({"rate": 0}, "more than 0"),
        ({"last_hours": -1}, "more than 0"),
        ({"limit": 0}, "1 line or more"),
    ],
)
def test_impossible_options(settings: Settings, options: dict[str, Any], message: str) -> None:
    record(settings, usual_lines())
    with pytest.raises(WorkshopError, match=message):
        replay(settings, **options)
    assert not settings.live_log.exists()


def test_no_recording(settings: Settings) -> None:
    with pytest.raises(WorkshopError, match=r"data generate"):
        replay(settings)
    record(settings, [])
    with pytest.raises(WorkshopError, match="is empty"):
        replay(settings)


def test_another_recording_or_part_or_mode_is_not_mixed_in(settings: Settings) -> None:
    record(settings, usual_lines())
    replay(settings, rate=1e6, limit=5)
    with pytest.raises(WorkshopError, match="another part"):
        replay(settings, last_hours=1)
    with pytest.raises(WorkshopError, match="mode rate"):
        replay(settings, speed=1)
    record(settings, usual_lines(30))
    with pytest.raises(WorkshopError, match="not the recording"):
        replay(settings)
    assert len(log_lines(settings)) == 5
    assert replay(settings, rate=1e6, restart=True).last_line == 30


def test_only_one_replay_at_a_time(settings: Settings) -> None:
    record(settings, usual_lines())
    with only_one(settings, "replay"), pytest.raises(WorkshopError, match="already running"):
        replay(settings)


def test_a_damaged_state_is_an_error_that_says_so(settings: Settings) -> None:
    record(settings, usual_lines())
    (settings.home / "replay.json").write_text("{")
    with pytest.raises(WorkshopError, match="damaged"):
        replay(settings)
