"""The recorded plays happen again: every line once, in order, never in the future, after any
crash. A clock of the test's own stands in for time; one test uses the real one."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from workshop_lib.errors import WorkshopError
from workshop_lib.ingest import live_log, state_file
from workshop_lib.ingest.recorded import redate, same_but_for_date, scan
from workshop_lib.ingest.replay import ReplayState, read_state
from workshop_lib.ingest.replay import replay as real_replay
from workshop_lib.lock import only_one
from workshop_lib.play_line import MalformedPlay, Play, parse, to_line
from workshop_lib.settings import Settings

BEGIN = 1_700_000_000_000
NOW = 1_800_000_000_000
SECOND = 1000
HOUR = 3_600_000


class Clock:
    """Stands still but for what is waited."""

    def __init__(self, now: int = NOW) -> None:
        self.now = now
        self.on_wait: Callable[[], None] = lambda: None

    def __call__(self) -> int:
        return self.now

    def wait(self, seconds: float) -> None:
        assert seconds > 0
        self.now += int(seconds * 1000) + 1
        self.on_wait()


def replay(settings: Settings, clock: Clock | None = None, **options: Any) -> ReplayState:
    clock = clock or Clock()
    return real_replay(settings, clock=clock, wait=clock.wait, **options)


def record(settings: Settings, lines: list[bytes]) -> list[bytes]:
    settings.world.mkdir(parents=True, exist_ok=True)
    (settings.world / "tracks.csv").write_bytes(b"".join(line + b"\n" for line in lines))
    return lines


def usual_lines(count: int = 40) -> list[bytes]:
    """A play every 10 s; among them a late one, the same line twice, and broken ones."""
    lines = [
        to_line(Play(i, i % 7, i % 5, BEGIN + i * 10 * SECOND, i % 2 == 0, "01234"))
        for i in range(count)
    ]
    lines[9] = to_line(Play(9, 2, 4, BEGIN + 30 * SECOND, False, "01234"))
    lines[12] = lines[11]
    lines[15] = b"not a play"
    lines[18] = b""
    lines[21] = b'21,0,1,"2099-01-01 00:00:00",1,"01234"'
    lines[24] = b"\xff\xfe\x00,\r"
    return lines


def log_lines(settings: Settings) -> list[bytes]:
    data = settings.live_log.read_bytes()
    assert data.endswith(b"\n")
    return data.split(b"\n")[:-1]


def moved(line: bytes, shift: int) -> bytes:
    """What becomes of a recorded line, worked out without the code under test."""
    try:
        play = parse(line)
    except MalformedPlay:
        return line
    if play.played_at > BEGIN + 10**9:
        return line
    return to_line(play._replace(played_at=play.played_at + shift))


def test_every_line_once_in_order_with_one_shift(settings: Settings) -> None:
    lines = record(settings, usual_lines())
    state = replay(settings, speed=100)
    assert (state.first_line, state.next_line, state.last_line, state.done) == (0, 40, 40, True)
    assert state.shift_ms == NOW + 3900 - (BEGIN + 390 * SECOND)
    assert log_lines(settings) == [moved(line, state.shift_ms) for line in lines]
    assert read_state(settings) == state


@pytest.mark.parametrize("pace", [{"speed": 1}, {"speed": 3}, {"speed": 1e6}, {"rate": 7}])
def test_no_play_is_later_than_the_moment_it_is_written(
    settings: Settings, pace: dict[str, float]
) -> None:
    record(settings, usual_lines())
    clock = Clock()
    seen = 0

    def check(done: int, total: int) -> None:
        nonlocal seen
        for line in log_lines(settings)[seen:]:
            if line in (b"", b"not a play") or b"2099" in line or b"\xff" in line:
                continue
            assert parse(line).played_at <= clock.now
        seen = done

    replay(settings, clock, on_progress=check, **pace)
    assert seen == 40


def test_at_speed_one_a_play_is_dated_when_it_is_written(settings: Settings) -> None:
    lines = record(settings, usual_lines())
    clock = Clock()
    dates: list[tuple[int, int]] = []

    def look(done: int, total: int) -> None:
        line = log_lines(settings)[-1]
        if line.startswith(b"%d," % (done - 1)) and b"2099" not in line:
            dates.append((parse(line).played_at, clock.now))

    state = replay(settings, clock, on_progress=look)
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
    assert scan(settings.world / "tracks.csv").first_of_last(2) == 1
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


def test_a_renamed_log_is_followed_by_a_new_one(settings: Settings) -> None:
    lines = record(settings, usual_lines())
    rotated = settings.live_log.with_name("plays.log.1")

    def rotate(done: int, total: int) -> None:
        if not rotated.exists():
            settings.live_log.rename(rotated)

    state = replay(settings, rate=10, on_progress=rotate)
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


# Killed -------------------------------------------------------------------------------


class Killed(BaseException):
    """Stands for kill -9: no code of ours handles it."""


@contextmanager
def killed_at(step: int, done: float) -> Iterator[None]:
    """Dies in the ``step``-th write of log or state; that write gets ``done`` (0–1) far."""
    left = step
    write, save = os.write, state_file.save

    def dying_write(file: int, data: memoryview) -> int:
        nonlocal left
        left -= 1
        if left == 0:
            write(file, data[: int(len(data) * done)])
            raise Killed
        return write(file, data)

    def dying_save(path: Any, value: dict[str, Any]) -> None:
        nonlocal left
        left -= 1
        if left != 0 or done == 1:
            save(path, value)
        if left == 0:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live_log.os, "write", dying_write)
        patch.setattr(state_file, "save", dying_save)
        yield


STEPS = range(1, 16)  # chunks of 1, 10, 10, 10 and 9 lines: state before, lines, state after
DONE = (0, 0.37, 0.999, 1)


@pytest.mark.parametrize("mode", ["rate", "live"])
@pytest.mark.parametrize("rotated", [False, True])
@pytest.mark.parametrize("done", DONE)
def test_killed_anywhere_the_log_has_every_line_once(
    settings: Settings, mode: str, rotated: bool, done: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the log is renamed before the replay goes on."""
    monkeypatch.setattr("workshop_lib.ingest.replay.CHUNK", 10)
    lines = record(settings, usual_lines())
    pace = {"rate": 1e6} if mode == "rate" else {}
    for step in STEPS:
        (settings.home / "replay.json").unlink(missing_ok=True)
        for old in settings.home.glob("log/*"):
            old.unlink()
        with killed_at(step, done), pytest.raises(Killed):
            replay(settings, **pace)
        held = read_state(settings)
        whole = settings.live_log.read_bytes().count(b"\n")
        assert (held.next_line if held else 0) == whole
        if rotated:
            settings.live_log.rename(settings.live_log.with_name("plays.log.1"))
        state = replay(settings, Clock(NOW + HOUR), **pace)
        assert state.done
        data = b"".join(p.read_bytes() for p in sorted(settings.home.glob("log/*"), reverse=True))
        found = data.split(b"\n")[:-1]
        if mode == "rate":
            assert found == [moved(line, state.shift_ms or 0) for line in lines], step
        else:
            assert len(found) == len(lines), step
            for one, other in zip(found, lines, strict=True):
                assert same_but_for_date(one, other), step


def test_the_kills_of_these_tests_do_happen_in_the_middle(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: without looking into the log, lines would be written twice."""
    monkeypatch.setattr("workshop_lib.ingest.replay.CHUNK", 10)
    record(settings, usual_lines())
    with killed_at(5, 0.37), pytest.raises(Killed):
        replay(settings, rate=1e6)
    saved = state_file.load(settings.home / "replay.json")
    assert saved is not None
    data = settings.live_log.read_bytes()
    assert saved["next_line"] == 1 < data.count(b"\n") < 11
    assert not data.endswith(b"\n")


def test_what_others_typed_into_the_log_is_not_counted(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workshop_lib.ingest.replay.CHUNK", 10)
    lines = record(settings, usual_lines())
    with killed_at(5, 1), pytest.raises(Killed):  # but 11 lines are written
        replay(settings, rate=1e6)
    with settings.live_log.open("ab") as log:
        log.write(b"typed by hand\nand more\n")
    held = read_state(settings)
    assert held and held.next_line == 11
    state = replay(settings)
    want = [moved(line, state.shift_ms or 0) for line in lines]
    assert log_lines(settings) == [*want[:11], b"typed by hand", b"and more", *want[11:]]


def test_a_log_that_was_cut_or_removed_costs_no_line_that_was_not_written(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workshop_lib.ingest.replay.CHUNK", 10)
    lines = record(settings, usual_lines())
    with killed_at(5, 0.5), pytest.raises(Killed):
        replay(settings, rate=1e6)
    settings.live_log.unlink()
    state = replay(settings)
    # From the last line known to be written: a line twice is better than a line lost.
    assert log_lines(settings) == [moved(line, state.shift_ms or 0) for line in lines[1:]]


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
