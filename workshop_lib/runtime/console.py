"""What all commands share: the console, JSON output, one-line errors, a clean Ctrl-C."""

from __future__ import annotations

import json
import logging
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console

#: Results go to standard output, everything else to standard error.
out = Console()
err = Console(stderr=True)


def print_json(value: Any) -> None:
    json.dump(value, sys.stdout, indent=2, default=str)
    sys.stdout.write("\n")


class _Handler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        style = "yellow" if record.levelno >= logging.WARNING else None
        err.print(record.getMessage(), style=style, markup=False, highlight=False, soft_wrap=True)


def show_messages() -> None:
    """What the library logs goes to standard error; warnings are yellow."""
    logger = logging.getLogger("workshop_lib")
    logger.setLevel(logging.INFO)
    logger.addHandler(_Handler())


def quiet_clients() -> None:
    """The clients' own logs would drown what we say about a server that is away."""
    for name in ("kafka", "elastic_transport", "elasticsearch"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


@contextmanager
def stop_on_signal() -> Iterator[threading.Event]:
    """An event that Ctrl-C or SIGTERM sets, for loops that end between two steps.

    A second Ctrl-C interrupts at once.
    """
    stop = threading.Event()

    def ask_to_stop(number: int, frame: Any) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {s: signal.signal(s, ask_to_stop) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
