"""Text from outside never controls the terminal, whatever it is printed with."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from workshop_lib.runtime.console import SafeConsole, printable

EVIL = {
    "colour": "\x1b[31mred",
    "title of the window": "\x1b]0;owned\x07",
    "hyperlink (OSC 8)": "\x1b]8;;http://evil.example.com\x1b\\click\x1b]8;;\x1b\\",
    "clear the screen": "\x1b[2J\x1b[H",
    "C1 control sequence": "\x9b31mred",
    "C1 operating system command": "\x9d0;owned\x9c",
    "bell, backspace, carriage return": "abc\x07\x08\x08\rdef",
    "delete": "a\x7fb",
    "right to left": "abc\u202edef\u2066ghi",
    "half a surrogate pair": "\ud800",
    "null": "a\x00b",
}
#: What Rich itself writes: colours and styles, cursor and line control of Live.
OWN = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


def table(text: str) -> Table:
    made = Table(title=escape(text))
    made.add_column(escape(text))
    made.add_row(escape(text))
    return made


WAYS: dict[str, Callable[[Console, str], Any]] = {
    "print": lambda console, text: console.print(text, markup=False),
    "markup": lambda console, text: console.print(f"[red]{escape(text)}[/red]"),
    "highlighted": lambda console, text: console.print(escape(text)),
    "table": lambda console, text: console.print(table(text)),
    "panel": lambda console, text: console.print(Panel(Text(text))),
    "object": lambda console, text: console.print({"title": text}),
    "rule": lambda console, text: console.rule(escape(text)),
}


def written(console_class: type[Console], way: Callable[[Console, str], Any], text: str) -> str:
    file = io.StringIO()
    way(console_class(file=file, force_terminal=True, width=200, color_system="truecolor"), text)
    return file.getvalue()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", EVIL)
def test_no_control_sequence_reaches_the_terminal(name: str, way: str) -> None:
    shown = written(SafeConsole, WAYS[way], EVIL[name])
    rest = OWN.sub("", shown)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", rest)
    assert "\x1b[31mred" not in shown and "\x1b[2J" not in shown
    shown.encode()


def test_a_plain_console_would_let_them_through() -> None:
    """Control."""
    assert "\x1b]8;;" in written(Console, WAYS["panel"], EVIL["hyperlink (OSC 8)"])


def test_live_displays_are_safe_too() -> None:
    file = io.StringIO()
    console = SafeConsole(file=file, force_terminal=True, width=80)
    with Live(Text(EVIL["clear the screen"]), console=console, auto_refresh=False) as live:
        live.update(Text(EVIL["hyperlink (OSC 8)"]), refresh=True)
    assert "\x1b]8" not in file.getvalue() and "\x1b[2J" not in file.getvalue()
    assert "\\x1b]8;;http" in file.getvalue()


def test_what_is_no_control_stays() -> None:
    text = "Ünö – 한국어 🎵\tא\nsecond"
    assert printable(text) == text
    assert printable("\x1b[0m\x9b\u202e") == "\\x1b[0m\\x9b\\u202e"
