"""Spark starts faster: its classes once, as the JVM keeps them (application class-data sharing).

In: an environment with pyspark and the connector's jars. Out: a file of some 250 MB in the
environment that every later Spark maps instead of reading, checking and laying out 15,000
classes again. ``make`` runs ``workshop_lib.spark_startup.rehearsal`` and lets its JVM write
down what it has loaded.

The JVM itself compares the file with its version and its class path, and does without a file
that does not fit; so a Java or a Spark exchanged later is slower, never wrong. See
``-XX:ArchiveClassesAtExit`` in the manual of ``java``.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

import pyspark

from workshop_lib.runtime import artifacts, child, java
from workshop_lib.runtime.progress import Progress, silent
from workshop_lib.runtime.state_file import replacing
from workshop_lib.runtime.wait import CLASS_ARCHIVE_SECONDS, wait_until
from workshop_lib.settings import Settings

#: Where Python keeps the files of this environment that are no code.
FOLDER: Final = Path(sys.prefix) / "share" / "workshop"
STOP_SECONDS: Final = 30
NAME: Final = "rehearsal"
SILENT: Final = "-Xlog:disable"
#: What the JVM has to say about such a file belongs into Spark's log.
_QUIET: Final = f"{SILENT} -Xlog:all=warning:stderr"


def options(log: str = _QUIET) -> str:
    """The JVM's options that use the file; "" if it does not exist."""
    file = next(FOLDER.glob("spark-*.jsa"), None)
    return f'"-XX:SharedArchiveFile={file}" {log}' if file else ""


def writing(file: Path) -> str:
    """The JVM's options that write ``file`` when it ends."""
    return f'"-XX:ArchiveClassesAtExit={file}" {_QUIET}'


def path() -> Path:
    """The file for the present Java, Spark and connector."""
    found = java.find()
    jars = Path(pyspark.__path__[0]) / "jars"
    means = (found.home, found.version, pyspark.__version__, jars.resolve(), jars.stat().st_mtime)
    connector = [name for name in artifacts.checksums().items() if name[0].startswith("spark/")]
    text = repr((means, artifacts.library(), connector))
    return FOLDER / f"spark-{hashlib.sha256(text.encode()).hexdigest()[:12]}.jsa"


def make(progress: Progress = silent) -> Path | None:
    """Have the file; None where this Java or this environment cannot have one.

    Raises ``WorkshopError`` when Spark itself does not run.
    """
    wanted = path()
    if wanted.exists():
        return wanted
    try:
        FOLDER.mkdir(parents=True, exist_ok=True)
        lock = (FOLDER / "lock").open("w")
    except OSError:
        return None  # an environment that this user cannot write to
    with lock, tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        # A second process waits for the first one and then finds the file.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if wanted.exists():
            return wanted
        written = Path(folder) / "classes.jsa"
        _rehearse(Path(folder), written, progress)
        if not written.exists():
            return None  # a Java that knows no such files
        for old in (*FOLDER.glob("spark-*.jsa"), *FOLDER.glob(".spark-*.new")):
            old.unlink()
        with replacing(wanted) as draft:
            shutil.copyfile(written, draft)
    return wanted


def _rehearse(folder: Path, written: Path, progress: Progress) -> None:
    settings = Settings(home=folder)
    running = child.start(
        settings, NAME, "workshop_lib.spark_startup.rehearsal", str(folder), str(written)
    )

    def ended() -> bool:
        progress("Building Spark's class archive, once")
        return running.poll() is not None

    try:
        wait_until(ended, CLASS_ARCHIVE_SECONDS, "Spark's rehearsal to end")
    finally:
        child.stop([running], STOP_SECONDS)
    child.check(settings, NAME, running, "Spark's rehearsal")
