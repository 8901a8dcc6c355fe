"""Following a log: every line once, whatever happens to the file meanwhile."""

from __future__ import annotations

import itertools
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from workshop_lib.ingest import tail
from workshop_lib.ingest.tail import HEAD, LONGEST_LINE, LogTail, Position


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "plays.log"


ticks = itertools.count(1)


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)
    # Some file systems tell time by 4 ms; no log is rotated so fast but here.
    os.utime(path, ns=(0, 10**18 + next(ticks) * 10**6))


def raws(follower: LogTail) -> list[bytes]:
    """All lines that there are now."""
    found = []
    while lines := follower.read():
        found += [line.raw for line in lines]
    return found


def resumed(follower: LogTail) -> LogTail:
    """Another process that goes on from the saved position."""
    position = follower.position()
    follower.close()
    return LogTail(follower._path, Position(*position))


def going_on(follower: LogTail) -> LogTail:
    return follower


ways = pytest.mark.parametrize("again", [going_on, resumed])
Again = Callable[[LogTail], LogTail]


def test_no_file_yet_then_lines_with_their_places(log: Path) -> None:
    follower = LogTail(log)
    assert follower.read() == []
    append(log, b"one\n\nthree\r\n")
    lines = follower.read()
    assert [(x.raw, x.generation, x.offset, x.length) for x in lines] == [
        (b"one", 0, 0, 4),
        (b"", 0, 4, 1),
        (b"three\r", 0, 5, 7),
    ]
    assert follower.behind() == 0
    assert follower.position().offset == 12


@ways
def test_half_a_line_waits_for_its_end(log: Path, again: Again) -> None:
    append(log, b"one\ntw")
    follower = LogTail(log)
    assert raws(follower) == [b"one"]
    assert follower.behind() == 2
    follower = again(follower)
    assert raws(follower) == []
    append(log, b"o\nthr")
    assert raws(follower) == [b"two"]
    append(log, b"ee\n")
    assert raws(again(follower)) == [b"three"]


@ways
def test_a_renamed_log_is_read_to_its_end_first(log: Path, again: Again) -> None:
    append(log, b"one\n")
    follower = LogTail(log)
    assert raws(follower) == [b"one"]
    append(log, b"two\n")
    log.rename(log.with_name("plays.log.1"))
    append(log.with_name("plays.log.1"), b"three\n")  # its writer still had it open
    append(log, b"four\n")
    follower = again(follower)
    assert raws(follower) == [b"two", b"three", b"four"]
    assert follower.position().generation == 1


def test_a_renamed_log_is_kept_until_the_new_one_has_something(log: Path) -> None:
    append(log, b"one\ntw")
    follower = LogTail(log)
    assert raws(follower) == [b"one"]
    renamed = log.rename(log.with_name("plays.log.1"))
    assert raws(follower) == []
    log.touch()
    assert raws(follower) == []
    append(renamed, b"o\n")
    assert raws(follower) == [b"two"]
    append(log, b"three\n")
    assert raws(follower) == [b"three"]


def test_half_a_line_that_its_writer_left_behind_is_a_line(log: Path) -> None:
    append(log, b"one\ntw")
    follower = LogTail(log)
    assert raws(follower) == [b"one"]
    log.rename(log.with_name("plays.log.1"))
    append(log, b"three\n")
    lines = follower.read() + follower.read()
    assert [(x.raw, x.generation, x.offset, x.length) for x in lines] == [
        (b"tw", 0, 4, 2),
        (b"three", 1, 0, 6),
    ]


def test_several_rotations_while_nobody_read(log: Path) -> None:
    append(log, b"one\n")
    follower = LogTail(log)
    assert raws(follower) == [b"one"]
    append(log, b"two\n")
    for content in (b"three\n", b"four\n", b"five\n"):
        for number in (3, 2, 1):
            old = log.with_name(f"plays.log.{number}")
            if old.exists():
                old.rename(log.with_name(f"plays.log.{number + 1}"))
        log.rename(log.with_name("plays.log.1"))
        append(log, content)
    assert raws(resumed(follower)) == [b"two", b"three", b"four", b"five"]


def test_without_a_position_it_begins_with_the_oldest_rotated_file(log: Path) -> None:
    for number, content in enumerate([b"one\n", b"two\n", b"three\n"]):
        append(log, content)
        if number < 2:
            log.rename(log.with_name(f"plays.log.{2 - number}"))
    assert raws(LogTail(log)) == [b"one", b"two", b"three"]


def test_what_was_read_and_renamed_before_is_not_read_again(log: Path) -> None:
    append(log, b"old\n")
    log.rename(log.with_name("plays.log.2"))
    append(log, b"one\n")
    follower = LogTail(log)
    assert raws(follower) == [b"old", b"one"]
    log.rename(log.with_name("plays.log.1"))
    append(log, b"two\n")
    assert raws(resumed(follower)) == [b"two"]


@ways
def test_a_log_cut_to_nothing_is_read_from_its_begin(log: Path, again: Again) -> None:
    append(log, b"one\ntwo\n")
    follower = LogTail(log)
    assert raws(follower) == [b"one", b"two"]
    shutil.copy(log, log.with_name("plays.log.1"))
    log.write_bytes(b"3\n")
    follower = again(follower)
    assert raws(follower) == [b"3"]
    assert follower.position().generation == 1


@ways
def test_a_log_cut_and_grown_beyond_its_old_size_is_recognised(log: Path, again: Again) -> None:
    append(log, b"one\n")
    follower = LogTail(log)
    assert raws(follower) == [b"one"]
    log.write_bytes(b"two\nand more than before\n")
    assert raws(again(follower)) == [b"two", b"and more than before"]


def test_a_place_whose_file_is_gone_is_told(log: Path) -> None:
    append(log, b"one\n")
    follower = LogTail(log)
    assert raws(follower) == [b"one"]
    position = follower.position()
    follower.close()
    log.rename(log.with_name("elsewhere"))
    append(log, b"two\n")
    told: list[str] = []
    assert raws(LogTail(log, position, say=told.append)) == [b"two"]
    assert len(told) == 1 and "may be missing" in told[0]


@pytest.mark.parametrize("block", [1, 7, 100, 1 << 20])
@pytest.mark.parametrize("length", [0, 1, 99, 100, 101, 350])
def test_a_line_that_is_too_long_is_cut_but_all_its_bytes_count(
    log: Path, block: int, length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "LONGEST_LINE", 100)
    append(log, b"a\n" + b"x" * length + b"\nb\n")
    follower = LogTail(log, block=block)
    lines = []
    while found := follower.read():
        lines += found
    assert [x.raw for x in lines] == [b"a", b"x" * min(length, 100), b"b"]
    assert [x.offset for x in lines] == [0, 2, 2 + length + 1]
    assert sum(x.length for x in lines) == log.stat().st_size


def test_memory_stays_bounded_by_an_endless_line(log: Path) -> None:
    follower = LogTail(log)
    for _ in range(3):
        append(log, b"x" * LONGEST_LINE)
        assert follower.read() == []
    assert follower._log is not None
    assert len(follower._log._half) == LONGEST_LINE
    append(log, b"\n")
    (line,) = follower.read()
    assert (len(line.raw), line.length) == (LONGEST_LINE, 3 * LONGEST_LINE + 1)


@pytest.mark.parametrize("seed", range(25))
def test_any_mixture_of_writes_rotations_and_restarts_loses_and_repeats_nothing(
    log: Path, seed: int
) -> None:
    draw = random.Random(seed)
    expected: list[bytes] = []
    found: list[bytes] = []
    follower = LogTail(log, block=draw.choice([50, 300, 4096]))
    pending = b""
    rotations = 0
    for step in range(300):
        action = draw.choices(["write", "read", "restart", "rename"], [6, 4, 1, 1])[0]
        if action == "write":
            line = b"%d " % step + b"y" * draw.choice([0, 3, HEAD, 1000])
            expected.append(line)
            pending += line + b"\n"
            size = draw.randrange(len(pending) + 1)
            append(log, pending[:size])
            pending = pending[size:]
        elif action == "read":
            found += [line.raw for line in follower.read()]
        elif action == "restart":
            follower = resumed(follower)
        elif log.exists():
            append(log, pending)  # a writer finishes its line before it opens another file
            pending = b""
            log.rename(log.with_name(f"plays.log.{rotations}"))
            rotations += 1
    append(log, pending)
    found += raws(follower)
    assert rotations > 5
    assert found == expected
