"""Reading a growing log: every line once, whatever happens to the file meanwhile."""

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


def raws(reader: LogTail) -> list[bytes]:
    """All lines that there are now."""
    found = []
    while lines := reader.read():
        found += [line.raw for line in lines]
    return found


def resumed(reader: LogTail) -> LogTail:
    """Another process that goes on from the saved position."""
    position = reader.position()
    reader.close()
    return LogTail(reader._path, Position(*position))


def going_on(reader: LogTail) -> LogTail:
    return reader


ways = pytest.mark.parametrize("again", [going_on, resumed])
Again = Callable[[LogTail], LogTail]


def test_no_file_yet_then_lines_with_their_places(log: Path) -> None:
    reader = LogTail(log)
    assert reader.read() == []
    append(log, b"one\n\nthree\r\n")
    lines = reader.read()
    assert [(x.raw, x.generation, x.offset, x.length) for x in lines] == [
        (b"one", 0, 0, 4),
        (b"", 0, 4, 1),
        (b"three\r", 0, 5, 7),
    ]
    assert reader.behind() == 0
    assert reader.position().offset == 12


@ways
def test_half_a_line_waits_for_its_end(log: Path, again: Again) -> None:
    append(log, b"one\ntw")
    reader = LogTail(log)
    assert raws(reader) == [b"one"]
    assert reader.behind() == 2
    reader = again(reader)
    assert raws(reader) == []
    append(log, b"o\nthr")
    assert raws(reader) == [b"two"]
    append(log, b"ee\n")
    assert raws(again(reader)) == [b"three"]


@ways
def test_a_renamed_log_is_read_to_its_end_first(log: Path, again: Again) -> None:
    append(log, b"one\n")
    reader = LogTail(log)
    assert raws(reader) == [b"one"]
    append(log, b"two\n")
    log.rename(log.with_name("plays.log.1"))
    append(log.with_name("plays.log.1"), b"three\n")  # its writer still had it open
    append(log, b"four\n")
    reader = again(reader)
    assert raws(reader) == [b"two", b"three", b"four"]
    assert reader.position().generation == 1


def test_a_renamed_log_is_kept_until_the_new_one_has_something(log: Path) -> None:
    append(log, b"one\ntw")
    reader = LogTail(log)
    assert raws(reader) == [b"one"]
    renamed = log.rename(log.with_name("plays.log.1"))
    assert raws(reader) == []
    log.touch()
    assert raws(reader) == []
    append(renamed, b"o\n")
    assert raws(reader) == [b"two"]
    append(log, b"three\n")
    assert raws(reader) == [b"three"]


def test_half_a_line_that_its_writer_left_behind_is_a_line(log: Path) -> None:
    append(log, b"one\ntw")
    reader = LogTail(log)
    assert raws(reader) == [b"one"]
    log.rename(log.with_name("plays.log.1"))
    append(log, b"three\n")
    lines = reader.read() + reader.read()
    assert [(x.raw, x.generation, x.offset, x.length) for x in lines] == [
        (b"tw", 0, 4, 2),
        (b"three", 1, 0, 6),
    ]


def test_several_rotations_while_nobody_read(log: Path) -> None:
    append(log, b"one\n")
    reader = LogTail(log)
    assert raws(reader) == [b"one"]
    append(log, b"two\n")
    for content in (b"three\n", b"four\n", b"five\n"):
        for number in (3, 2, 1):
            old = log.with_name(f"plays.log.{number}")
            if old.exists():
                old.rename(log.with_name(f"plays.log.{number + 1}"))
        log.rename(log.with_name("plays.log.1"))
        append(log, content)
    assert raws(resumed(reader)) == [b"two", b"three", b"four", b"five"]


def test_without_a_position_it_begins_with_the_oldest_rotated_file(log: Path) -> None:
    for number, content in enumerate([b"one\n", b"two\n", b"three\n"]):
        append(log, content)
        if number < 2:
            log.rename(log.with_name(f"plays.log.{2 - number}"))
    assert raws(LogTail(log)) == [b"one", b"two", b"three"]


@pytest.mark.parametrize(
    "name",
    ["plays.log.1", "plays.log-20260131", "plays.log-20260131-1769817600", "plays.1.log",
     "plays.log.2026-01-31_12", "plays-20260131.log"],
)  # fmt: skip
def test_names_that_rotation_gives_are_found(
    log: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    append(log, b"one\n")
    log.rename(log.with_name(name))
    append(log, b"two\n")
    assert raws(LogTail(log)) == [b"one", b"two"]
    assert caplog.messages == []
    # Also while it is read, and by one that was stopped meanwhile.
    reader = LogTail(log)
    assert raws(reader) == [b"one", b"two"]
    append(log, b"three\n")
    log.rename(log.with_name(name))
    append(log, b"four\n")
    assert raws(resumed(reader)) == [b"three", b"four"]


@pytest.mark.parametrize(
    "name", ["plays.log.bak", "plays.log~", "plays.log.old", "plays.log.1.bak", "plays.log.copy"]
)
def test_a_copy_beside_the_log_is_not_a_rotated_file_and_that_is_said(
    log: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    append(log, b"one\n")
    shutil.copy2(log, log.with_name(name))
    assert raws(LogTail(log)) == [b"one"]
    (said,) = caplog.messages
    assert name in said and "not read" in said


def test_a_log_that_is_renamed_to_any_name_while_it_is_read_is_read_to_its_end(log: Path) -> None:
    append(log, b"one\n")
    reader = LogTail(log)
    assert raws(reader) == [b"one"]
    append(log, b"two\n")
    log.rename(log.with_name("plays.log.old"))
    append(log, b"three\n")
    assert raws(resumed(reader)) == [b"two", b"three"]


def test_compressed_files_are_said_not_to_be_read(
    log: Path, caplog: pytest.LogCaptureFixture
) -> None:
    append(log, b"two\n")
    append(log.with_name("plays.log-20260130.gz"), b"?")
    assert raws(LogTail(log)) == [b"two"]
    (said,) = caplog.messages
    assert "plays.log-20260130.gz" in said and "compressed" in said


def test_other_logs_in_the_folder_are_none_of_ours(
    log: Path, caplog: pytest.LogCaptureFixture
) -> None:
    append(log, b"one\n")
    for name in ("plays-by-hand.log", "playlist.log.1", "gateway.log", "plays"):
        append(log.with_name(name), b"not ours\n")
    assert raws(LogTail(log)) == [b"one"] and caplog.messages == []


def test_what_was_read_and_renamed_before_is_not_read_again(log: Path) -> None:
    append(log, b"old\n")
    log.rename(log.with_name("plays.log.2"))
    append(log, b"one\n")
    reader = LogTail(log)
    assert raws(reader) == [b"old", b"one"]
    log.rename(log.with_name("plays.log.1"))
    append(log, b"two\n")
    assert raws(resumed(reader)) == [b"two"]


@ways
def test_a_log_cut_to_nothing_is_read_from_its_begin(log: Path, again: Again) -> None:
    append(log, b"one\ntwo\n")
    reader = LogTail(log)
    assert raws(reader) == [b"one", b"two"]
    shutil.copy(log, log.with_name("plays.log.1"))
    log.write_bytes(b"3\n")
    reader = again(reader)
    assert raws(reader) == [b"3"]
    assert reader.position().generation == 1


@ways
def test_a_log_cut_and_grown_beyond_its_old_size_is_recognised(log: Path, again: Again) -> None:
    append(log, b"one\n")
    reader = LogTail(log)
    assert raws(reader) == [b"one"]
    log.write_bytes(b"two\nand more than before\n")
    assert raws(again(reader)) == [b"two", b"and more than before"]


def test_a_place_whose_file_is_gone_is_told(log: Path, caplog: pytest.LogCaptureFixture) -> None:
    append(log, b"one\n")
    reader = LogTail(log)
    assert raws(reader) == [b"one"]
    position = reader.position()
    reader.close()
    log.rename(log.with_name("elsewhere"))
    append(log, b"two\n")
    assert raws(LogTail(log, position)) == [b"two"]
    assert len(caplog.messages) == 1 and "may be missing" in caplog.messages[0]


@pytest.mark.parametrize("block", [1, 7, 100, 1 << 20])
@pytest.mark.parametrize("length", [0, 1, 99, 100, 101, 350])
def test_a_line_that_is_too_long_is_cut_but_all_its_bytes_count(
    log: Path, block: int, length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "LONGEST_LINE", 100)
    append(log, b"a\n" + b"x" * length + b"\nb\n")
    reader = LogTail(log, block=block)
    lines = []
    while found := reader.read():
        lines += found
    assert [x.raw for x in lines] == [b"a", b"x" * min(length, 100), b"b"]
    assert [x.offset for x in lines] == [0, 2, 2 + length + 1]
    assert sum(x.length for x in lines) == log.stat().st_size


def test_memory_stays_bounded_by_an_endless_line(log: Path) -> None:
    reader = LogTail(log)
    for _ in range(3):
        append(log, b"x" * LONGEST_LINE)
        assert reader.read() == []
    assert reader._log is not None
    assert len(reader._log._partial) == LONGEST_LINE
    append(log, b"\n")
    (line,) = reader.read()
    assert (len(line.raw), line.length) == (LONGEST_LINE, 3 * LONGEST_LINE + 1)


@pytest.mark.parametrize("seed", range(25))
def test_any_mixture_of_writes_rotations_and_restarts_loses_and_repeats_nothing(
    log: Path, seed: int
) -> None:
    draw = random.Random(seed)
    expected: list[bytes] = []
    found: list[bytes] = []
    reader = LogTail(log, block=draw.choice([50, 300, 4096]))
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
            found += [line.raw for line in reader.read()]
        elif action == "restart":
            reader = resumed(reader)
        elif log.exists():
            append(log, pending)  # a writer finishes its line before it opens another file
            pending = b""
            log.rename(log.with_name(f"plays.log.{rotations}"))
            rotations += 1
    append(log, pending)
    found += raws(reader)
    assert rotations > 5
    assert found == expected
