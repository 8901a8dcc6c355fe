"""Find a Java that can run the servers: 17 or newer, and a full one.

Looked for in JAVA_HOME, on PATH and in the usual folders. Runtimes trimmed by jlink lack
modules that Elasticsearch requires, so the modules are asked for, not only the version.
"""

from __future__ import annotations

import glob
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from workshop_lib.errors import WorkshopError

OLDEST = 17
#: What Elasticsearch's module descriptors require, Spark's start script adds and Kafka uses,
#: beyond java.base. A runtime of exactly these modules runs all three.
NEEDED_MODULES = frozenset(
    f"java.{name}"
    for name in (
        *("compiler", "desktop", "instrument", "logging", "management", "naming", "net.http"),
        *("rmi", "scripting", "security.jgss", "security.sasl", "sql", "xml"),
    )
) | frozenset(
    f"jdk.{name}"
    for name in (
        *("attach", "incubator.vector", "jdi", "jlink", "management", "management.agent"),
        *("net", "security.auth", "unsupported", "zipfs"),
    )
)
#: The second compiler takes the cores just when the servers are young. Without it they start in
#: three quarters of the time; bulk indexing is a third slower then. Compiled code has 240 MB, as
#: with both, not 48 MB, in which a Java that runs for long would look for room all the time.
FIRST_COMPILER = ("-XX:TieredStopAtLevel=1", "-XX:ReservedCodeCacheSize=240m")
#: For the environment of a Java: glibc keeps freed memory in up to eight arenas for each core.
FEW_ARENAS = {"MALLOC_ARENA_MAX": "2"}
#: Folders that hold a Java, on Linux and macOS; ~ is the user's home.
USUAL = (
    "/usr/lib/jvm/*",
    "/usr/java/*",
    "/opt/java/*",
    "/opt/homebrew/opt/openjdk*",
    "/usr/local/opt/openjdk*",
    "/home/linuxbrew/.linuxbrew/opt/openjdk*",
    "/Library/Java/JavaVirtualMachines/*/Contents/Home",
    "~/Library/Java/JavaVirtualMachines/*/Contents/Home",
    "~/.sdkman/candidates/java/*",
    "~/.jdks/*",
)
#: Package manager → the command that installs a full Java.
INSTALL = {
    "dnf": "dnf install -y java-21-openjdk-devel",
    "zypper": "zypper install -y java-21-openjdk-devel",
    "pacman": "pacman -S --needed jdk21-openjdk",
    "apk": "apk add openjdk21-jdk",
}


@dataclass(frozen=True)
class Java:
    home: Path
    version: int

    @property
    def program(self) -> Path:
        return self.home / "bin" / "java"


def compilers(long: bool) -> tuple[str, ...]:
    """Options of a server: with the second compiler if it has work for minutes.

    A server starts faster without it. Where all cores are busy, what it compiles pays off after
    some 180,000 documents; see docs/benchmarks.md.
    """
    return () if long else FIRST_COMPILER


def parse_version(text: str) -> int | None:
    """The major version in what ``java -version`` or its settings say; None if there is none.

    Java 8 and older say 1.8, newer ones 17.0.15 or just 25.
    """
    match = re.search(r'(?:version "|java\.version = )(?:1\.)?(\d+)', text)
    return int(match.group(1)) if match else None


def candidates() -> Iterator[Path]:
    """Programs named java, best first, each once."""
    programs = [Path(os.environ["JAVA_HOME"], "bin/java")] if os.environ.get("JAVA_HOME") else []
    on_path = shutil.which("java")
    if on_path:
        programs.append(Path(on_path))
    for pattern in USUAL:
        homes = glob.glob(os.path.expanduser(pattern))
        programs += [Path(home, "bin/java") for home in sorted(homes, reverse=True)]
    seen: set[Path] = set()
    for program in programs:
        resolved = program.resolve()
        if resolved not in seen and resolved.exists():
            seen.add(resolved)
            yield program


def _ask(program: Path, *arguments: str) -> str:
    answer = subprocess.run(
        [str(program), *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    return answer.stderr + answer.stdout


@cache
def inspect(program: Path) -> tuple[Java | None, str]:
    """(the Java behind ``program``, what is wrong with it); an empty text if nothing is.

    Its home is what it says itself: a program on PATH may be a link or a version manager's
    script, and macOS has one that only points elsewhere.
    """
    try:
        # One start for both questions; Java 8 does not know the second option.
        answer = _ask(program, "-XshowSettings:properties", "--list-modules")
        version = parse_version(answer) or parse_version(_ask(program, "-version"))
        home = re.search(r"^\s*java\.home = (.+?)\s*$", answer, re.MULTILINE)
        if version is not None and version < OLDEST:
            return None, f"is Java {version}, older than {OLDEST}"
        if version is None or home is None:
            return None, "does not say its version"
        modules = {line.split("@")[0] for line in answer.splitlines()}
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, f"cannot be run ({error})"
    missing = sorted(NEEDED_MODULES - modules)
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        return None, f"is Java {version}, but trimmed: it lacks {', '.join(missing[:3])}{more}"
    return Java(Path(home.group(1)), version), ""


def find() -> Java:
    """The first suitable Java. ``WorkshopError`` names unsuitable ones and says what to install."""
    for program in candidates():
        java, _ = inspect(program)
        if java:
            return java
    found = "; ".join(refused())
    raise WorkshopError(
        f"A full Java {OLDEST} or newer is needed"
        + (f"; found: {found}." if found else ", and none was found."),
        f"Install it: {install_command()}",
    )


def refused() -> list[str]:
    """What is wrong with each Java that comes before the one of ``find``."""
    wrong = []
    named = os.environ.get("JAVA_HOME")
    if named and not Path(named, "bin/java").exists():
        wrong.append(f"JAVA_HOME={named} has no bin/java")
    for program in candidates():
        java, why = inspect(program)
        if java:
            break
        wrong.append(f"{program} {why}")
    return wrong


def install_command() -> str:
    """What a person types on this system to get a full Java."""
    if platform.system() == "Darwin":
        return "brew install openjdk@21"
    sudo = "" if os.geteuid() == 0 else "sudo "
    if shutil.which("apt-get"):
        return f"{sudo}apt-get update && {sudo}apt-get install -y {_apt_package()}"
    for program, command in INSTALL.items():
        if shutil.which(program):
            return sudo + command
    return "get a JDK 21 from your system's packages or from Eclipse Temurin, and set JAVA_HOME"


def find_or_install() -> Java:
    """``find``; where apt can be used as root and there is no Java, install it first."""
    try:
        return find()
    except WorkshopError:
        if os.geteuid() != 0 or not shutil.which("apt-get"):
            raise
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}

    def apt(*words: str) -> None:
        command = ["apt-get", "-qq", *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
            raise WorkshopError(
                f"There is no full Java {OLDEST} or newer, and `{' '.join(command)}` failed:"
                f" {' '.join(last)}",
                f"Install it by hand: {install_command()}",
            )

    apt("update")
    apt("install", "-y", "--no-install-recommends", _apt_package())
    return find()


def _apt_package() -> str:
    """The newest long-term headless runtime that apt has; 17 if it does not know any yet."""
    command = ["apt-cache", "show", "openjdk-21-jre-headless"]
    # Its exit code is 0 also for a name that other packages only mention.
    known = subprocess.run(command, capture_output=True, check=False).stdout
    return f"openjdk-{21 if known else 17}-jre-headless"
