"""Small JSON files that remember how far a step has come, replaced as a whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from workshop_lib.errors import WorkshopError


def save(path: Path, value: dict[str, Any]) -> None:
    """Replace ``path`` by ``value``; whoever reads meanwhile sees the old one or the new one.

    It survives the death of the process, not of the machine: waiting for the disk several
    times a second would hold up everything, and the log itself is not waited for either.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".new")
    draft.write_text(json.dumps(value), encoding="utf-8")
    draft.replace(path)


def load(path: Path) -> dict[str, Any] | None:
    """What was saved last; None when nothing was. Raises ``WorkshopError`` when unreadable."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise WorkshopError(
            f"{path} is damaged ({error}).", "Run `workshop reset` to start over from its begin."
        ) from None
    if not isinstance(value, dict):
        raise WorkshopError(f"{path} holds no state.", "Run `workshop reset` to start over.")
    return value
