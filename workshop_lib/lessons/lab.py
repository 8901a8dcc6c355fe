"""The classroom in one go: servers, a replay, JupyterLab on the first notebook.

In: Settings. Out: a JupyterLab on 127.0.0.1 whose address carries its token; what it and the
replay print is in ``.workshop/logs``. All of it ends together.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from workshop_lib import stack
from workshop_lib.errors import WorkshopError
from workshop_lib.lessons import my_work, notebook_errors
from workshop_lib.lessons.demo import make_world
from workshop_lib.runtime import child, http, process
from workshop_lib.runtime.wait import JUPYTER_SECONDS, wait_until
from workshop_lib.schema.world import LIVE_HOURS
from workshop_lib.settings import PROJECT, Settings

logger = logging.getLogger(__name__)

FIRST = "notebooks/00_welcome.ipynb"  # of the learner's own copies
#: The live hours in nine seconds: over before a notebook wants to replay on its own.
REPLAY = (child.WORKSHOP, "replay", "--speed", "10000", "--last", f"{LIVE_HOURS:g}")
JUPYTER = (
    *("jupyterlab", "--no-browser", "--ServerApp.ip=127.0.0.1", "--ServerApp.port_retries=0"),
    "--LabApp.extension_manager=readonly",
)
#: Nothing asks for news or updates elsewhere, and no such question hides the first cell.
CONFIGURATION = Path(__file__).with_name("jupyter")


def run(
    settings: Settings,
    port: int,
    replay: bool,
    ready: Callable[[str], None],
    stop: threading.Event,
) -> None:
    """Start all of it, call ``ready`` with the address, wait for ``stop``, end all of it.

    JupyterLab's own File → Shut Down ends it, too. Raises ``WorkshopError`` with the end of
    its log when it does not come up.
    """
    children: list[child.Child] = []
    try:
        stack.up(settings)
        settings = Settings(home=settings.home)  # now with the ports that were free
        if replay and not settings.live_log.exists():
            make_world(settings)
            logger.info("Replaying the last %g hours into the log, in the background", LIVE_HOURS)
            children.append(child.start(settings, "lab-replay", *REPLAY))
        port = process.free_port(port)
        logger.info("Starting JupyterLab on port %d", port)
        token = secrets.token_hex(24)
        mine = my_work.folder(settings)
        for newer in my_work.update(PROJECT, mine):
            logger.info("You changed the copy of an updated notebook; the new one is %s", newer)
        words = [*JUPYTER, f"--ServerApp.port={port}", f"--ServerApp.root_dir={mine.parent}"]
        if os.geteuid() == 0:
            words.append("--allow-root")
        # The token goes by the environment: every user here can read our command line.
        environment = {
            "JUPYTER_TOKEN": token,
            "JUPYTER_CONFIG_PATH": str(CONFIGURATION),
            "IPYTHONDIR": str(_ipython(settings)),
        }
        jupyter = child.start(settings, "jupyterlab", *words, environment=environment)
        children.append(jupyter)
        if _up(settings, port, jupyter, stop):
            ready(f"http://127.0.0.1:{port}/lab/tree/{mine.name}/{FIRST}?token={token}")
        while not stop.is_set() and jupyter.poll() is None:
            stop.wait(0.3)
    finally:
        try:
            # The last one first: a kernel that still writes would see its servers go.
            for each in reversed(children):
                child.stop([each], JUPYTER_SECONDS)
        finally:
            stack.down(settings)  # also when an impatient second Ctrl-C came


def _ipython(settings: Settings) -> Path:
    """IPython's folder of this home, which explains a NameError even before the first cell."""
    folder = settings.home / "ipython"
    startup = folder / "profile_default" / "startup"
    startup.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(notebook_errors.__file__, startup / "00-workshop.py")
    return folder


def _up(settings: Settings, port: int, jupyter: child.Child, stop: threading.Event) -> bool:
    """Whether JupyterLab answers; False when ``stop`` came first."""

    def answers() -> bool:
        if jupyter.poll() is not None:
            log = child.log_file(settings, "jupyterlab")
            raise WorkshopError(f"JupyterLab ended: {process.tail(log)}", f"See {log}.")
        with suppress(OSError):
            return bool(http.get(f"http://127.0.0.1:{port}/api", timeout=5))
        return False

    wait_until(lambda: stop.is_set() or answers(), JUPYTER_SECONDS, "JupyterLab to answer")
    return not stop.is_set()
