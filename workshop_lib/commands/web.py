"""The command ``workshop web``."""

from __future__ import annotations

import os
import subprocess

import typer

from workshop_lib.runtime.console import err, stop_on_signal
from workshop_lib.settings import Settings


def web(
    port: int = typer.Option(0, min=0, max=65535, help="On 127.0.0.1; the setting by default."),
) -> None:
    """Stage 4: the live page, at http://127.0.0.1:8080 or a free port.

    Shows plays, places, interests, offers and the streams as they are right now; it says so
    when a server is away, and goes on when it is back. Runs until Ctrl-C.

    Example: [b]workshop web --port 8090[/b]
    """
    from workshop_lib.errors import WorkshopError
    from workshop_lib.page import server as page
    from workshop_lib.runtime import node

    settings = Settings()
    if not node.ready():
        with err.status("Fetching the packages of the live page (once) …"):
            node.install()
    how = page.command(settings, port or page.port(settings))
    with stop_on_signal() as stop:
        # Its own session: Ctrl-C comes here, and then the server is asked to end.
        server = subprocess.Popen(
            how.words,
            env={**os.environ, **how.environment},
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            while server.poll() is None and not stop.is_set():
                stop.wait(0.2)
        finally:
            server.terminate()
            server.wait()
    if not stop.is_set():
        raise WorkshopError(
            "The page's server has ended.", "What it said is above; `workshop status` helps."
        )
