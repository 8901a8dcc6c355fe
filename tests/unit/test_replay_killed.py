"""A replay killed at any of its writes: afterwards the log has every line once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from replay_world import HOUR, NOW, Clock, log_lines, moved, record, replay, usual_lines

from workshop_lib.ingest import log_file
from workshop_lib.ingest.recording import same_but_for_date
from workshop_lib.ingest.replay import read_state
from workshop_lib.runtime import state_file
from workshop_lib.settings import Settings


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
        patch.setattr(log_file.os, "write", dying_write)
        patch.setattr(state_file, "save", dying_save)
        yield


STEPS = range(1, 16)  # chunks of 1, 10, 10, 10 and 9 lines: state before, lines, state after
DONE = (0, 0.37, 0.999, 1)


@pytest.mark.parametrize("done", DONE)
def test_killed_in_a_replay_that_started_over_the_log_has_every_line_once(
    settings: Settings, done: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its event ids are new ones, and so are those that the log is searched for."""
    monkeypatch.setattr("workshop_lib.ingest.replay.CHUNK", 10)
    record(settings, usual_lines())
    replay(settings, rate=1e6)
    (settings.home / "replay.json").rename(settings.home / "first")
    for step in STEPS:
        (settings.home / "replay.json").write_bytes((settings.home / "first").read_bytes())
        settings.live_log.unlink()
        with killed_at(step, done), pytest.raises(Killed):
            replay(settings, rate=1e6, restart=True)
        # Killed before its first state it has not begun, and starts over once more.
        begun = read_state(settings).id_shift > 0
        state = replay(settings, Clock(NOW + HOUR), rate=1e6, restart=not begun)
        assert state.done and state.id_shift == 40
        assert len(log_lines(settings)) == 40


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
