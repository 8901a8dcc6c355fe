"""What all commands share: the console, JSON output, one-line errors, a clean Ctrl-C."""

from __future__ import annotations

import codecs
import io
import json
import logging
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

#: Codes that tell a terminal to do something (C0 but tab and newline, DEL, C1), and those that
#: let text run the other way → how they are shown.
_ESCAPED: Final = {
    code: chr(code).encode("unicode_escape").decode()
    for code in (
        *(c for c in range(0x20) if chr(c) not in "\t\n"),
        *range(0x7F, 0xA0),
        *range(0x202A, 0x202F),
        *range(0x2066, 0x206A),
    )
}


def printable(text: str) -> str:
    """``text`` with control characters as escapes, and half surrogate pairs as ``?``."""
    return text.translate(_ESCAPED).encode("utf-8", "replace").decode()


class SafeConsole(Console):
    """A console through which text from outside cannot control the terminal.

    Titles, headers of records and names of files are what somebody else wrote. Whatever is
    printed passes here; only Rich's own control codes are left as they are.
    """

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterator[Segment]:
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield segment._replace(text=printable(segment.text))


#: What a terminal that is not UTF-8 gets in the place of our signs.
PLAIN: Final = str.maketrans(
    {"–": "-", "—": "-", "…": "...", "→": "->", "←": "<-", "█": "#", "▌": "#", "·": "-", "×": "x"}
    | {"≥": ">=", "≤": "<=", "✓": "v", "✗": "x", "★": "*", "−": "-", "µ": "u", "°": ""}
    | dict.fromkeys("━─╭╮╰╯┏┓┗┛┡┩└┘┌┐├┤┬┴┼╇╈╋", "-")
    | dict.fromkeys("│┃║", "|")
    | dict.fromkeys("\u2018\u2019", "'")
    | dict.fromkeys("\u201c\u201d", '"')
)


def _plainly(error: UnicodeError) -> tuple[str | bytes, int]:
    """A character that cannot be printed, as one that can: no command fails for that."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    wanted = error.object[error.start : error.end].translate(PLAIN)
    return wanted.encode("ascii", "replace").decode(), error.end


codecs.register_error("workshop", _plainly)
for _stream in (sys.stdout, sys.stderr):
    if isinstance(_stream, io.TextIOWrapper) and _stream.encoding.lower() not in ("utf-8", "utf8"):
        _stream.reconfigure(errors="workshop")

#: Results go to standard output, everything else to standard error.
out = SafeConsole()
err = SafeConsole(stderr=True)


#: The option of every command that a program may read.
AS_JSON = typer.Option(False, "--json", help="Print the result as JSON.")


def say(text: str) -> None:
    """A line of a result; ``[b]`` and the like are markup."""
    out.print(text, highlight=False, soft_wrap=True)


def say_plain(text: str) -> None:
    """A line of a result with text from outside."""
    out.print(text, highlight=False, soft_wrap=True, markup=False)


def warn(error: object) -> None:
    """An error that does not end the command."""
    err.print(str(error), style="yellow", highlight=False, soft_wrap=True, markup=False)


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
    for name in ("kafka", "elastic_transport", "elasticsearch", "py4j"):
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
