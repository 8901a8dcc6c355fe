"""`workshop web`, the page beside the stack, and where its programs come from."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from page_reading import get
from playwright.sync_api import Browser

from workshop_lib import stack
from workshop_lib.errors import WorkshopError
from workshop_lib.page import browser
from workshop_lib.page import server as web
from workshop_lib.runtime import node, process
from workshop_lib.runtime.wait import wait_until
from workshop_lib.settings import Settings


def started(home: Path, *words: str) -> subprocess.Popen[str]:
    """`workshop web` with stores that are not there."""
    return subprocess.Popen(
        [sys.executable, "-m", "workshop_lib.cli", "web", *words],
        env=os.environ
        | {
            "WORKSHOP_HOME": str(home),
            "WORKSHOP_ELASTICSEARCH_URL": "http://127.0.0.1:1",
            "WORKSHOP_REDIS_URL": "redis://127.0.0.1:1/0",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_it_says_where_the_page_is_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    running = started(tmp_path, "--port", str(process.free_port(0)))
    try:
        assert running.stdout
        line = running.stdout.readline()
        address = re.search(r"The page is at (http://127\.0\.0\.1:\d+)", line)
        assert address, line + (running.stderr.read() if running.stderr else "")
        assert b"<h1>Live listening</h1>" in get(f"{address[1]}/")
        os.kill(running.pid, signal.SIGINT)
        assert running.wait(60) == 0
        assert "Traceback" not in (running.stderr.read() if running.stderr else "")
        with pytest.raises(OSError):
            get(f"{address[1]}/health")
    finally:
        running.kill()


def test_after_kill_9_of_the_command_its_server_is_known_and_goes_down(tmp_path: Path) -> None:
    running = started(tmp_path, "--port", str(process.free_port(0)))
    try:
        assert running.stdout and "The page is at" in running.stdout.readline()
    finally:
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
    settings = Settings(home=tmp_path)
    address = web.address(settings)
    assert address and b"Live listening" in get(f"{address}/")
    assert stack.down(settings) == ["web"]
    with pytest.raises(OSError):
        get(f"{address}/health")


def test_a_port_that_is_taken_is_said_in_a_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        running = started(tmp_path, "--port", str(port))
        _, errors = running.communicate(timeout=120)
    assert running.returncode == 1
    assert f"Port {port} is taken." in errors and "Traceback" not in errors


@contextmanager
def somebody_else() -> Iterator[int]:
    """A program that answers every request, on the port."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *arguments: object) -> None:
            """Nothing: it is not the one that is tested."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def absent(tmp_path: Path) -> Settings:
    """Settings of stores that are not there."""
    nobody = {"elasticsearch_url": "http://127.0.0.1:1", "redis_url": "redis://127.0.0.1:1/0"}
    return Settings(home=tmp_path, **nobody)


@pytest.mark.parametrize("how", ["beside the stack", "in the foreground"])
def test_a_port_that_is_taken_after_it_was_found_free_costs_another_start(
    absent: Settings, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    free = process.free_port(0)
    with somebody_else() as taken:
        chosen = iter([taken, free])
        monkeypatch.setattr(web, "port", lambda settings: next(chosen))
        stop = threading.Event()
        with ThreadPoolExecutor(1) as beside:
            try:
                start = partial(web.start, absent)
                run = partial(web.run, absent, stop)
                done = beside.submit(run if how == "in the foreground" else start)
                url = f"http://127.0.0.1:{free}"
                wait_until(lambda: done.done() or web.address(absent) == url, 60, "the page")
                wait_until(lambda: b"Live listening" in answer(f"{url}/"), 60, "its answer")
                if how == "beside the stack":
                    done.result(timeout=60)  # it goes on asking after the page has answered
            finally:
                stop.set()
                stack.down(absent)
        assert done.result() == (None if how == "in the foreground" else url)
    assert not list(chosen)


def answer(url: str) -> bytes:
    try:
        return get(url)
    except OSError:
        return b""


def test_why_it_did_not_start_is_its_first_error_and_the_cause(
    absent: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "Error: no such page\n    at a (b.js:1:2)\n  [cause]: Error: nobody knows\n\nNode.js v24"
    words = [sys.executable, "-c", f"import sys; sys.exit({said!r})"]
    monkeypatch.setattr(web, "command", lambda settings, port: process.Command(words, {}))
    wanted = r"ended while starting: Error: no such page \| \[cause\]: Error: nobody knows"
    with pytest.raises(WorkshopError, match=wanted):
        web.start(absent)


def test_beside_the_stack_it_is_started_once_and_goes_down_with_it(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path,
        elasticsearch_url="http://127.0.0.1:1",
        redis_url="redis://127.0.0.1:1/0",
        web_port=process.free_port(0),
    )
    address = web.start(settings)
    try:
        assert web.start(settings) == address == web.address(settings)
        assert web.snapshot(address, range="1h")["view"]["range"] == "1h"
    finally:
        assert stack.down(settings) == ["web"]
    assert web.address(settings) is None


def test_packages_are_installed_once_and_an_absent_registry_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert node.ready() or node.install()
    assert node.install() is False
    for name in ("package.json", "package-lock.json"):
        shutil.copy(node.WEB / name, tmp_path)
    monkeypatch.setattr(node, "WEB", tmp_path)
    monkeypatch.setattr(node, "_STAMP", tmp_path / "node_modules" / ".lock-sha256")
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:1/")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    with pytest.raises(
        WorkshopError, match=r"could not be fetched: .*ECONNREFUSED.* `workshop download`"
    ):
        node.install()
    assert not node.ready()


@pytest.mark.skipif(sys.platform != "linux", reason="the packed browser is for Linux")
def test_where_no_browser_is_installed_the_packed_one_draws_the_page(
    chromium: Browser, tmp_path: Path
) -> None:
    with browser.launch(chromium.browser_type, browser.packed()) as started:
        page = started.new_page()
        page.set_content("<h1 style='font: 60px sans-serif'>Hello</h1>")
        assert page.inner_text("h1") == "Hello"
        words = page.locator("h1").screenshot(path=tmp_path / "words.png")
        page.set_content("<h1 style='font: 60px sans-serif'>&nbsp;</h1>")
        nothing = page.locator("h1").screenshot()
        assert len(words) > 1.3 * len(nothing), "no font: the letters are not drawn"
