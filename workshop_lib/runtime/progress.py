"""How far a step is: one protocol for all, shown by Rich, logged, or not shown at all.

Messages are not progress: they go to ``logging``. ``messages_to`` shows them to a person.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.progress import Progress as Bars
from rich.text import Text

logger = logging.getLogger(__name__)


class Progress(Protocol):
    """Called whenever a step has advanced: its name, how much is done, of how much, and more."""

    def __call__(
        self, step: str, done: float = 0, total: float | None = None, detail: str = ""
    ) -> None: ...


def silent(step: str, done: float = 0, total: float | None = None, detail: str = "") -> None:
    """A ``Progress`` that shows nothing."""


def log_tenths() -> Progress:
    """A ``Progress`` that logs a line for every tenth of a step."""
    logged: dict[str, int] = {}

    def progress(step: str, done: float = 0, total: float | None = None, detail: str = "") -> None:
        tenths = int(done * 10 // total) if total else 0
        if tenths > logged.get(step, -1):
            logged[step] = tenths
            logger.info("%s: %d %%", step, tenths * 10)

    return progress


class _Speed(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f}/s" if task.speed and not task.finished else "")


class RichProgress:
    """A ``Progress`` on a console: a bar for each step with a total.

    Steps without a total follow one another on one line, and it disappears at the end. In a
    file, which shows bars at the end only, a line is logged for every tenth of a step.
    """

    def __init__(self, console: Console) -> None:
        self._log = silent if console.is_terminal else log_tenths()
        self._bars = Bars(
            SpinnerColumn(finished_text=" "),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[amount]}"),
            _Speed(),
            TimeElapsedColumn(),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}

    def __call__(
        self, step: str, done: float = 0, total: float | None = None, detail: str = ""
    ) -> None:
        self._log(step, done, total, detail)
        amount = detail or (f"{done:,.0f}/{total:,.0f}" if total else "")
        name = step if total is not None else ""
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(step, total=total, amount=amount)
        task = self._tasks[name]
        if total is None:
            self._bars.update(task, description=step, amount=amount)
        else:
            self._bars.update(task, completed=done, total=total, amount=amount)

    def __enter__(self) -> RichProgress:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if "" in self._tasks:
            self._bars.remove_task(self._tasks.pop(""))
        self._bars.stop()


class _Messages(logging.Handler):
    def __init__(self, write: Callable[[str], object]) -> None:
        super().__init__()
        self._write = write

    def emit(self, record: logging.LogRecord) -> None:
        self._write(record.getMessage())


@contextmanager
def messages_to(write: Callable[[str], object]) -> Iterator[None]:
    """Within the block, the workshop's messages go to ``write``, each a line of text."""
    logger, handler = logging.getLogger("workshop_lib"), _Messages(write)
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
