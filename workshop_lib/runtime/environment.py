"""What this process has from other programs' environments, and must not pass on to ours.

In: the variables that a shell, another Spark or another Python has left. Out: ``os.environ`` and
``sys.path`` without what would reach our Java, Spark, Python, Node or pip; ``ignored()`` says
what that was, for ``workshop doctor``. Done once, when ``workshop_lib`` is imported.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import sysconfig
import tempfile
from collections.abc import MutableMapping
from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).resolve().parents[2]
#: Variables that Spark, Hadoop, Java, Elasticsearch and Node read, beside those we set ourselves.
FOREIGN: Final = re.compile(
    r"(SPARK|PYSPARK|HADOOP|YARN|HIVE|KAFKA)_\w+"
    r"|JAVA_TOOL_OPTIONS|JDK_JAVA_OPTIONS|_JAVA_OPTIONS|CLASSPATH"
    r"|ES_(HOME|JAVA_OPTS|JAVA_HOME|PATH_CONF|TMPDIR)|CLI_JAVA_OPTS"
    r"|PYTHONHOME|PYTHONSTARTUP|NODE_OPTIONS|NODE_PATH|PIP_(TARGET|USER|PREFIX|ROOT)"
)
#: A folder of PYTHONPATH that holds one of these would hide ours.
PACKAGES: Final = (
    *("pyspark", "py4j", "numpy", "pandas", "pyarrow", "kafka", "elasticsearch", "redis"),
    *("matplotlib", "pydantic", "pydantic_core", "typer", "rich", "orjson", "workshop_lib"),
)
PROXIES: Final = ("http_proxy", "https_proxy", "all_proxy")
OWN_ADDRESSES: Final = ("127.0.0.1", "localhost", "::1")
#: Where programs keep their own files, when the user's home cannot be written.
HOMES: Final = {
    "XDG_CACHE_HOME": "cache",
    "XDG_CONFIG_HOME": "config",
    "MPLCONFIGDIR": "matplotlib",
    "IPYTHONDIR": "ipython",
    "JUPYTER_CONFIG_DIR": "jupyter/config",
    "JUPYTER_DATA_DIR": "jupyter/data",
    "JUPYTER_RUNTIME_DIR": "jupyter/runtime",
    "npm_config_cache": "npm",
}

_ignored: dict[str, str] = {}


def ignored() -> dict[str, str]:
    """Variable → what of it was ignored, in this process."""
    return dict(_ignored)


def clean() -> None:
    """Do all of it, unless this is a Python worker, whose variables are our own Spark's."""
    if os.environ.get("SPARK_PYTHON_RUNTIME") == "PYTHON_WORKER":
        return
    _ignored.update(drop_foreign(os.environ))
    hidden = drop_hiding_folders(os.environ)
    if hidden:
        _ignored["PYTHONPATH"] = os.pathsep.join(hidden)
        sys.path[:] = [each for each in sys.path if each not in hidden]
    never_a_proxy_for_ourselves(os.environ)
    utf8_for_java(os.environ)
    writable_homes(os.environ)


def drop_foreign(environment: MutableMapping[str, str]) -> dict[str, str]:
    """Take out what other programs' installations have left; what it was."""
    found = {
        name: value
        for name, value in environment.items()
        if FOREIGN.fullmatch(name) and value and not _is_ours(name, value)
    }
    for name in found:
        del environment[name]
    return found


def _is_ours(name: str, value: str) -> bool:
    """Whether a variable names the Spark or the Python of this very environment."""
    if name == "SPARK_HOME":
        spec = importlib.util.find_spec("pyspark")
        folders = (spec.submodule_search_locations or []) if spec else []
        return any(os.path.realpath(value) == os.path.realpath(each) for each in folders)
    if name in ("PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON"):
        return os.path.abspath(value) == os.path.abspath(sys.executable)
    return False


def drop_hiding_folders(environment: MutableMapping[str, str]) -> list[str]:
    """Take folders of PYTHONPATH out that hold packages of ours; which they were."""
    folders = [each for each in environment.get("PYTHONPATH", "").split(os.pathsep) if each]
    hiding = [each for each in folders if _hides(Path(each))]
    if hiding:
        environment["PYTHONPATH"] = os.pathsep.join(each for each in folders if each not in hiding)
    return hiding


def _hides(folder: Path) -> bool:
    ours = {PROJECT, *(Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib"))}
    if folder.resolve() in ours:
        return False
    if folder.suffix == ".zip":  # as Spark's own start script puts its Python there
        return folder.name.startswith(PACKAGES)
    return any((folder / name).exists() or (folder / f"{name}.py").exists() for name in PACKAGES)


def never_a_proxy_for_ourselves(environment: MutableMapping[str, str]) -> None:
    """Where a proxy is set, it is not asked for this machine's own addresses."""
    if not any(environment.get(n) or environment.get(n.upper()) for n in PROXIES):
        return
    for name in ("no_proxy", "NO_PROXY"):
        there = [part.strip() for part in environment.get(name, "").split(",") if part.strip()]
        missing = [each for each in OWN_ADDRESSES if each not in there]
        environment[name] = ",".join([*there, *missing])


def utf8_for_java(environment: MutableMapping[str, str]) -> None:
    """In a locale that is not UTF-8 Java cannot open files whose names others wrote as UTF-8."""
    named = (environment.get(name) for name in ("LC_ALL", "LC_CTYPE", "LANG"))
    locale = next(filter(None, named), "C")
    if sys.platform == "linux" and not re.search("utf-?8", locale, re.IGNORECASE):
        environment["LC_ALL"] = "C.UTF-8"


def writable_homes(environment: MutableMapping[str, str]) -> None:
    """When HOME cannot be written, programs keep their files below the project or TMPDIR."""
    if os.access(os.path.expanduser("~"), os.W_OK | os.X_OK):
        return
    place = PROJECT / ".workshop"
    writable = os.access(place if place.exists() else PROJECT, os.W_OK)
    user = place / "user" if writable else Path(tempfile.gettempdir()) / f"workshop-{os.geteuid()}"
    for name, folder in HOMES.items():
        environment.setdefault(name, str(user / folder))


def network_options(options: str) -> list[str]:
    """Of Java's options those that reach a mirror: trust stores and proxies; for downloads only."""
    return [
        each
        for each in options.split()
        if re.match(r"-D(javax\.net\.ssl\.|https?\.(proxy|nonProxy))", each)
    ]
