"""Stage 4's page as a process: start it, wait until it answers, picture it, stop it.

In: Settings, handed to ``web/server`` as the environment variables it reads. Out: an address
on this machine, and PNG and JSON of what the page shows.
"""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path
from typing import Any

from workshop_lib.errors import WorkshopError
from workshop_lib.page import browser
from workshop_lib.runtime import http, node, process, state_file
from workshop_lib.runtime.identity import require_own_server
from workshop_lib.runtime.wait import PAGE_SECONDS, wait_until
from workshop_lib.settings import Settings
from workshop_lib.stack.embedded import PAGE as NAME
from workshop_lib.stack.embedded import STARTS

logger = logging.getLogger(__name__)

#: It holds some 20 MB; without a limit Node lets garbage pile up to a share of the machine.
HEAP = ("--max-old-space-size=128", "--max-semi-space-size=4")
#: How the server ends when another program has its port, and what it says once it has it.
PORT_TAKEN = 98
LISTENING = "The page is at "
#: What the server reads of the settings; the rest it takes from the environment as it is.
PASSED = (
    "elasticsearch_url",
    "redis_prefix",
    "namespace",
    "web_host",
    "timezone",
)


def require_own_stores(settings: Settings) -> None:
    """The servers that the page reads are those of this home."""
    for server in ("Elasticsearch", "Redis"):
        require_own_server(settings, server)


def command(settings: Settings, port: int) -> process.Command:
    """How to start the server on ``port``; fetches its packages if they are not there."""
    require_own_stores(settings)
    node.install()
    variables = {f"WORKSHOP_{name.upper()}": str(getattr(settings, name)) for name in PASSED}
    variables["WORKSHOP_REDIS_URL"] = settings.redis_url_web or settings.redis_url
    own = settings.elasticsearch_password_web
    variables |= {
        "WORKSHOP_ELASTICSEARCH_API_KEY": settings.elasticsearch_api_key.get_secret_value(),
        "WORKSHOP_ELASTICSEARCH_USERNAME": "web" if own else settings.elasticsearch_username,
        "WORKSHOP_ELASTICSEARCH_PASSWORD": (
            own or settings.elasticsearch_password
        ).get_secret_value(),
    }
    return process.Command(
        [str(node.NODE), *HEAP, str(node.WEB / "server" / "main.js")],
        variables | {"WORKSHOP_WEB_PORT": str(port)},
    )


def port(settings: Settings) -> int:
    """The port of the settings, or a free one if it is taken."""
    return process.free_port(settings.web_port)


class _PortTaken(WorkshopError):
    """Another program took the port after it was found free."""


def start(settings: Settings) -> str:
    """Start the page as a server of this home's stack, unless it runs; its address.

    Some time passes between finding a port free and listening on it. When another program was
    faster, it is started again on another port. Raises ``WorkshopError`` with the first error.
    """
    running = address(settings)
    if running:
        return running
    for _ in range(STARTS - 1):
        try:
            return _start_once(settings)
        except _PortTaken:
            logger.info("Another program took the page's port: trying another one.")
    return _start_once(settings)


def _start_once(settings: Settings) -> str:
    """``start`` on a port that is free now. Raises ``_PortTaken``."""
    chosen = port(settings)
    process.start(NAME, command(settings, chosen), settings.home / "pids", log(settings))
    state_file.write(_address_file(settings), f"http://{settings.web_host}:{chosen}")
    wait_until(lambda: _answers(settings), PAGE_SECONDS, f"the page, see {log(settings)}")
    return address(settings) or ""


def run(settings: Settings, stop: threading.Event, port_: int = 0) -> None:
    """The page in the foreground until ``stop`` is set; ``status`` and ``down`` know it, too.

    They do even if this process is killed and leaves the server behind. ``port_``: this one, or
    ``WorkshopError``; 0 for that of the settings or, where it is taken, any.
    """
    running = address(settings)
    if running:
        raise WorkshopError(f"The page is running already: {running}", "`workshop down` stops it.")
    for _ in range(STARTS):
        ended = _run_once(settings, stop, port_ or port(settings))
        if stop.is_set():
            return
        if ended != PORT_TAKEN or port_:
            break
    raise WorkshopError(
        "The page's server has ended.", "Its message is above; `workshop status` helps."
    )


def _run_once(settings: Settings, stop: threading.Event, port_: int) -> int:
    """The server until it ends or ``stop`` is set; its exit code."""
    pids = settings.home / "pids"
    server = process.spawn(command(settings, port_))
    try:
        process.remember(NAME, server.pid, pids)
        state_file.write(_address_file(settings), f"http://{settings.web_host}:{port_}")
        while server.poll() is None and not stop.is_set():
            stop.wait(0.2)
    finally:
        server.terminate()
        server.wait()
        process.forget(NAME, pids)
        _address_file(settings).unlink(missing_ok=True)
    return server.returncode


def stop(settings: Settings) -> bool:
    """Stop the page; whether it ran."""
    _address_file(settings).unlink(missing_ok=True)
    return process.stop(NAME, settings.home / "pids")


def address(settings: Settings) -> str | None:
    """Where the page that ``start`` started is; None when it does not run."""
    if process.find(NAME, settings.home / "pids") is None:
        return None
    try:
        return _address_file(settings).read_text()
    except FileNotFoundError:
        return None


def log(settings: Settings) -> Path:
    return settings.logs / f"{NAME}.log"


def snapshot(url: str, **view: str) -> dict[str, Any]:
    """What the page at ``url`` shows in ``view`` (range, device, gender, level, state)."""
    query = "&".join(f"{name}={value}" for name, value in view.items())
    found: dict[str, Any] = json.loads(http.get(f"{url}/snapshot?{query}", timeout=30))
    return found


def screenshot(url: str, path: Path, width: int = 1440, theme: str = "light") -> None:
    """Save the whole page at ``url`` as a PNG. ``WorkshopError`` when no browser can."""
    refused = browser.driver().Error
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with browser.browser() as started:
            page = started.new_page(
                locale="en-US",
                viewport={"width": width, "height": 900},
                color_scheme="dark" if theme == "dark" else "light",
                reduced_motion="reduce",
            )
            page.goto(url)
            page.wait_for_selector("#status[data-state=live]")
            page.wait_for_selector("body[data-drawn=all]")
            page.screenshot(path=path, full_page=True)
    except refused as error:
        first_line = error.message.splitlines()[0]
        raise WorkshopError(
            f"The browser did not picture the page: {first_line}", f"Open {url} yourself."
        ) from error


def _address_file(settings: Settings) -> Path:
    return settings.home / "pids" / f"{NAME}.address"


def _answers(settings: Settings) -> bool:
    if process.find(NAME, settings.home / "pids") is None:
        taken = process.port_was_taken(log(settings))
        raise (_PortTaken if taken else WorkshopError)(
            f"The page ended while starting: {process.why(log(settings))}",
            f"The whole log is {log(settings)}.",
        )
    # Before it listens, whoever has the port may answer in its place.
    if LISTENING not in log(settings).read_text(errors="replace"):
        return False
    try:
        return bool(http.get(f"{address(settings)}/health", timeout=5))
    except OSError:
        return False
