"""The ``workshop`` command. Exit codes: 0 done, 1 failed and said why, 2 wrong usage."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module

import typer
from rich.markup import escape

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime.console import err, show_messages
from workshop_lib.settings import Settings, home_folder, make_private

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Real-time analytics of a music site, on real servers. Start with [b]workshop demo[/b].",
)

#: Groups of commands → their help.
GROUPS = {
    "data": "Make, import and describe the recorded world.",
    "dlq": "Dead letters: what could not be processed, and why.",
    "models": "Trained models: which are stored, and which is in use.",
    "optout": "Customers who want no messages: add, remove, list.",
}
#: Module in ``commands`` → its commands, each with the name of its function.
COMMANDS = {
    "stack": ("up", "down", "status", "doctor", "download"),
    "data": ("data generate", "data import_", "data describe"),
    "ingest": ("replay", "ship", "dlq dlq_show", "dlq dlq_replay"),
    "stream": ("stream",),
    "train": ("train", *(f"models models_{n}" for n in ("list", "show", "rollback", "index"))),
    "sms": ("sms_server", "sms_gateway", "optout add", "optout remove", "optout show"),
    "web": ("web",),
    "verify": ("verify", "trace", "reset"),
    "forget": ("forget", "expire"),
    "chaos": ("chaos",),
    "lessons": ("check", "exercises", "handout", "bundle"),
    "demo": ("demo",),
    "lab": ("lab",),
}
#: Names that are not those of their functions.
NAMES = {"import_": "import", "optout show": "list"}

#: The library whose error it is → the server that is not there.
SERVERS = {
    "elastic_transport": "Elasticsearch",
    "workshop_lib": "Elasticsearch",  # our StoreUnavailable
    "kafka": "Kafka",
    "redis": "Redis",
}
DOWN = re.compile("Connection|Timeout|NoBrokers|NodeNotReady")


@app.callback()
def options(
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error."),
) -> None:
    """Read the options that stand before the command."""
    with suppress(OSError):  # the command itself says what it cannot write
        make_private(home_folder())


def _register() -> None:
    groups = {"": app}
    for name, text in GROUPS.items():
        groups[name] = typer.Typer(no_args_is_help=True, help=text)
        app.add_typer(groups[name], name=name)
    for module, commands in COMMANDS.items():
        loaded = import_module(f"workshop_lib.commands.{module}")
        for command in commands:
            group, _, function = command.rpartition(" ")
            name = NAMES.get(command) or NAMES.get(function) or function.removeprefix(f"{group}_")
            groups[group].command(name.replace("_", "-"))(getattr(loaded, function))


_register()


@contextmanager
def _ended_jvm_explained() -> Iterator[None]:
    """In the body: what fails because Spark's JVM has ended is one ``WorkshopError``."""
    try:
        yield
    except Exception as error:
        # Only if a command has loaded Spark: to load it here would cost every command a second.
        failure = sys.modules.get("workshop_lib.stream.failure")
        ended = None if failure is None else failure.why_jvm_ended(Settings(), error)
        if ended is None:
            raise
        raise ended from error


def _known(error: Exception) -> WorkshopError | None:
    """What a user can act on, though a library raised it: a full disk, a server that refuses us."""
    from workshop_lib.runtime.disk import disk_full
    from workshop_lib.runtime.refusal import refused

    return disk_full(error) or refused(Settings(), error)


def _show(error: WorkshopError) -> None:
    text = f"[red]{escape(error.message)}[/red] {escape(error.todo)}"
    err.print(text, highlight=False, soft_wrap=True)


def main() -> None:
    """Run the command line; turn what a user can act on into one line."""
    debug = "--debug" in sys.argv
    if debug and sys.argv[1:2] != ["--debug"]:
        # Typer wants it before the command; people put it last.
        sys.argv = [sys.argv[0], "--debug", *(a for a in sys.argv[1:] if a != "--debug")]
    show_messages()
    try:
        with _ended_jvm_explained():
            app()
    except WorkshopError as error:
        if debug:
            raise
        _show(error)
        sys.exit(1)
    except Exception as error:
        if debug:
            raise
        known = _known(error)
        if known is not None:
            _show(known)
            sys.exit(1)
        server = SERVERS.get(type(error).__module__.split(".")[0])
        first_line = (str(error).splitlines() or [""])[0]
        what, todo = (
            (
                f"{server} does not answer.",
                "Run `workshop up`; `workshop status` shows the servers.",
            )
            if server and DOWN.search(f"{type(error).__name__} {error}")
            else (
                f"{type(error).__name__}: {first_line}",
                "Run again with --debug for the traceback; `workshop status` shows the servers.",
            )
        )
        err.print(f"[red]{escape(what)}[/red] {todo}", highlight=False, soft_wrap=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
