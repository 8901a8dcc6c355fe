"""One line of a scorecard."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Check:
    """What was looked at, what the ledger says, what the servers hold."""

    name: str
    expected: Any
    actual: Any
    ok: bool


@dataclass(frozen=True)
class Stage:
    """The score of one stage: its number and story name, and its checks."""

    stage: int
    name: str
    checks: list[Check]

    @property
    def ok(self) -> bool:
        """A stage without a check has shown nothing, so it is not ok."""
        return bool(self.checks) and all(check.ok for check in self.checks)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def equal(name: str, expected: Any, actual: Any) -> Check:
    return Check(name, expected, actual, expected == actual)


def same_counts(name: str, expected: dict[Any, int], actual: dict[Any, int]) -> Check:
    """Both tables of counts alike; the check shows their totals and the first differences."""
    differences = {
        str(key): {"expected": expected.get(key, 0), "actual": actual.get(key, 0)}
        for key in sorted(expected.keys() | actual.keys(), key=str)
        if expected.get(key, 0) != actual.get(key, 0)
    }
    summary = f"{sum(expected.values()):,} in {len(expected)} groups"
    if not differences:
        return Check(name, summary, summary, True)
    return Check(name, summary, dict(list(differences.items())[:5]), False)


def same_ids(name: str, expected: set[Any], actual: set[Any]) -> Check:
    """Both sets alike; the check counts what is missing and what was invented."""
    missing, invented = len(expected - actual), len(actual - expected)
    return Check(
        name,
        {"found": len(expected), "missed": 0, "invented": 0},
        {"found": len(expected & actual), "missed": missing, "invented": invented},
        not missing and not invented,
    )
