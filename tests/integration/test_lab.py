"""``workshop lab`` opens the first notebook to who has the token; Ctrl-C ends all of it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.error import HTTPError

import psutil
import pytest
from ports import PORTS

from workshop_lib import stack
from workshop_lib.ingest.replay import read_state
from workshop_lib.page.browser import browser
from workshop_lib.runtime.wait import wait_until
from workshop_lib.settings import Settings

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/lab/tree/\S+\?token=\w+")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[tuple[Settings, subprocess.Popen[bytes], Path]]:
    """A lab of its own that has just been asked for, and the file of what it prints."""
    environment = {
        k: v for k, v in os.environ.items() if not k.startswith("WORKSHOP_") or k in PORTS
    }
    printed = tmp_path / "printed"
    home = tmp_path / "home"
    with printed.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "workshop_lib.cli", "lab", "--no-browser", "--port", "0"],
            env=environment | {"WORKSHOP_HOME": str(home), "COLUMNS": "200"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Settings(home=home), process, printed
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(120)
        stack.remove(Settings(home=home))


def look_at(url: str) -> None:
    """The first notebook is open, its kernel ready, and nothing else asks for attention."""
    with browser() as chromium:
        page = chromium.new_page(locale="en-US")
        page.goto(url, timeout=120_000)
        page.get_by_role("heading", name="00 · Welcome").wait_for(timeout=120_000)
        page.get_by_text("ipykernel) | Idle").wait_for(timeout=120_000)
        assert page.get_by_text("Jupyter news").count() == 0


def test_it_opens_the_first_notebook_and_ctrl_c_stops_all_of_it(
    lab: tuple[Settings, subprocess.Popen[bytes], Path],
) -> None:
    settings, process, printed = lab

    def address() -> str | None:
        assert process.poll() is None, printed.read_text()
        found = ADDRESS.search(printed.read_text())
        return found[0] if found else None

    url = wait_until(address, 240, "the lab")
    started = psutil.Process(process.pid).children(recursive=True)
    assert len(started) >= 5, "JupyterLab, the replay and three servers"

    with pytest.raises(HTTPError, match="403"):
        urllib.request.urlopen(url.split("/lab/")[0] + "/api/contents", timeout=30)  # noqa: S310

    # In a thread of its own: the tests of the page may hold a browser of this one.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(look_at, url).result()

    wait_until(lambda: read_state(settings), 180, "the replay to begin")
    process.send_signal(signal.SIGINT)
    assert process.wait(120) == 0, printed.read_text()
    assert "All stopped" in printed.read_text()
    assert not [child for child in started if child.is_running()]
    assert all(service.pid is None for service in stack.status(settings))
