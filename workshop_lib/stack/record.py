"""What ``up`` leaves for all other commands: which stack runs, where, and by which keys.

``stack.json`` holds the addresses; ``secrets.json``, for its owner only, what is not to be
seen. ``Settings`` reads both. Other commands read them at any moment: whole or not at all.
"""

from __future__ import annotations

from typing import Any

from workshop_lib.runtime.state_file import save, write
from workshop_lib.settings import Settings


def remember(
    settings: Settings,
    stack: str,
    addresses: dict[str, str],
    secrets: dict[str, Any] | None = None,
    identity: str = "",
) -> None:
    """Record that ``stack`` is up; the secrets first, so that no reader lacks them."""
    path = settings.home / "secrets.json"
    if secrets:
        save(path, secrets, 0o600, indent=2)
    else:
        path.unlink(missing_ok=True)
    save(
        settings.home / "stack.json",
        {"stack": stack, "identity": identity, "addresses": addresses},
        indent=2,
    )


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
