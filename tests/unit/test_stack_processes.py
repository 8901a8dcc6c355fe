"""Processes that are found again, or recognised as somebody else's; free ports; logs."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from workshop_lib.runtime import process

SLEEP = process.Command([sys.executable, "-c", "import time; time.sleep(60)"], {})


def test_a_process_is_found_stopped_and_forgotten(tmp_path: Path) -> None:
    started = process.start("x", SLEEP, tmp_path, tmp_path / "x.log")
    assert process.find("x", tmp_path) == started
    assert process.stop("x", tmp_path)
    assert not started.is_running() and process.find("x", tmp_path) is None
    assert not process.stop("x", tmp_path)


def test_each_start_has_a_log_of_its_own_and_the_last_one_is_kept(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    for text in ("first", "second"):
        hello = process.Command([sys.executable, "-c", f"print('{text}')"], {})
        process.start("x", hello, tmp_path, log).wait(10)
    assert process.tail(log) == "second"
    assert process.tail(tmp_path / "x.log.1") == "first"


def test_a_reused_pid_is_not_ours_and_is_not_killed(tmp_path: Path) -> None:
    bystander = subprocess.Popen(SLEEP.words)
    try:
        ours = process.started(os.getpid())
        assert ours != process.started(bystander.pid)
        record = {"pid": bystander.pid, "started": ours}
        (tmp_path / "x.json").write_text(json.dumps(record))

        assert process.find("x", tmp_path) is None
        assert process.is_stale("x", tmp_path)
        assert not process.stop("x", tmp_path)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="Linux keeps ticks since boot")
def test_setting_the_clock_does_not_lose_a_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = process.start("x", SLEEP, tmp_path, tmp_path / "x.log")
    try:
        before = running.create_time()
        monkeypatch.setattr(psutil.Process, "create_time", lambda self: before + 3600)
        assert process.find("x", tmp_path) is not None
    finally:
        monkeypatch.undo()
        assert process.stop("x", tmp_path)


def test_a_taken_port_gives_a_free_one() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = holder.getsockname()[1]
        other = process.free_port(taken)
        assert other != taken
        assert process.answers(taken) and not process.answers(other)
    assert process.free_port(taken) == taken
    assert process.free_port(taken, {taken}) != taken


def test_nodes_errors_are_read_as_javas_are(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    log.write_text(
        "node:internal/modules/run_main:107\n    triggerUncaughtException(\n    ^\n\n"
        "Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'fastify'\n    at a (b.js:1:2)\n"
        "  [cause]: Error: first\n    at c\n  [cause]: Error: no entry\n    at d\n}\n\n"
        "Node.js v24.1.0\n"
    )
    assert process.why(log) == (
        "Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'fastify' | [cause]: Error: no entry"
    )
    log.write_text("Port 8080 is taken.\n")
    assert process.port_was_taken(log) and process.why(log) == "Port 8080 is taken."
    log.write_text("Error: the word 'Port 8080 is taken.' is elsewhere\n")
    assert not process.port_was_taken(log)
