"""Fetch Kafka, the Spark connector and Elasticsearch once, and be sure of what was fetched.

pyspark ships Apache Ivy, which resolves ``ivy.xml`` from Maven Central or a mirror. Files
go to the user's cache; each is compared with ``artifacts.sha256``, and one that differs is
refused. What is there already is not fetched again, so a second run needs no network and
an interrupted one goes on with the files it still lacks.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from xml.sax.saxutils import quoteattr

import platformdirs
import pyspark

from workshop_lib.errors import WorkshopError
from workshop_lib.settings import Settings
from workshop_lib.stack import java

HERE = Path(__file__).parent
#: Called with (files there, files in all).
Progress = Callable[[int, int], None]


def cache() -> Path:
    """The folder that keeps the files between checkouts; ``WORKSHOP_CACHE`` moves it."""
    return Path(
        os.environ.get("WORKSHOP_CACHE") or platformdirs.user_cache_dir("realtime-workshop")
    )


def library() -> Path:
    return cache() / "lib"


def checksums() -> dict[str, str]:
    """Path below ``library()`` → sha256, of every file there must be."""
    lines = (HERE / "artifacts.sha256").read_text().splitlines()
    return {name: digest for digest, name in (line.split() for line in lines)}


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def missing() -> list[str]:
    """Files that are not there. One that is there was verified when it came."""
    return [name for name in checksums() if not (library() / name).exists()]


def take(folder: Path, names: list[str]) -> None:
    """Move the fetched files ``names`` from ``folder`` into the library, verified first.

    Raises ``WorkshopError`` for one that differs or did not come; it is not taken.
    """
    sums = checksums()
    for name in names:
        fetched = folder / name
        if not fetched.exists():
            raise WorkshopError(f"{name} did not come.", "Run the same command again to go on.")
        if digest(fetched) != sums[name]:
            raise WorkshopError(
                f"{name} is not the file that it should be (its sha256 differs).",
                f"Remove {cache()} and try again; if it comes again, do not trust the mirror.",
            )
        target = library() / name
        target.parent.mkdir(parents=True, exist_ok=True)
        # Not visible under its name before it is whole.
        partial = target.with_name(target.name + ".part")
        shutil.copyfile(fetched, partial)
        os.replace(partial, target)


def ensure(settings: Settings, progress: Progress | None = None) -> None:
    """Have every file of ``checksums()`` in the library. ``WorkshopError`` when offline."""
    wanted = missing()
    if not wanted:
        return
    total = len(checksums())
    ivy_cache, folder = cache() / "ivy", cache() / "fetched"
    folder.mkdir(parents=True, exist_ok=True)
    log = cache() / "ivy.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            _ivy_command(settings, ivy_cache, folder), stdout=output, stderr=subprocess.STDOUT
        )
        try:
            while process.poll() is None:
                if progress:
                    progress(min(_fetched(ivy_cache), total), total)
                time.sleep(0.2)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(10)
    if process.returncode or any(not (folder / name).exists() for name in wanted):
        raise WorkshopError(
            f"The servers could not be fetched ({_complaint(log)}).",
            "Check the network and run the same command again: it goes on where it stopped."
            " A mirror of Maven Central can be named in WORKSHOP_MAVEN_REPOSITORY.",
        )
    take(folder, wanted)
    shutil.rmtree(folder)
    if progress:
        progress(total, total)


def spark_jars(settings: Settings) -> list[Path]:
    """The connector's four jars, fetched if need be."""
    ensure(settings)
    return [library() / name for name in checksums() if name.startswith("spark/")]


def kafka_classpath() -> str:
    return str(library() / "kafka" / "*")


def elasticsearch_zip() -> Path:
    (name,) = (name for name in checksums() if name.startswith("elasticsearch/"))
    return library() / name


def _ivy_command(settings: Settings, ivy_cache: Path, folder: Path) -> list[str]:
    (ivy,) = (Path(pyspark.__path__[0]) / "jars").glob("ivy-*.jar")
    command = [
        str(java.find().program),
        *("-cp", str(ivy), "org.apache.ivy.Main"),
        *("-ivy", str(HERE / "ivy.xml"), "-cache", str(ivy_cache)),
        *("-retrieve", f"{folder}/[conf]/[artifact]-[revision](-[classifier]).[ext]"),
    ]
    if settings.maven_repository:
        path = cache() / "ivysettings.xml"
        path.write_text(ivy_settings(settings.maven_repository))
        command += ["-settings", str(path)]
    return command


def ivy_settings(repository: str) -> str:
    """Ivy's settings for a mirror of Maven Central at ``repository``."""
    return (
        '<ivysettings><settings defaultResolver="mirror"/><resolvers>'
        f'<ibiblio name="mirror" m2compatible="true" root={quoteattr(repository)}/>'
        "</resolvers></ivysettings>\n"
    )


def _fetched(ivy_cache: Path) -> int:
    return sum(1 for end in ("jar", "zip") for _ in ivy_cache.rglob(f"*.{end}"))


def _complaint(log: Path) -> str:
    """The line of Ivy's output that says most."""
    lines = log.read_text(errors="replace").splitlines()
    for word in ("UnknownHost", "Server access error", "UNRESOLVED", "refused", "FAILED"):
        for line in lines:
            if word in line:
                return line.strip(" \t:!*")[:160]
    return f"see {log}"
