"""Replay of the recorded plays: the live log grows, line by line, as if it were now.

In: ``tracks.csv``. Out: ``plays.log``, which the shippers of Stages 1 and 2 follow, and
``replay.json``, which holds its progress. Before each chunk of lines the state names the
lines that are about to be written and where; so after ``kill -9`` at any point, the log
itself tells how many of them it holds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from workshop_lib.errors import WorkshopError
from workshop_lib.ingest import schedule
from workshop_lib.ingest.log_file import LogPosition, LogWriter, Written, write_all, written
from workshop_lib.ingest.recording import (
    Recording,
    fingerprint,
    read_lines,
    read_recording,
    redate,
    same_but_for_date,
    with_event_id,
)
from workshop_lib.runtime import state_file
from workshop_lib.runtime.lock import only_one
from workshop_lib.runtime.progress import Progress, silent
from workshop_lib.schema.play import MAX_LONG
from workshop_lib.settings import Settings

#: Lines are written in chunks: all that are due, so often (seconds), and so many at most.
TICK = 0.05
CHUNK = 5000
#: The clock is read again after so many seconds, however long the next pause is.
LONGEST_WAIT = 1.0


@dataclass(frozen=True)
class ReplayState:
    """Progress of a replay. Line numbers count from 0 in ``source``.

    ``[first_line, next_line)`` are in the log, ``last_line`` is the first one that is not
    replayed. ``shift_ms`` was added to every plausible date; None in mode ``live``,
    where a play is dated when it is written. ``pace`` is the speed or the lines a second.
    """

    source: str
    fingerprint: str
    first_line: int
    next_line: int
    last_line: int
    mode: str  # "speed", "rate" or "live"
    pace: float
    shift_ms: int | None
    last_hours: float | None
    seed: int
    # The chunk that is being written: lines [next_line, until_line), from this byte of
    # the source, behind this place of the log, in mode live with this date.
    until_line: int
    next_byte: int
    log_inode: int = 0
    log_size: int = 0
    stamp_ms: int | None = None
    #: Added to every event id: plays that are replayed once more are new plays.
    id_shift: int = 0
    #: The first event id that no replay of this home has used.
    next_event_id: int = 0

    @property
    def done(self) -> bool:
        return self.next_line >= self.last_line


def _path(settings: Settings) -> Path:
    return settings.home / "replay.json"


def _saved(settings: Settings) -> ReplayState | None:
    value = state_file.load(_path(settings))
    return None if value is None else ReplayState(**value)


def read_state(settings: Settings) -> ReplayState | None:
    """Progress of the replay, exact even after a crash; None before the first replay."""
    state = _saved(settings)
    if state is None or state.until_line == state.next_line:
        return state
    return _with_written(state, _written(settings, state).lines)


def _written(settings: Settings, state: ReplayState) -> Written:
    """What of the chunk that was being written stands in the log."""
    source = Path(state.source)
    count = state.until_line - state.next_line
    recorded = read_lines(source, state.next_byte, count) if source.exists() else []
    intended = [with_event_id(line, state.id_shift) for line in recorded]
    at = LogPosition(state.log_inode, state.log_size)
    return written(settings.live_log, at, intended, same_but_for_date)


def _with_written(state: ReplayState, lines: int) -> ReplayState:
    """The state when ``lines`` of its chunk are known to be in the log."""
    return replace(state, next_line=state.next_line + lines)


def replay(
    settings: Settings,
    *,
    speed: float | None = None,
    rate: float | None = None,
    last_hours: float | None = None,
    seed: int = 7,
    limit: int | None = None,
    restart: bool = False,
    stop: threading.Event | None = None,
    progress: Progress = silent,
    clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    wait: Callable[[float], object] | None = None,
) -> ReplayState:
    """Append recorded plays to the live log until all are written, or ``limit`` of them.

    ``speed`` (≥ 1) is how many times as fast as recorded, 1 (the default) means random
    pauses (seeded by ``seed``) and plays dated as they are written; ``rate`` is lines a
    second. ``last_hours`` replays only the end of the recording. A replay that was
    interrupted continues, at its own speed if none is given; one that is done does nothing;
    ``restart`` starts over. ``stop`` ends it between two chunks. ``clock`` (ms since 1970)
    and ``wait`` (seconds) are for tests. Raises ``WorkshopError``.
    """
    _check(speed, rate, last_hours, limit)
    stop = stop or threading.Event()
    with only_one(settings, "replay"):
        source = settings.world / "tracks.csv"
        state = _saved(settings)
        if state is not None and not restart:
            state = _resume(state, source, speed, rate, last_hours)
            if state.done:
                return state
        recorded = read_recording(source)
        if state is not None and state.fingerprint == fingerprint(source):
            state = _recover(settings, state, recorded)
        if state is None or restart:
            id_shift = _free_ids(state, recorded)
            state = _new_state(recorded, speed, rate, last_hours, seed, id_shift, clock())
        return _run(settings, state, recorded, limit, stop, progress, clock, wait or stop.wait)


def _check(
    speed: float | None, rate: float | None, last_hours: float | None, limit: int | None
) -> None:
    wrong = {
        "Give a speed or a rate, not both.": speed is not None and rate is not None,
        "The speed must be 1 or more: slower, plays would be dated in the future.": speed
        is not None
        and not 1 <= speed < float("inf"),
        "The rate must be more than 0 lines a second.": rate is not None
        and not 0 < rate < float("inf"),
        "The last hours must be more than 0.": last_hours is not None and not last_hours > 0,
        "The limit must be 1 line or more.": limit is not None and limit < 1,
    }
    for message, is_wrong in wrong.items():
        if is_wrong:
            raise WorkshopError(message, "See `workshop replay --help`.")


def _mode(speed: float | None, rate: float | None) -> tuple[str, float]:
    if rate is not None:
        return "rate", rate
    return ("live", 1.0) if speed in (None, 1) else ("speed", float(speed or 1))


def _new_state(
    recorded: Recording,
    speed: float | None,
    rate: float | None,
    last_hours: float | None,
    seed: int,
    id_shift: int,
    now: int,
) -> ReplayState:
    """The state of a replay that starts now, with the one shift of all its dates."""
    mode, pace_ = _mode(speed, rate)
    first = recorded.first_of_last(last_hours) if last_hours else 0
    state = ReplayState(
        source=str(recorded.path),
        fingerprint=fingerprint(recorded.path),
        first_line=first,
        next_line=first,
        last_line=len(recorded),
        mode=mode,
        pace=pace_,
        shift_ms=None,
        last_hours=last_hours,
        seed=seed,
        until_line=first,
        next_byte=int(recorded.starts[first]),
        id_shift=id_shift,
        next_event_id=id_shift + recorded.last_event_id + 1,
    )
    if mode == "live":
        return state
    shift = schedule.shift(
        now, _offsets(state, recorded), recorded.dates[first:], recorded.plausible[first:]
    )
    return replace(state, shift_ms=shift)


def _free_ids(before: ReplayState | None, recorded: Recording) -> int:
    """What to add to event ids so that no earlier replay has used them; 0 for the first.

    With the ids of the recording again, a stream would take the plays for duplicates and
    count nothing. Ids near the end of 64 bits stay as they are.
    """
    free = before.next_event_id if before else 0
    return free if free + recorded.last_event_id <= MAX_LONG else 0


def _resume(
    state: ReplayState,
    source: Path,
    speed: float | None,
    rate: float | None,
    last_hours: float | None,
) -> ReplayState:
    """The saved state, if it can continue with these options; at a new speed if one is given."""
    restart = "Start over with --restart (`workshop reset` removes what was delivered)."
    if not source.exists() or fingerprint(source) != state.fingerprint:
        raise WorkshopError(
            f"{source} is not the recording that this replay started with.", restart
        )
    if last_hours is not None and last_hours != state.last_hours:
        raise WorkshopError("This replay started with another part of the recording.", restart)
    if speed is None and rate is None:
        return state
    mode, pace_ = _mode(speed, rate)
    if (mode == "live") != (state.mode == "live"):
        raise WorkshopError(
            f"This replay started in mode {state.mode}, which sets the dates of plays.", restart
        )
    return replace(state, mode=mode, pace=pace_)


def _offsets(state: ReplayState, recorded: Recording) -> schedule.Millis:
    """ms from the start of the replay until each of its lines is due."""
    arrived = recorded.arrived[state.first_line :]
    if state.mode == "speed":
        return schedule.at_speed(arrived, state.pace)
    if state.mode == "rate":
        return schedule.at_rate(len(arrived), state.pace)
    return schedule.at_random(len(arrived), state.seed)


def _render(state: ReplayState, recorded: Recording, first: int, end: int) -> list[bytes]:
    """Lines ``[first, end)`` as they are to stand in the log; the state has their dates."""
    return [
        with_event_id(redate(line, _date(state, date)) if plausible else line, state.id_shift)
        for line, date, plausible in zip(
            recorded.lines(first, end),
            recorded.dates[first:end].tolist(),
            recorded.plausible[first:end].tolist(),
            strict=True,
        )
    ]


def _date(state: ReplayState, recorded: int) -> int:
    if state.shift_ms is not None:
        return recorded + state.shift_ms
    assert state.stamp_ms is not None
    return state.stamp_ms


def _recover(settings: Settings, state: ReplayState, recorded: Recording) -> ReplayState:
    """The state after a crash, by what the log holds; a partial line is completed in place."""
    if state.until_line == state.next_line:
        return state
    done = _written(settings, state)
    rest = _render(state, recorded, state.next_line + done.lines, state.until_line)
    lines = done.lines
    if done.file and done.partial and rest and rest[0].startswith(done.partial):
        with done.file.open("ab", buffering=0) as log:
            write_all(log.fileno(), rest[0][len(done.partial) :] + b"\n")
        lines += 1
    return _with_written(state, lines)


def _run(
    settings: Settings,
    state: ReplayState,
    recorded: Recording,
    limit: int | None,
    stop: threading.Event,
    progress: Progress,
    clock: Callable[[], int],
    wait: Callable[[float], object],
) -> ReplayState:
    first = state.next_line
    end = min(state.last_line, first + limit) if limit else state.last_line
    offsets = _offsets(state, recorded)[first - state.first_line :]
    shifted = None
    if state.shift_ms is not None:
        known = recorded.plausible[first:]
        shifted = np.where(known, recorded.dates[first:] + state.shift_ms, schedule.MISSING)
    # The time between two runs does not count: a pause is not caught up.
    due_at = schedule.write_times(clock(), offsets - offsets[:1], shifted)
    writer = LogWriter(settings.live_log)
    try:
        while state.next_line < end and not stop.is_set():
            now = clock()
            due = first + int(np.searchsorted(due_at, now, side="right"))
            due = min(due, end, state.next_line + CHUNK)
            if due > state.next_line:
                state = _append(settings, state, recorded, writer, due, now)
                lines = state.next_line - state.first_line
                progress("Replaying", lines, len(recorded) - state.first_line)
            if state.next_line < end:
                pause = (int(due_at[state.next_line - first]) - clock()) / 1000
                if pause > 0:
                    wait(min(max(pause, TICK), LONGEST_WAIT))
    finally:
        writer.close()
    return state


def _append(
    settings: Settings,
    state: ReplayState,
    recorded: Recording,
    writer: LogWriter,
    until: int,
    now: int,
) -> ReplayState:
    """Write lines up to ``until``; the state says so before, and that it is done after."""
    at = writer.position()
    state = replace(
        state,
        until_line=until,
        next_byte=int(recorded.starts[state.next_line]),
        log_inode=at.inode,
        log_size=at.size,
        stamp_ms=now if state.mode == "live" else None,
    )
    state_file.save(_path(settings), vars(state))
    lines = _render(state, recorded, state.next_line, until)
    writer.write(b"".join(line + b"\n" for line in lines))
    state = replace(state, next_line=until)
    state_file.save(_path(settings), vars(state))
    return state
