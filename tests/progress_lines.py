"""A line by part while the tests run, instead of a dot for each.

In: the reports of tests, of all workers. Out: every half a minute how many tests of each part
(folder of ``tests/``) are done and which files run now; a failure at once.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any, Final

import pytest

#: Seconds between two lines.
EVERY: Final = 30.0


def part(nodeid: str) -> str:
    """The folder of ``tests/`` that a test lies in."""
    return nodeid.split("/")[1] if nodeid.count("/") > 1 else "tests"


class Progress:
    """Counts reports; prints where the run is. Registered where the terminal is."""

    def __init__(self, terminal: Any) -> None:
        self.terminal = terminal
        self.started = time.monotonic()
        self.all: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self.failed = 0
        self.running: dict[str, float] = {}
        self.seconds: Counter[str] = Counter()
        self.over = threading.Event()

    def total(self, nodeids: list[str]) -> None:
        self.all = Counter(map(part, nodeids))
        threading.Thread(target=self._tick, daemon=True).start()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        if session.items:
            self.total([item.nodeid for item in session.items])

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: list[str]) -> None:
        if not self.all:
            self.total(list(ids))

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.running[nodeid] = time.monotonic()

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self.running.pop(nodeid, None)
        self.done[part(nodeid)] += 1
        if self.done == self.all:
            self.stop()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed += 1
            self.terminal.write_line(f"FAILED {report.nodeid} ({report.when})", red=True)

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: Any) -> tuple[str, str, str] | None:
        """No dot for a test that passed."""
        return ("passed", "", "") if report.passed and report.when == "call" else None

    def pytest_sessionfinish(self) -> None:
        self.stop()

    def stop(self) -> None:
        if self.all and not self.over.is_set():
            self.over.set()
            self.terminal.write_line(self.line())

    def line(self) -> str:
        minutes, seconds = divmod(round(time.monotonic() - self.started), 60)
        parts = "  ".join(f"{name} {self.done[name]}/{n}" for name, n in sorted(self.all.items()))
        files = {nodeid.split("::")[0].split("/")[-1] for nodeid in list(self.running)}
        failed = f"  {self.failed} failed" if self.failed else ""
        now = f"  now {', '.join(sorted(files))}" if files else ""
        return f"{minutes:3d}:{seconds:02d}  {parts}{failed}{now}"

    def _tick(self) -> None:
        while not self.over.wait(EVERY):
            self.terminal.write_line(self.line())
