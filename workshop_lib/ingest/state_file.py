"""Small JSON files that remember how far a step has come, replaced as a whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from workshop_lib.errors import WorkshopError


def save(path: Path, value: dict[str, Any]) -> None:
    """Replace ``path`` by ``value``; whoever reads meanwhile sees the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".new")
    with draft.open("w", encoding="utf-8") as file:
        json.dump(value, file)
        file.flush()
        os.fsync(file.fileno())  # or a power cut could leave a renamed but empty file
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
