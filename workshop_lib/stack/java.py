"""Find a Java that can run the servers: 17 or newer, and a full one.

Looked for in JAVA_HOME, on PATH and in the usual folders. Runtimes trimmed by jlink lack
modules that Elasticsearch requires, so the modules are asked for, not only the version.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from workshop_lib.errors import WorkshopError

OLDEST = 17
NEEDED_MODULES = {"jdk.net", "jdk.management.agent", "java.management", "jdk.zipfs"}
USUAL = (
    "/usr/lib/jvm/*",
    "/opt/java/*",
    "/opt/homebrew/opt/openjdk*",
    "/usr/local/opt/openjdk*",
    "/Library/Java/JavaVirtualMachines/*/Contents/Home",
)


@dataclass(frozen=True)
class Java:
    home: Path
    version: int

    @property
    def program(self) -> Path:
        return self.home / "bin" / "java"


def parse_version(text: str) -> int | None:
    """The major version in what ``java -version`` prints; None if there is none.

    Java 8 and older say 1.8, newer ones 17.0.15 or just 25.
    """
    match = re.search(r'version "(?:1\.)?(\d+)', text)
    return int(match.group(1)) if match else None


def candidates() -> Iterator[Path]:
    """Java homes, best first, each once."""
    seen: set[Path] = set()
    homes = [Path(os.environ["JAVA_HOME"])] if os.environ.get("JAVA_HOME") else []
    on_path = shutil.which("java")
    if on_path:
        homes.append(Path(on_path).resolve().parents[1])
    for pattern in USUAL:
        homes += sorted(Path("/").glob(pattern.lstrip("/")), reverse=True)
    for home in homes:
        resolved = home.resolve()
        if resolved not in seen and (resolved / "bin" / "java").exists():
            seen.add(resolved)
            yield resolved


def problem(home: Path) -> tuple[int | None, str]:
    """(version, what is wrong with the Java in ``home``); an empty text if nothing is."""
    program = str(home / "bin" / "java")
    try:
        answer = subprocess.run(
            [program, "-version"], capture_output=True, text=True, timeout=30, check=False
        )
    except OSError as error:
        return None, f"cannot be run ({error})"
    version = parse_version(answer.stderr + answer.stdout)
    if version is None:
        return None, "does not say its version"
    if version < OLDEST:
        return version, f"is Java {version}, older than {OLDEST}"
    modules = subprocess.run(
        [program, "--list-modules"], capture_output=True, text=True, timeout=30, check=False
    ).stdout
    missing = NEEDED_MODULES - {line.split("@")[0].strip() for line in modules.splitlines()}
    if missing:
        return version, f"is trimmed: it lacks {', '.join(sorted(missing))}"
    return version, ""


def find() -> Java:
    """The first Java that will do. ``WorkshopError`` names those that will not, and the remedy."""
    refused = []
    for home in candidates():
        version, wrong = problem(home)
        if not wrong and version:
            return Java(home, version)
        refused.append(f"{home} {wrong}")
    raise WorkshopError(
        f"Java {OLDEST} or newer is needed"
        + (f"; found: {'; '.join(refused)}." if refused else ", and none was found."),
        f"Install it: {install_command()}",
    )


def install_command() -> str:
    """What a person types on this system to get a full Java."""
    if platform.system() == "Darwin":
        return "brew install openjdk@21"
    for program, command in (
        ("apt-get", "sudo apt-get install -y openjdk-17-jre-headless"),
        ("dnf", "sudo dnf install -y java-21-openjdk-headless"),
        ("zypper", "sudo zypper install -y java-21-openjdk-headless"),
        ("pacman", "sudo pacman -S jre21-openjdk-headless"),
        ("apk", "sudo apk add openjdk21-jre-headless"),
    ):
        if shutil.which(program):
            return command
    return "get a JDK 21 from your system's packages or from Eclipse Temurin, and set JAVA_HOME"


def find_or_install() -> Java:
    """``find``; where apt can be used as root and there is no Java, install it first."""
    try:
        return find()
    except WorkshopError:
        if not (hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get")):
            raise
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", _apt_package()],
    ):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise WorkshopError(
                f"`{' '.join(command)}` failed: {done.stderr.strip().splitlines()[-1:]}",
                f"Install Java by hand: {install_command()}",
            )
    return find()


def _apt_package() -> str:
    """The newest headless runtime that apt knows, among the long-term ones."""
    for package in ("openjdk-21-jre-headless", "openjdk-17-jre-headless"):
        known = subprocess.run(
            ["apt-cache", "show", package], capture_output=True, check=False
        ).returncode
        if known == 0:
            return package
    return "default-jre-headless"
