"""A small recording and a clock of its own, for the tests of the replay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from workshop_lib.ingest.replay import ReplayState
from workshop_lib.ingest.replay import replay as real_replay
from workshop_lib.schema.play import MalformedPlay, Play, parse, to_line
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
