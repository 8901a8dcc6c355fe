"""What must be true of a machine before the Docker stack runs on it, and what to do if not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime import process
from workshop_lib.settings import Settings
from workshop_lib.stack import docker_cli
from workshop_lib.stack.status import Finding

GIB: Final = 2**30
#: Elasticsearch maps its files into memory. A single node does not enforce it: some rooms have
#: no administrator, so fewer maps are said and not refused.
MAPS_NEEDED: Final = 262_144
MAPS: Final = Path("/proc/sys/vm/max_map_count")
#: The first with `up --wait-timeout` and conditions that may be missing.
COMPOSE: Final = (2, 20)
#: Of the sum of all limits, what is really held at a time.
SHARE: Final = 0.75


def examine(
    settings: Settings, profiles: Sequence[str] = docker_cli.STAGES[0]
) -> Iterator[Finding]:
    """Findings in the order in which one depends on another; ends where asking makes no sense."""
    try:
        info = docker_cli.ask("docker", "info", "--format", "{{json .}}")
        version = docker_cli.ask("docker", "compose", "version", "--short")
    except WorkshopError:
        yield docker_cli.NO_DOCKER
        return
    machine: dict[str, Any] = json.loads(info.stdout or "{}") if info.returncode == 0 else {}
    if not machine.get("ServerVersion"):
        # With a client only, `docker info` may end with 0 and say why in its answer.
        yield docker_cli.diagnose(info.stderr + " ".join(machine.get("ServerErrors") or ()))
        return
    yield Finding("Docker", f"{machine['ServerVersion']}, {machine['OperatingSystem']}", True)
    if version.returncode:
        yield docker_cli.diagnose(version.stderr)
        return
    yield _compose(version.stdout.strip())
    yield _maps(machine)
    if not docker_cli.env_file().exists():
        yield Finding("settings", "docker/.env is made by the first `workshop up --docker`", True)
        return
    wanted = docker_cli.services(profiles)
    yield _memory(machine, wanted)
    yield _ports(wanted)


def refuse(settings: Settings, profiles: Sequence[str]) -> None:
    """Raise ``WorkshopError`` for the first finding that is not ok."""
    for finding in examine(settings, profiles):
        if not finding.ok:
            raise WorkshopError(finding.found + ".", finding.todo)


def _compose(version: str) -> Finding:
    numbers = tuple(int(part) for part in version.lstrip("v").split(".")[:2] if part.isdigit())
    needed = ".".join(map(str, COMPOSE))
    return Finding(
        "Docker Compose",
        f"Docker Compose is {version}",
        numbers >= COMPOSE,
        f"{needed} or newer is needed: update Docker, or its package docker-compose-plugin.",
    )


def _maps(machine: dict[str, Any]) -> Finding:
    # In Docker Desktop the containers run in a machine of its own, which is set right.
    if "Desktop" in machine["OperatingSystem"] or not MAPS.exists():
        return Finding("memory maps", "set by Docker Desktop", True)
    found = int(MAPS.read_text())
    return Finding(
        "memory maps",
        f"vm.max_map_count is {found:,}"
        + ("" if found >= MAPS_NEEDED else f", which is little: {MAPS_NEEDED:,} is recommended"),
        True,
        f"`sudo sysctl -w vm.max_map_count={MAPS_NEEDED}`; to keep it, write the same into"
        " /etc/sysctl.d/99-elasticsearch.conf.",
    )


def _memory(machine: dict[str, Any], wanted: dict[str, dict[str, Any]]) -> Finding:
    needed = int(SHARE * sum(int(service["mem_limit"]) for service in wanted.values()))
    return Finding(
        "memory",
        f"Docker has {machine['MemTotal'] / GIB:.1f} GiB of memory, and {len(wanted)} containers"
        f" want {needed / GIB:.1f}",
        machine["MemTotal"] >= needed,
        "Give Docker more (Docker Desktop: Settings, Resources), or start what one stage needs:"
        " `workshop up --docker --stage 2`.",
    )


def _ports(wanted: dict[str, dict[str, Any]]) -> Finding:
    # Also one that ends and is started again: at times its port is published, at times not.
    ours = {container["Service"] for container in docker_cli.containers()}
    taken = [
        f"{port['published']} ({name})"
        for name, service in wanted.items()
        for port in service.get("ports", ())
        if name not in ours and process.answers(int(port["published"]))
    ]
    return Finding(
        "ports",
        f"Taken by another program: port {', '.join(taken)}" if taken else "Free or ours",
        not taken,
        "Stop that program (`workshop down`, if it is the embedded stack), or choose another"
        " port: WORKSHOP_<KAFKA, ELASTICSEARCH, REDIS, JUPYTER, SPARK, KIBANA, WEB, SMS>_PORT.",
    )
