"""Spark starts faster: its classes once, as the JVM keeps them (application class-data sharing).

In: an environment with pyspark and the connector's jars. Out: a file of some 250 MB in the
environment that every later Spark maps instead of reading, checking and laying out 15,000
classes again. ``make`` runs ``rehearsal`` and lets its JVM write down what it has loaded.

The JVM itself compares the file with its version and its class path, and does without a file
that does not fit; so a Java or a Spark exchanged later is slower, never wrong. See
``-XX:ArchiveClassesAtExit`` in the manual of ``java``.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pyspark

from workshop_lib.errors import WorkshopError
from workshop_lib.stack import artifacts, java

#: Where Python keeps the files of this environment that are no code.
FOLDER: Final = Path(sys.prefix) / "share" / "workshop"
#: The rehearsal takes about a minute on two slow cores (seconds).
PATIENCE: Final = 600
#: What the JVM has to say about a file that does not fit belongs into Spark's log.
_QUIET: Final = "-Xlog:disable -Xlog:all=warning:stderr"


def options() -> str:
    """The JVM's options that use the file; "" while there is none."""
    files = sorted(FOLDER.glob("spark-*.jsa"))
    return f'"-XX:SharedArchiveFile={files[0]}" {_QUIET}' if files else ""


def path() -> Path:
    """The file for the present Java, Spark and connector."""
    found = java.find()
    jars = Path(pyspark.__path__[0]) / "jars"
    means = (found.home, found.version, pyspark.__version__, jars.resolve(), jars.stat().st_mtime)
    connector = [name for name in artifacts.checksums().items() if name[0].startswith("spark/")]
    text = repr((means, artifacts.library(), connector))
    return FOLDER / f"spark-{hashlib.sha256(text.encode()).hexdigest()[:12]}.jsa"


def make(tick: Callable[[], None] = lambda: None) -> Path | None:
    """Have the file; None where this Java or this environment cannot have one.

    ``tick`` is called while it lasts. Raises ``WorkshopError`` when Spark itself does not run.
    """
    wanted = path()
    if wanted.exists():
        return wanted
    try:
        FOLDER.mkdir(parents=True, exist_ok=True)
        lock = (FOLDER / "lock").open("w")
    except OSError:
        return None  # somebody else's environment, which we may only use
    with lock, tempfile.TemporaryDirectory() as folder:
        # Whoever comes second waits for the first one, and then finds it there.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if wanted.exists():
            return wanted
        written = Path(folder) / "classes.jsa"
        _rehearse(Path(folder), written, tick)
        if not written.exists():
            return None  # a Java that knows no such files
        for old in FOLDER.glob("spark-*.jsa*"):
            old.unlink()
        # Not visible under its name before it is whole.
        partial = wanted.with_suffix(".jsa.part")
        with written.open("rb") as source, partial.open("wb") as target:
            while block := source.read(1 << 24):
                target.write(block)
        os.replace(partial, wanted)
    return wanted


def _rehearse(folder: Path, written: Path, tick: Callable[[], None]) -> None:
    log = folder / "rehearsal.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "workshop_lib.stream.rehearsal", str(folder), str(written)],
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + PATIENCE
        try:
            while process.poll() is None and time.monotonic() < deadline:
                tick()
                time.sleep(0.2)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(30)
    if process.returncode:
        last = log.read_text(errors="replace").strip().splitlines()[-1:]
        raise WorkshopError(
            f"Spark could not be tried out: {' '.join(last) or process.returncode}.",
            "`workshop doctor` says whether this machine has what Spark needs.",
        )
