"""A room of containers for tests: a checkout of its own, its commands, and what Docker says.

The room is a copy of this checkout, so that its ``docker/.env``, its project, its ports and
its notebooks are not those of whoever works here. Kibana and Logstash stay out where their
images are not on this machine.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from workshop_lib.runtime import process
from workshop_lib.runtime.wait import CONTAINERS_SECONDS, wait_until
from workshop_lib.settings import PROJECT
from workshop_lib.stack import compose, docker_cli

#: What every stage needs: the kit's own image and the three servers.
OWN = "workshop:0.1.0"
CORE = ("kafka", "elasticsearch", "redis")
KEPT = ("docker", "workshop_lib", "web", "notebooks", "exercises", "solutions", "data")
FILES = ("pyproject.toml", "README.md", ".dockerignore")


def docker(*words: str, check: bool = True) -> str:
    """What ``docker`` answers, without the last end of line."""
    done = subprocess.run(
        ["docker", *words], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    assert not check or done.returncode == 0, f"docker {' '.join(words)}: {done.stderr[-2000:]}"
    return done.stdout.strip()


def reason_against(images: list[str]) -> str:
    """Why no container can run here; "" if they can."""
    if not shutil.which("docker"):
        return "there is no Docker here: `make docker-test-local` brings an engine"
    if not docker("version", "--format", "{{.Server.Version}}", check=False):
        return "no Docker engine answers: `make docker-test-local` starts one"
    if not docker("compose", "version", check=False):
        return "Docker has no Compose here"
    missing = [image for image in images if not docker("images", "--quiet", image)]
    return f"{missing[0]} is not on this machine" if missing else ""


def image_of(service: str) -> str:
    text = (docker_cli.FOLDER / "compose.yaml").read_text()
    lines = text[text.index(f"\n  {service}:\n") :].splitlines()
    return next(line.split()[1] for line in lines if line.strip().startswith("image:"))


#: Asks each process of a container who it is; one that has ended meanwhile is left out.
WHO = "cat /proc/[0-9]*/status 2> /dev/null | grep -E '^(Name|Uid|Cap(Prm|Eff|Bnd)|NoNewPrivs):'"


#: The engine's own process on its way into the container, before it becomes a health check.
ENTERING = "runc:"


def privileges(said: str) -> list[str]:
    """What processes may do more than they should, of the answer to ``WHO``."""
    faults, name, seen = [], "", 0
    for line in said.splitlines():
        key, value = line.split(":", 1)
        if key == "Name":
            name = value.strip()
            seen += not name.startswith(ENTERING)
        elif name.startswith(ENTERING):
            continue
        elif key == "Uid" and "0" in value.split():
            faults.append(f"{name} is root")
        elif key.startswith("Cap") and int(value, 16):
            faults.append(f"{name} has {key} {value.strip()}")
        elif key == "NoNewPrivs" and value.strip() != "1":
            faults.append(f"{name} may gain privileges")
    return faults if seen else ["no process was seen"]


class Room:
    """A checkout in ``folder``, with servers in containers."""

    def __init__(self, folder: Path, first_port: int) -> None:
        self.folder, self.home = folder, folder / ".workshop"
        for name in KEPT:
            ignore = shutil.ignore_patterns("node_modules", "__pycache__", ".env", "test")
            shutil.copytree(PROJECT / name, folder / name, ignore=ignore)
        for name in FILES:
            shutil.copy(PROJECT / name, folder / name)
        taken: set[int] = set()
        self.ports = {}
        for name in compose.PORTS:
            self.ports[name] = process.free_port(first_port, taken)
            taken.add(self.ports[name])
        self.without = [
            name for name in docker_cli.OPTIONAL if not docker("images", "--quiet", image_of(name))
        ]
        kept = {n: v for n, v in os.environ.items() if not n.startswith("WORKSHOP_")}
        self.environment = {
            **kept,
            "PYTHONPATH": str(folder),
            **{name: str(port) for name, port in self.ports.items()},
            "WORKSHOP_HOME": str(self.home),
            "WORKSHOP_TIMEZONE": "Asia/Seoul",
        }

    def workshop(self, *words: str, fails: bool = False) -> str:
        """A command of this checkout; what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "workshop_lib.cli", *words],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        said = done.stdout + done.stderr
        assert (done.returncode != 0) is fails, f"workshop {' '.join(words)}: {said[-3000:]}"
        return done.stdout if not fails else said

    def up(self, stage: int) -> list[dict[str, Any]]:
        left_out = (word for name in self.without for word in ("--without", name))
        said = self.workshop("up", "--docker", "--stage", str(stage), *left_out, "--json")
        services: list[dict[str, Any]] = json.loads(said)
        return services

    @property
    def env(self) -> dict[str, str]:
        lines = (self.folder / "docker" / ".env").read_text().splitlines()
        pairs = (line.split("=", 1) for line in lines if "=" in line and line[:1] != "#")
        return {name: value.strip("'") for name, value in pairs}

    def containers(self) -> dict[str, str]:
        """Service → id of its container, running or not."""
        form = '{{.Label "com.docker.compose.service"}} {{.ID}}'
        project = f"label=com.docker.compose.project={self.env['WORKSHOP_PROJECT']}"
        lines = docker("ps", "--all", "--filter", project, "--format", form).splitlines()
        return dict(line.split() for line in lines)

    def run(self, service: str, *words: str, check: bool = True) -> str:
        """A program inside the container of ``service``; what it prints."""
        return docker("exec", self.containers()[service], *words, check=check)

    def state(self, service: str) -> dict[str, Any]:
        state: dict[str, Any] = json.loads(
            docker("inspect", "--format", "{{json .State}}", self.containers()[service])
        )
        return state

    def kill(self, service: str) -> None:
        """As a fault would: its first process is gone, and Docker starts it again by itself.

        From inside a container its first process cannot be killed, and ``docker kill`` would
        count as a wish that it stays away. Only root of the engine's machine can do it so.
        """
        before = self.state(service)
        os.kill(before["Pid"], signal.SIGKILL)

        def again() -> bool:
            state = self.state(service)
            healthy = state.get("Health", {}).get("Status") == "healthy"
            return bool(healthy and state["StartedAt"] != before["StartedAt"])

        wait_until(again, CONTAINERS_SECONDS, f"{service} to be well again", every=1)


ROOT_HERE = sys.platform == "linux" and os.geteuid() == 0
