"""A disk that is full: what was saved stays, nothing is torn, and the line says what to do."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from workshop_lib.ingest import dead_letters
from workshop_lib.ingest.dead_letters import DeadLetter
from workshop_lib.marketing.message import Message
from workshop_lib.marketing.providers import provider
from workshop_lib.runtime import state_file
from workshop_lib.runtime.disk import disk_full
from workshop_lib.settings import Settings
from workshop_lib.stream.failure import query_failed
from workshop_lib.verify.chaos.small_disk import SmallDisk


def is_full(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno == errno.ENOSPC


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    small = SmallDisk(tmp_path / "home")
    reason = small.mount()
    if reason:
        pytest.skip(reason)
    try:
        yield small
    finally:
        small.unmount()


def test_a_full_disk_keeps_what_was_saved_and_leaves_nothing_else(disk: SmallDisk) -> None:
    path = disk.home / "state.json"
    state_file.save(path, {"position": 1})
    with disk.full():
        with pytest.raises(OSError) as error:
            state_file.save(path, {"position": "x" * 10_000})
        assert is_full(error.value)
        assert state_file.load(path) == {"position": 1}
        assert not list(disk.home.glob(".*"))
        line = disk_full(error.value)
        assert line and str(path) in line.message and "Make room" in line.todo
    state_file.save(path, {"position": 2})
    assert state_file.load(path) == {"position": 2}


def test_it_stays_full_whatever_is_deleted_and_ends_with_the_logs_kept(disk: SmallDisk) -> None:
    (disk.home / "logs").mkdir()
    (disk.home / "logs" / "x.log").write_text("why")
    (disk.home / "log" / "plays.log").write_text("of another disk")
    old = disk.home / "old"
    old.write_bytes(b"x" * 1_000_000)
    with disk.full():
        old.unlink()
        disk.keep_full()
        with pytest.raises(OSError) as error:
            (disk.home / "new").write_bytes(b"x" * 500_000)
        assert is_full(error.value)
        (disk.elsewhere / "plays.log").write_bytes(b"x" * 500_000)
    disk.unmount()
    assert not disk.elsewhere.exists()
    assert [p.name for p in disk.home.iterdir()] == ["logs"]
    assert (disk.home / "logs" / "x.log").read_text() == "why"


def test_a_letter_of_which_a_part_fitted_is_written_again_as_a_whole(settings: Settings) -> None:
    letters = [DeadLetter("plays.log", 0, n, "ship", "MalformedPlay", "x", b"?") for n in range(3)]
    dead_letters.append_to_file(settings, letters)
    path = dead_letters.path(settings)
    whole = path.read_bytes()
    # A shipper that has saved nothing, yet: its first batch ended in the middle of the last letter.
    path.write_bytes(whole[:-20])
    dead_letters.truncate_file(settings, None)
    dead_letters.append_to_file(settings, letters)
    assert list(dead_letters.read_file(settings)) == letters
    # The control: without that the rest of the line would be what nobody can read.
    path.write_bytes(whole[:-20])
    dead_letters.append_to_file(settings, letters)
    with pytest.raises(ValueError):
        list(dead_letters.read_file(settings))


def test_a_message_that_did_not_fit_as_a_whole_was_not_sent(disk: SmallDisk) -> None:
    settings = Settings(home=disk.home)
    send = provider(settings, "file")
    text = "x" * 1500
    sent = [send(Message("first", "+12025550101", text)).id]
    file = disk.home / "sms" / "sent.jsonl"
    with disk.full():
        # What is left of the last page takes some lines, and a part of one more.
        with pytest.raises(OSError) as error:
            for n in range(4):
                sent.append(send(Message(f"M{n}", "+12025550101", text)).id)
        assert is_full(error.value) and str(file) in str(disk_full(error.value))
    sent.append(send(Message("last", "+12025550101", text)).id)
    assert [json.loads(line)["key"] for line in file.read_text().splitlines()] == sent
    assert 3 <= len(sent) <= 5, "a part of a line was written, and taken back"


def test_a_stream_on_a_full_disk_has_no_damaged_checkpoint(settings: Settings) -> None:
    full = "CANNOT_LOAD_STATE_STORE ... Caused by: java.io.IOException: No space left on device"
    found = query_failed(settings, "plays", settings.home / "checkpoint", full)
    assert "is full" in found.message and "Make room" in found.todo and "elete" not in str(found)
    damaged = query_failed(settings, "plays", settings.home / "checkpoint", full.split(" ...")[0])
    assert "is damaged" in damaged.message


def test_only_a_full_disk_is_one() -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    outer = RuntimeError("outer")
    outer.__cause__ = full
    assert disk_full(full) and disk_full(outer)
    assert disk_full(OSError(errno.EACCES, "Permission denied")) is None
    assert disk_full(ValueError("No space left on device")) is None
