"""The command ``workshop web``."""

from __future__ import annotations

import typer

from workshop_lib.runtime.console import err, stop_on_signal
from workshop_lib.settings import Settings


def web(
    port: int = typer.Option(0, min=0, max=65535, help="On 127.0.0.1; the setting by default."),
) -> None:
    """Stage 4: the live page, at http://127.0.0.1:8080 or a free port.

    Shows plays, places, interests, offers and the streams as they are right now; it says so
    when a server is away, and continues when it is back. Runs until Ctrl-C.

    Example: [b]workshop web --port 8090[/b]
    """
    from workshop_lib.page import server as page
    from workshop_lib.runtime import node

    settings = Settings()
    page.require_own_stores(settings)
    if not node.ready():
        with err.status("Fetching the packages of the live page (once) …"):
            node.install()
    with stop_on_signal() as stop:
        page.run(settings, stop, port)
