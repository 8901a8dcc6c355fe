"""The command line as a person meets it: help with an example, one-line errors, exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from workshop_lib.cli import app


def _commands(group: Any, prefix: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in sorted(group.commands.items()):
        if hasattr(command, "commands"):
            yield from _commands(command, (*prefix, name))
        else:
            yield (*prefix, name), command


ALL = list(_commands(get_command(app)))


def workshop(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("WORKSHOP_")}
    # Ports of nobody: whatever runs on this machine is not what this test talks to.
    environment |= {
        "WORKSHOP_HOME": str(home),
        "WORKSHOP_KAFKA_BOOTSTRAP": "127.0.0.1:1",
        "WORKSHOP_ELASTICSEARCH_URL": "http://127.0.0.1:1",
        "WORKSHOP_REDIS_URL": "redis://127.0.0.1:1/0",
    }
    return subprocess.run(
        [sys.executable, "-m", "workshop_lib.cli", *words],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_all_the_commands_are_there() -> None:
    names = {" ".join(words) for words, _ in ALL}
    assert {
        "up", "down", "status", "doctor", "download", "data generate", "data import",
        "data describe", "replay", "ship", "dlq show", "dlq replay", "stream", "verify", "trace",
        "reset", "demo", "web", "check", "exercises",
    } <= names  # fmt: skip


@pytest.mark.parametrize(("words", "command"), ALL, ids=[" ".join(words) for words, _ in ALL])
def test_its_help_has_an_example(words: tuple[str, ...], command: Any) -> None:
    assert "Example" in (command.help or ""), f"workshop {' '.join(words)} --help has no example"


def test_help_does_not_load_spark(tmp_path: Path) -> None:
    code = (
        "import sys; from workshop_lib import cli;"
        "print([m for m in ('pyspark', 'pandas', 'kafka') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("words", [("fly",), ("ship", "--to", "moon"), ("trace", "x"), ("trace",)])
def test_wrong_usage_is_exit_code_2(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = workshop(tmp_path, *words)
    assert done.returncode in (1, 2) and "Traceback" not in done.stderr
    assert done.returncode == 2 or words[0] == "ship"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("verify",), "does not answer. Run `workshop up`"),
        (("reset", "--yes"), "Kafka does not answer. Run `workshop up`"),
        (("replay",), "workshop data generate"),
        (("data", "describe"), "workshop data generate"),
    ],
)
def test_what_is_missing_is_said_in_one_line_with_the_remedy(
    tmp_path: Path, words: tuple[str, ...], says: str
) -> None:
    done = workshop(tmp_path, *words)
    assert done.returncode == 1
    assert says in done.stderr and "Traceback" not in done.stderr


def test_debug_shows_the_traceback_wherever_it_stands(tmp_path: Path) -> None:
    for words in (("--debug", "verify"), ("verify", "--debug")):
        assert "Traceback" in workshop(tmp_path, *words).stderr
