"""A step as a process of its own: started with its log, asked to stop, its last words told.

In: the words behind ``python -m``. Out: a process whose output is in ``logs/NAME.log`` and
whom a Ctrl-C in our terminal does not reach, so that whoever started it ends it in order.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime.process import tail
from workshop_lib.settings import Settings

#: The module behind the command ``workshop``.
WORKSHOP: Final = "workshop_lib.cli"

Step = subprocess.Popen[bytes]


def log_of(settings: Settings, name: str) -> Path:
    return settings.logs / f"{name}.log"


def start(
    settings: Settings,
    name: str,
    *words: str,
    environment: Mapping[str, str] | None = None,
    stdin: int = subprocess.DEVNULL,
) -> Step:
    """``python -m WORDS`` in the home of ``settings``, with these variables besides ours."""
    settings.logs.mkdir(parents=True, exist_ok=True)
    with log_of(settings, name).open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", *words],
            stdin=stdin,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | {"WORKSHOP_HOME": str(settings.home)} | dict(environment or {}),
            start_new_session=True,
        )


def stop(steps: Iterable[Step], seconds: float) -> None:
    """Ask all to stop, wait, and end what has not stopped after so many seconds.

    A Ctrl-C meanwhile ends all of them at once.
    """
    steps = list(steps)
    for step in steps:
        if step.poll() is None:
            step.terminate()
    try:
        for step in steps:
            with suppress(subprocess.TimeoutExpired):
                step.wait(seconds)
            _end(step)
    except KeyboardInterrupt:
        for step in steps:
            _end(step)
        raise


def _end(step: Step) -> None:
    if step.poll() is None:
        step.kill()
        step.wait()


def check(settings: Settings, name: str, step: Step, title: str) -> None:
    """``WorkshopError`` with the last words of a step that has failed; ``title`` names it."""
    if step.poll() not in (None, 0):
        log = log_of(settings, name)
        raise WorkshopError(f"{title} failed: {tail(log)}", f"See {log}.")


def environment(settings: Settings) -> dict[str, str]:
    """The variables that give another process these settings."""

    def text(value: Any) -> str:
        if isinstance(value, SecretStr):
            return value.get_secret_value()
        return json.dumps(value) if isinstance(value, list) else str(value)

    given = {name: getattr(settings, name) for name in settings.model_fields_set}
    return {f"WORKSHOP_{n.upper()}": text(v) for n, v in given.items() if v is not None}
