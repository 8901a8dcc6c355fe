"""How a server is, and what was found about a machine, in the words of every stack."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class ServiceStatus:
    """How one server is: ``problem`` is empty when it is well; memory in bytes."""

    name: str
    version: str
    port: int | None
    pid: int | None
    memory: int
    problem: str
    host: str = "127.0.0.1"

    @property
    def ok(self) -> bool:
        return not self.problem

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "ok": self.ok}


@dataclass(frozen=True)
class Finding:
    """One thing looked at: what was found, whether it will do, and what to do if not."""

    name: str
    found: str
    ok: bool
    todo: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)
