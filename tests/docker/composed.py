"""docker/compose.yaml as Compose understands it: variables put in, profiles chosen, ports long.

Stands in for ``docker compose config``, for tests where no Compose is installed; where one is,
a test compares the two.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import yaml

from workshop_lib.settings import PROJECT

FILE = PROJECT / "docker" / "compose.yaml"
VARIABLE = re.compile(r"\$\$|\$\{(\w+)(?::([-?])([^}]*))?\}")
UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30}


def interpolate(value: Any, variables: dict[str, str]) -> Any:
    """``value`` with its variables put in; one that must be given and is not is an error."""
    if isinstance(value, dict):
        return {name: interpolate(inner, variables) for name, inner in value.items()}
    if isinstance(value, list):
        return [interpolate(inner, variables) for inner in value]
    if not isinstance(value, str):
        return value

    def put(match: re.Match[str]) -> str:
        name, kind, text = match.groups()
        if name is None:
            return "$"
        if variables.get(name):
            return variables[name]
        if kind == "?":
            raise KeyError(f"{name}: {text}")
        return text or ""

    return VARIABLE.sub(put, value)


def services(profiles: Iterable[str], variables: dict[str, str]) -> dict[str, dict[str, Any]]:
    """The services of ``profiles`` (``*``: all), with ports and memory as Compose writes them."""
    profiles = set(profiles)
    found = interpolate(yaml.safe_load(FILE.read_text()), variables)["services"]
    chosen = {
        name: dict(service)
        for name, service in found.items()
        if "*" in profiles or profiles & set(service["profiles"])
    }
    for service in chosen.values():
        service["ports"] = [port(text) for text in service.get("ports", ())]
        number, unit = re.fullmatch(r"(\d+)([kmg]?)", service["mem_limit"]).groups()  # type: ignore[union-attr]
        service["mem_limit"] = str(int(number) * UNITS[unit])
    return chosen


def port(text: str) -> dict[str, Any]:
    host, published, target = text.rsplit(":", 2)
    return {"host_ip": host, "published": published, "target": int(target), "protocol": "tcp"}
