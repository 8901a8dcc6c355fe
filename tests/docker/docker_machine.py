"""A machine with the fake Docker: what that answers, and what it was told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from workshop_lib.stack import docker_cli

GIB = 2**30
WELL: dict[str, Any] = {
    "info": {
        "out": json.dumps(
            {"ServerVersion": "28.2.2", "OperatingSystem": "Debian", "MemTotal": 16 * GIB}
        )
    },
    "version": {"out": "2.36.2\n"},
    "ps": {},
}


class Docker:
    """The fake: what it was told, and its case to be changed."""

    def __init__(self, folder: Path) -> None:
        self.case, self.log = folder / "case.json", folder / "calls.jsonl"
        self.says(**WELL)

    def says(self, **answers: dict[str, Any]) -> None:
        known = json.loads(self.case.read_text()) if self.case.exists() else {}
        self.case.write_text(json.dumps(known | answers))

    @property
    def calls(self) -> list[list[str]]:
        """Every call, without the words that all calls to Compose begin with."""
        if not self.log.exists():
            return []
        common = docker_cli.words(())[1:]
        calls = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [c[len(common) :] if c[: len(common)] == common else c for c in calls]
