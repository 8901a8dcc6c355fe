"""The servers of the workshop: started, watched and stopped.

``up`` starts what is not running, ``down`` stops all of it, ``status`` says how each is. Which
servers these are is in the settings: local processes, Docker's, or those of somebody else.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from workshop_lib.settings import Settings
from workshop_lib.stack.status import ServiceStatus

__all__ = ["ServiceStatus", "down", "remove", "resident", "status", "up"]

#: ``Settings.stack`` → its module; each has the five functions below.
STACKS = {
    "embedded": "workshop_lib.stack.embedded",
    "docker": "workshop_lib.stack.compose",
    "external": "workshop_lib.stack.external",
}


def _of(settings: Settings) -> Any:
    return import_module(STACKS[settings.stack])


def up(settings: Settings, *arguments: Any, **options: Any) -> list[ServiceStatus]:
    """Start every server that is not running and wait until all are well."""
    services: list[ServiceStatus] = _of(settings).up(settings, *arguments, **options)
    return services


def down(settings: Settings) -> list[str]:
    """Stop every server; the names of those that ran. Data stays."""
    stopped: list[str] = _of(settings).down(settings)
    return stopped


def remove(settings: Settings) -> None:
    """Stop the servers and remove their data."""
    _of(settings).remove(settings)


def status(settings: Settings) -> list[ServiceStatus]:
    """How each server is right now, whether it was ever started or not."""
    services: list[ServiceStatus] = _of(settings).status(settings)
    return services


def resident(settings: Settings) -> int:
    """Bytes that all servers hold in memory of this machine's right now."""
    held: int = _of(settings).resident(settings)
    return held
