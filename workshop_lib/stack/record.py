"""What ``up`` leaves for all other commands: which stack runs, where, and by which keys.

``stack.json`` holds the addresses; ``secrets.json``, for its owner only, what is not to be
seen. ``Settings`` reads both. Other commands read them at any moment: whole or not at all.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from workshop_lib.settings import Settings


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Replace ``path`` by ``text`` in one step; nobody outside of ``mode`` ever sees it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)
    partial.replace(path)


def write_json(path: Path, content: dict[str, Any], mode: int = 0o644) -> None:
    write(path, json.dumps(content, indent=2) + "\n", mode)


def remember(
    settings: Settings, stack: str, addresses: dict[str, str], secrets: dict[str, str] | None = None
) -> None:
    """Record that ``stack`` is up; the secrets first, so that nobody meets addresses alone."""
    path = settings.home / "secrets.json"
    if secrets:
        write_json(path, secrets, 0o600)
    else:
        path.unlink(missing_ok=True)
    write_json(settings.home / "stack.json", {"stack": stack, "addresses": addresses})


def changed(settings: Settings) -> bool:
    """Whether the last ``up`` here was of another stack, whose servers hold other data."""
    path = settings.home / "last-stack"
    before = path.read_text().strip() if path.exists() else settings.stack
    write(path, settings.stack + "\n")
    return before != settings.stack


def forget(settings: Settings) -> None:
    """Record that nothing is up any more."""
    for name in ("stack.json", "secrets.json"):
        (settings.home / name).unlink(missing_ok=True)
