"""`workshop stream` as a process: killed in the middle of a batch, stopped in order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from stream_world import (
    counted,
    documents,
    environment,
    hits,
    minutes,
    random_plays,
    send,
    write_world,
)

from workshop_lib.runtime import connections
from workshop_lib.runtime.wait import wait_until
from workshop_lib.settings import Settings
from workshop_lib.stream.pipeline import QUERIES
from workshop_lib.stream.progress import caught_up, checkpoint, progress
from workshop_lib.stream.run import run

pytestmark = [
    pytest.mark.stack,
    pytest.mark.timeout(1200),
    pytest.mark.usefixtures("nothing_left"),
]


@contextmanager
def streaming(settings: Settings, *arguments: str, **variables: str) -> Iterator[subprocess.Popen]:
    """A `workshop stream` process in a session of its own; ended, if need be, at the end."""
    log = settings.home / "stream.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "workshop_lib.cli", "stream", *arguments],
            env=os.environ | environment(settings) | variables,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield process
        assert process.returncode is not None, "the test is to end it"
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def batches(settings: Settings, query: str, log: str) -> set[int]:
    """Numbers of the batches that were begun (``offsets``) or committed (``commits``)."""
    return {int(p.name) for p in (checkpoint(settings, query) / log).glob("[0-9]*")}


def in_a_batch(settings: Settings, query: str) -> bool:
    begun, done = (batches(settings, query, log) for log in ("offsets", "commits"))
    return bool(done) and bool(begun - done)


def well(settings: Settings, process: subprocess.Popen) -> bool:
    assert process.poll() is None, (settings.home / "stream.log").read_text()
    return True


@pytest.fixture
def programs(tmp_path: Path) -> tuple[str, Path]:
    """A PATH on which Hadoop's programs are found first, and where they note their calls."""
    folder, calls = tmp_path / "programs", tmp_path / "calls"
    folder.mkdir()
    for name in ("chmod", "readlink"):
        program = folder / name
        program.write_text(f"#!/bin/sh\necho {name} >> '{calls}'\n")
        program.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}", calls


def test_killed_in_the_middle_of_a_batch_nothing_is_missed_or_doubled(
    stack: Settings, programs: tuple[str, Path]
) -> None:
    path, calls = programs
    write_world(stack)
    connections.create_topics(stack)
    plays = random_plays(21, 2400, 60)
    parts = [plays[:800], plays[800:1600], plays[1600:]]
    send(stack, parts[0])
    with streaming(stack, WORKSHOP_TRIGGER_SECONDS="0", WORKSHOP_BATCH_RECORDS="200") as process:
        wait_until(lambda: well(stack, process) and caught_up(stack), 300, "the first part")
        send(stack, [*parts[1], *parts[0][::7]])  # with duplicates from before the crash
        wait_until(
            lambda: well(stack, process) and in_a_batch(stack, "interests"),
            180,
            "a batch of interests to be under way",
            every=0.005,
        )
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    unfinished = [q for q in QUERIES if batches(stack, q, "offsets") - batches(stack, q, "commits")]
    assert unfinished, "the kill came between two batches"
    send(stack, [*parts[2], *parts[1][::5], *parts[0][::11]])
    with streaming(stack, PATH=path) as process:
        wait_until(lambda: well(stack, process) and caught_up(stack), 300, "all parts")
        os.killpg(process.pid, signal.SIGINT)  # Ctrl-C reaches Java and the workers, too
        assert process.wait(60) == 0
    assert "Traceback" not in (stack.home / "stream.log").read_text()
    for query in QUERIES:
        assert batches(stack, query, "offsets") == batches(stack, query, "commits"), query
        known = progress(stack, query)
        assert known is not None
        assert known["input_rows"] == sum(known["offsets"].values())
    assert set(documents(stack, "plays")) == {str(each.event_id) for each in plays}
    assert counted(stack) == minutes(plays)
    assert {int(id_) for id_ in documents(stack, "interests")} == hits(plays)
    assert not calls.exists(), "Hadoop started a program for a file of a checkpoint"
    subprocess.run(["chmod", "0644", stack.home / "stream.log"], env={"PATH": path}, check=True)
    assert calls.read_text() == "chmod\n", "such a call would not have been seen"


def test_an_error_is_one_line_and_exit_code_1(stack: Settings) -> None:
    """No world: said at once, without a traceback."""
    result = subprocess.run(
        [sys.executable, "-m", "workshop_lib.cli", "stream", "--available-now"],
        env=os.environ | environment(stack),
        capture_output=True,
        text=True,
        cwd=Path(stack.home),
        check=False,
    )
    assert result.returncode == 1
    assert "workshop data generate" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (stack.home / "spark-warehouse").exists()


@pytest.mark.usefixtures("spark")  # which the next start finds
def test_a_killed_java_process_is_named_and_the_next_start_goes_on(stack: Settings) -> None:
    """Of plays that come while it is killed, none is missed."""
    write_world(stack)
    connections.create_topics(stack)
    plays = random_plays(22, 600, 60)
    send(stack, plays[:300])
    with streaming(stack, "plays") as process:
        wait_until(lambda: well(stack, process) and caught_up(stack, ["plays"]), 300, "the first")
        inside = psutil.Process(process.pid).children(recursive=True)
        (java,) = (each for each in inside if each.name() == "java")
        java.kill()
        send(stack, plays[300:])
        assert process.wait(60) == 1
    said = (stack.home / "stream.log").read_text()
    assert "Spark's JVM was killed (signal 9). Start again." in said.splitlines()[-1]
    run(stack, ["plays"], available_now=True)
    assert set(documents(stack, "plays")) == {str(each.event_id) for each in plays}
