"""Fetch Kafka, the Spark connector and Elasticsearch once, and be sure of what was fetched.

pyspark ships Apache Ivy, which resolves ``ivy.xml`` from Maven Central or a mirror. Files
go to the user's cache; each is compared with ``artifacts.sha256`` when it comes and before
each use, and one that differs is refused. What is there already is not fetched again, so a
second run needs no network and an interrupted one continues with the missing files.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies
from xml.sax.saxutils import quoteattr

import platformdirs
import pyspark

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime import environment, java
from workshop_lib.runtime.progress import Progress, silent
from workshop_lib.runtime.state_file import replacing
from workshop_lib.settings import PROJECT, Settings, absolute

HERE = Path(__file__).parent
#: Bytes of all files together.
SIZE = 161_846_612
STEP = "Downloading the servers, MB"


def cache() -> Path:
    """The folder that keeps the files between checkouts; ``WORKSHOP_CACHE`` moves it.

    A bundle (``workshop bundle``) brings its own.
    """
    bundled = PROJECT / "offline" / "cache"
    named = os.environ.get("WORKSHOP_CACHE") or (bundled if bundled.exists() else None)
    return absolute(Path(named or platformdirs.user_cache_dir("realtime-workshop")))


def library() -> Path:
    return cache() / "lib"


def checksums() -> dict[str, str]:
    """Path below ``library()`` → sha256, of every file there must be."""
    lines = (HERE / "artifacts.sha256").read_text().splitlines()
    return {name: digest for digest, name in (line.split() for line in lines)}


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def missing(group: str = "") -> list[str]:
    """Files (of a group: kafka, spark or elasticsearch) that are not there as they should be."""
    return [
        name
        for name, wanted in checksums().items()
        if name.startswith(group)
        and not ((library() / name).exists() and digest(library() / name) == wanted)
    ]


def take(folder: Path, names: list[str]) -> None:
    """Move the fetched files ``names`` from ``folder`` into the library, verified first.

    Raises ``WorkshopError`` for one that differs or whose download failed; it is not used.
    """
    sums = checksums()
    for name in names:
        fetched = folder / name
        if not fetched.exists():
            raise WorkshopError(
                f"{name} could not be downloaded.", "Run the same command again to go on."
            )
        if digest(fetched) != sums[name]:
            raise WorkshopError(
                f"{name} is not the file that it should be (its sha256 differs).",
                "Run the same command again to download it again; if that one differs, too,"
                " do not trust the mirror.",
            )
        with replacing(library() / name) as draft:
            shutil.copyfile(fetched, draft)


def ensure(settings: Settings, progress: Progress = silent, group: str = "") -> None:
    """Have every file of ``checksums()`` in the library, or those of ``group`` (kafka, spark,
    elasticsearch). ``WorkshopError`` when offline."""
    if not missing(group):
        return
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / "fetch.lock").open("w") as lock:
        # A second process waits for the first one and then finds all files.
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = missing(group)
        if wanted:
            _fetch(settings, wanted, progress, group or "*")


def _fetch(settings: Settings, wanted: list[str], progress: Progress, group: str) -> None:
    ivy_cache, folder, log = cache() / "ivy", cache() / "fetched", cache() / "ivy.log"
    command = _ivy_command(settings, ivy_cache, folder, group)
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            while process.poll() is None:
                progress(STEP, min(_fetched(ivy_cache), SIZE) / 1e6, SIZE / 1e6)
                time.sleep(0.2)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(10)
    if process.returncode or any(not (folder / name).exists() for name in wanted):
        raise WorkshopError(
            f"The servers could not be fetched ({_complaint(log)}).",
            "Check the network and run the same command again: it continues where it stopped."
            " A mirror of Maven Central can be named in WORKSHOP_MAVEN_REPOSITORY.",
        )
    try:
        take(folder, wanted)
    finally:
        # Taken, Ivy's copies would only double the space; refused, they must not come again.
        shutil.rmtree(folder)
        shutil.rmtree(ivy_cache, ignore_errors=True)
    progress(STEP, SIZE / 1e6, SIZE / 1e6)


def spark_jars(settings: Settings) -> list[Path]:
    """The connector's four jars and ``local_files``, fetched if need be."""
    ensure(settings, group="spark")
    return [library() / name for name in checksums() if name.startswith("spark/")]


def local_files() -> Path:
    """The jar with Hadoop's files of a local disk that needs no programs, fetched or not."""
    (name,) = (name for name in checksums() if name.startswith("spark/hadoop-bare-naked-local-fs-"))
    return library() / name


def kafka_classpath() -> str:
    """Each of Kafka's files by its name: what else lies beside them is not loaded."""
    return os.pathsep.join(str(library() / n) for n in checksums() if n.startswith("kafka/"))


def unexpected() -> list[str]:
    """Files in the library that nobody asked for, such as an additional jar."""
    wanted = {library() / name for name in checksums()}
    return sorted(str(p) for p in library().rglob("*") if p.is_file() and p not in wanted)


def elasticsearch_zip() -> Path:
    (name,) = (name for name in checksums() if name.startswith("elasticsearch/"))
    return library() / name


def _ivy_command(settings: Settings, ivy_cache: Path, folder: Path, group: str) -> list[str]:
    (ivy,) = (Path(pyspark.__path__[0]) / "jars").glob("ivy-*.jar")
    ivysettings = cache() / "ivysettings.xml"
    ivysettings.write_text(ivy_settings(settings.maven_repository))
    return [
        str(java.find().program),
        *proxy_options(getproxies()),
        *environment.network_options(environment.ignored().get("JAVA_TOOL_OPTIONS", "")),
        *("-cp", str(ivy), "org.apache.ivy.Main", "-settings", str(ivysettings)),
        *("-ivy", str(HERE / "ivy.xml"), "-cache", str(ivy_cache), "-confs", group),
        *("-retrieve", f"{folder}/[conf]/[artifact]-[revision](-[classifier]).[ext]"),
    ]


def ivy_settings(repository: str) -> str:
    """Ivy's settings for a mirror of Maven Central at ``repository``; "" is Central itself.

    Without them Ivy would wait forever for a network that does not answer.
    """
    root = f" root={quoteattr(repository)}" if repository else ""
    return (
        '<ivysettings><settings defaultResolver="maven"/><timeout-constraints>'
        '<timeout-constraint name="patience" connectionTimeout="15000" readTimeout="60000"/>'
        '</timeout-constraints><resolvers><ibiblio name="maven" m2compatible="true"'
        f' timeoutConstraint="patience"{root}/></resolvers></ivysettings>\n'
    )


def proxy_options(proxies: dict[str, str]) -> list[str]:
    """Java's options for the proxies that the environment names; Java does not look there."""
    options = []
    for scheme in ("http", "https"):
        proxy = urlsplit(proxies.get(scheme, ""))
        if proxy.hostname:
            options += [
                f"-D{scheme}.proxyHost={proxy.hostname}",
                f"-D{scheme}.proxyPort={proxy.port or 80}",
            ]
    return options


def _fetched(ivy_cache: Path) -> int:
    """Bytes of servers in Ivy's cache, also of the file that is on its way."""
    total = 0
    for end in (".jar", ".zip", ".jar.part", ".zip.part"):
        for path in ivy_cache.rglob(f"*{end}"):
            with suppress(FileNotFoundError):  # a .part gets its name
                total += path.stat().st_size
    return total


def _complaint(log: Path) -> str:
    """The line of Ivy's output that says most."""
    lines = log.read_text(errors="replace").splitlines()
    for word in ("UnknownHost", "Server access error", "UNRESOLVED", "refused", "FAILED"):
        for line in lines:
            if word in line:
                return line.strip(" \t:!*")[:160]
    return f"see {log}"
