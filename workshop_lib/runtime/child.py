"""Processes that end with us: started with a log of their own, asked to stop, checked.

In: the words after ``python -m``. Out: a process whose output is in ``logs/NAME.log``. Ctrl-C in
our terminal does not reach it: the process that started it stops it. ``process`` is for servers,
which outlive the command that starts them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime.process import Command, spawn, tail
from workshop_lib.settings import Settings

#: The module behind the command ``workshop``.
WORKSHOP: Final = "workshop_lib.cli"

Child = subprocess.Popen[bytes]


def log_file(settings: Settings, name: str) -> Path:
    return settings.logs / f"{name}.log"


def start(
    settings: Settings,
    name: str,
    *words: str,
    environment: Mapping[str, str] | None = None,
    stdin: int = subprocess.DEVNULL,
) -> Child:
    """``python -m WORDS`` in the home of ``settings``, with these variables besides ours."""
    variables = {"WORKSHOP_HOME": str(settings.home), **(environment or {})}
    command = Command([sys.executable, "-m", *words], variables)
    return spawn(command, log_file(settings, name), stdin)


def stop(children: Iterable[Child], seconds: float) -> None:
    """Ask all to stop, wait, and kill those that have not stopped after ``seconds``.

    A Ctrl-C meanwhile kills all of them at once.
    """
    children = list(children)
    for child in children:
        if child.poll() is None:
            child.terminate()
    try:
        for child in children:
            with suppress(subprocess.TimeoutExpired):
                child.wait(seconds)
            _kill(child)
    except KeyboardInterrupt:
        for child in children:
            _kill(child)
        raise


def _kill(child: Child) -> None:
    if child.poll() is None:
        child.kill()
        child.wait()


def check(settings: Settings, name: str, child: Child, title: str) -> None:
    """``WorkshopError`` with the end of its log if the child has failed; ``title`` names it."""
    if child.poll() not in (None, 0):
        log = log_file(settings, name)
        raise WorkshopError(f"{title} failed: {tail(log)}", f"See {log}.")


def environment(settings: Settings) -> dict[str, str]:
    """The variables that give another process these settings."""

    def plain(value: Any) -> Any:
        return value.get_secret_value() if isinstance(value, SecretStr) else value

    def text(value: Any) -> str:
        # As settings read them: what is made of several values is JSON.
        if isinstance(value, list | dict):
            return json.dumps(value, default=plain)
        return str(plain(value))

    values = {name: getattr(settings, name) for name in settings.model_fields_set}
    return {f"WORKSHOP_{n.upper()}": text(v) for n, v in values.items() if v is not None}
