"""A real browser for screenshots and tests: the one that is installed, else one from npm.

In: nothing. Out: a Chromium driven by Playwright, which talks to this machine only. Where no
Chromium is installed, the package ``@sparticuz/chromium`` has one, with the libraries and
the font that a bare system lacks (Linux on x86-64).
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.sax.saxutils import escape

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime import artifacts, fonts, node, state_file
from workshop_lib.runtime.state_file import replacing

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserType

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
APPLICATIONS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
#: No look-ups, updates or reports of its own: names other than this machine's do not resolve.
QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--disable-sync",
    "--no-first-run",
    "--no-pings",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
#: The system's fonts, the one that came with the browser, and those for titles in every script.
FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
  <dir>{folder}/fonts/fonts</dir>
{more}
  <cachedir>{folder}/fonts-cache</cachedir>
</fontconfig>
"""


class Program(NamedTuple):
    """A browser's program, and what it needs in its environment."""

    path: Path
    environment: dict[str, str]


def installed() -> Program | None:
    """The Chromium or Chrome of this machine, if it has one."""
    found = [path for name in NAMES if (path := shutil.which(name))]
    found += [path for path in APPLICATIONS if Path(path).exists()]
    return Program(Path(found[0]), {}) if found else None


def packed() -> Program:
    """The Chromium that npm brings, unpacked once into the cache (5 s, 210 MB)."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise WorkshopError("No browser was found.", "Install Chromium or Chrome.")
    node.install()
    package = node.WEB / "node_modules" / "@sparticuz" / "chromium"
    if not package.exists():
        raise WorkshopError("There is no browser in this image.", "Open the page in your own.")
    folder = artifacts.cache() / "browser" / _version(package)
    if not folder.exists():
        _unpack(folder)
    more = "\n".join(f"  <dir>{escape(str(each.parent))}</dir>" for each in fonts.files())
    state_file.write(folder / "fonts.conf", FONTS.format(folder=escape(str(folder)), more=more))
    return Program(
        folder / "chromium",
        {
            "LD_LIBRARY_PATH": str(folder / "al2023" / "lib"),
            "FONTCONFIG_FILE": str(folder / "fonts.conf"),
        },
    )


def driver() -> Any:
    """Playwright's module. ``WorkshopError`` where it is missing, as in Docker's image."""
    try:
        from playwright import sync_api
    except ImportError:
        raise WorkshopError(
            "Nothing here can drive a browser.", "Run `pip install -e '.[test]'`."
        ) from None
    return sync_api


@contextmanager
def browser() -> Iterator[Browser]:
    """A headless browser, closed at the end. Raises ``WorkshopError`` when there is none."""
    drives = driver()
    program = installed() or packed()
    with drives.sync_playwright() as playwright, launch(playwright.chromium, program) as started:
        yield started


def launch(chromium: BrowserType, program: Program) -> Browser:
    """Start ``program``; it ends at the end of a ``with``."""
    return chromium.launch(
        executable_path=program.path,
        args=list(QUIET),
        env={**os.environ, **program.environment},
    )


def _version(package: Path) -> str:
    version: str = json.loads((package / "package.json").read_text())["version"]
    return version


def _unpack(folder: Path) -> None:
    """Whole or not at all: an interrupted one is not mistaken for a browser."""
    with replacing(folder) as partial:
        partial.mkdir()
        done = subprocess.run(
            [
                *(node.NODE, "--input-type=module", "--eval"),
                "import chromium from '@sparticuz/chromium'; await chromium.executablePath()",
            ],
            cwd=node.WEB,
            # It unpacks into the temporary folder, and the libraries only where this is set.
            env={**os.environ, "TMPDIR": str(partial), "AWS_EXECUTION_ENV": "24.x"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise WorkshopError(
                f"The browser could not be unpacked: {done.stderr.strip()[-300:]}",
                "Install Chromium or Chrome instead.",
            )
