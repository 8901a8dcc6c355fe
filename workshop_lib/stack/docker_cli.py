"""``docker compose`` with the files of this project: its questions, its work, its errors explained.

In: profiles and a command of compose. Out: what it answers, or ``WorkshopError`` in one line.
``docker/.env`` holds the values of its variables, for its owner only.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime import state_file
from workshop_lib.settings import PROJECT
from workshop_lib.stack.status import Finding

FOLDER: Final = PROJECT / "docker"
#: What a stage needs of the profiles in compose.yaml; 0: all there is.
STAGES: Final[dict[int, tuple[str, ...]]] = {
    0: ("core", "spark", "logstash", "kibana", "sms", "web"),
    1: ("core", "logstash", "kibana"),
    2: ("core", "spark"),
    3: ("core", "spark", "sms"),
    4: ("core", "sms", "web"),
}
#: What the rest does without, where an image cannot be had.
OPTIONAL: Final = ("kibana", "logstash")


def profiles(stage: int, without: Sequence[str] = ()) -> tuple[str, ...]:
    """What ``stage`` needs but ``without``; ``WorkshopError`` for what is needed."""
    needed = [name for name in without if name not in OPTIONAL]
    if needed:
        raise WorkshopError(
            f"Nothing runs without {needed[0]}.", f"--without takes {' or '.join(OPTIONAL)}."
        )
    return tuple(name for name in STAGES[stage] if name not in without)


def env_file() -> Path:
    return FOLDER / ".env"


def read_env() -> dict[str, str]:
    """The variables of docker/.env; none before the first ``up``."""
    if not env_file().exists():
        return {}
    lines = env_file().read_text().splitlines()
    pairs = (line.split("=", 1) for line in lines if "=" in line and line[:1] != "#")
    return {name: value.strip("'") for name, value in pairs}


def write_env(variables: dict[str, str]) -> None:
    """In single quotes: to compose, nothing in such a value has a meaning."""
    head = "# Written by `workshop up --docker`. Passwords and keys: not for git, not for others.\n"
    lines = (f"{name}='{value}'\n" for name, value in sorted(variables.items()))
    state_file.write(env_file(), head + "".join(lines), 0o600)


def words(profiles: Sequence[str], *command: str) -> list[str]:
    """``docker compose`` with our files and ``profiles``, whatever folder we are in."""
    chosen = (word for profile in profiles for word in ("--profile", profile))
    paths = (FOLDER / "compose.yaml", FOLDER / "compose.override.yaml")
    files = [word for path in paths if path.exists() for word in ("--file", str(path))]
    return ["docker", "compose", *files, "--env-file", str(env_file()), *chosen, *command]


def ask(*command: str) -> subprocess.CompletedProcess[str]:
    """Run ``command`` and keep what it says. ``WorkshopError`` if there is no such program."""
    try:
        return subprocess.run(
            command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
        )
    except FileNotFoundError:
        raise WorkshopError(NO_DOCKER.found + ".", NO_DOCKER.todo) from None


def answer(profiles: Sequence[str], *command: str) -> str:
    """What ``docker compose`` answers. ``WorkshopError`` in one line when it fails."""
    done = ask(*words(profiles, *command))
    if done.returncode:
        finding = diagnose(done.stderr)
        raise WorkshopError(finding.found + ".", finding.todo)
    return done.stdout


def do(profiles: Sequence[str], *command: str) -> None:
    """Let ``docker compose`` work, with its own progress on our standard error."""
    done = subprocess.run(
        words(profiles, *command), stdin=subprocess.DEVNULL, stdout=2, check=False
    )
    if done.returncode:
        raise WorkshopError(
            f"`docker compose {command[0]}` ended with {done.returncode}; it says why above.",
            f"`docker compose --file {FOLDER / 'compose.yaml'} logs SERVICE` says more;"
            " `workshop doctor --docker` checks this machine.",
        )


NO_DOCKER: Final = Finding(
    "Docker",
    "There is no `docker` on this machine",
    False,
    "Install Docker Desktop or Docker Engine; the stack without --docker needs none.",
)
#: What docker says, as a pattern → what that means and what to do.
DIAGNOSES: Final = (
    (
        r"permission denied",
        "You may not talk to the Docker daemon",
        "`sudo usermod -aG docker $USER`, then sign in again.",
    ),
    (
        r"cannot connect to the docker daemon|is the docker daemon running|error during connect",
        "The Docker daemon is not running",
        "Start Docker Desktop, or `sudo systemctl start docker`.",
    ),
    (
        r"unknown command: docker compose|'compose' is not a docker command|unknown flag: --file"
        r"|unknown shorthand flag",
        "Docker has no `compose` of version 2",
        "Install its plugin: `sudo apt-get install -y docker-compose-plugin`, or Docker Desktop.",
    ),
)


def diagnose(said: str) -> Finding:
    """What an error of docker's means, in one line."""
    for pattern, found, todo in DIAGNOSES:
        if re.search(pattern, said, re.IGNORECASE):
            return Finding("Docker", found, False, todo)
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    last = lines[-1] if lines else "Docker failed and did not say why"
    return Finding("Docker", last.rstrip("."), False, "`workshop doctor --docker` checks more.")


def services(profiles: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Name → definition of each service of ``profiles``, as compose itself understands it."""
    config = json.loads(answer(profiles, "config", "--format", "json"))
    found: dict[str, dict[str, Any]] = config["services"]
    return found


def containers() -> list[dict[str, Any]]:
    """Our containers, running or not, as ``docker compose ps`` shows them."""
    text = answer(["*"], "ps", "--all", "--format", "json").strip()
    # Before 2.21 one list, since then an object a line.
    return list(json.loads(text)) if text[:1] == "[" else [*map(json.loads, text.splitlines())]
