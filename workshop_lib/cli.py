"""The ``workshop`` command. Exit codes: 0 done, 1 failed and said why, 2 wrong usage."""

from __future__ import annotations

import re
import sys
from importlib import import_module

import typer
from rich.markup import escape

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime.console import err, show_messages

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Real-time analytics of a music site, on real servers. Start with [b]workshop demo[/b].",
)

#: Each module has a function ``register(app)`` that adds its commands.
COMMANDS = (
    *("stack", "data", "ingest", "stream", "train", "sms", "web"),
    *("verify", "lessons", "demo", "lab"),
)

#: The library whose error it is → the server that is not there.
SERVERS = {"elastic_transport": "Elasticsearch", "kafka": "Kafka", "redis": "Redis"}
DOWN = re.compile("Connection|Timeout|NoBrokers|NodeNotReady")


@app.callback()
def options(
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error."),
) -> None:
    """Read the options that stand before the command."""


for _name in COMMANDS:
    import_module(f"workshop_lib.commands.{_name}").register(app)


def main() -> None:
    """Run the command line; turn what a user can act on into one line."""
    debug = "--debug" in sys.argv
    if debug and sys.argv[1:2] != ["--debug"]:
        # Typer wants it before the command; people put it last.
        sys.argv = [sys.argv[0], "--debug", *(a for a in sys.argv[1:] if a != "--debug")]
    show_messages()
    try:
        app()
    except WorkshopError as error:
        if debug:
            raise
        err.print(
            f"[red]{escape(error.message)}[/red] {escape(error.todo)}",
            highlight=False,
            soft_wrap=True,
        )
        sys.exit(1)
    except Exception as error:
        if debug:
            raise
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
