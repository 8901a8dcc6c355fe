"""The command ``workshop lab``."""

from __future__ import annotations

import typer

from workshop_lib.runtime.console import say, stop_on_signal
from workshop_lib.settings import Settings


def lab(
    port: int = typer.Option(8888, min=0, max=65535, help="Of JupyterLab; 0 takes a free one."),
    browser: bool = typer.Option(True, help="Open the first notebook in the browser."),
    replay: bool = typer.Option(True, help="Replay into the log, if there is none yet."),
) -> None:
    """Start the servers, a replay and JupyterLab on the first notebook; Ctrl-C stops it all.

    The address has a token in it: without it nobody gets in. Everything listens on 127.0.0.1.
    You work on copies of the notebooks and exercises, in `my-work/`: they and all data stay for
    the next time, and an update of the workshop does not touch what you wrote.

    Example: workshop lab, or on a machine without a screen: workshop lab --no-browser
    """
    import webbrowser

    from workshop_lib.commands.stack import fetch
    from workshop_lib.lessons.lab import run

    settings = Settings()

    def ready(address: str) -> None:
        say(f"\nThe first notebook: {address}")
        say("Ctrl-C stops JupyterLab, the replay and the servers.")
        if browser:
            webbrowser.open(address)

    fetch(settings)
    with stop_on_signal() as stop:
        run(settings, port, replay, ready, stop)
    say("All stopped. Your work is kept.")
