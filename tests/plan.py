"""Two tests at a time: which tests stay together, and which come first.

In: the collected tests. Out: units of work for the workers of ``pytest -n``. The tests of a
unit share what is costly to make (a demo's servers, a home in which Stage 4 can begin, a
browser) and run one after the other in one worker. A unit is one file unless ``UNITS`` says
otherwise. The longest units start first, so that the workers end at about the same time.

No test may need what a test of another unit leaves behind.
"""

from __future__ import annotations

from fnmatch import fnmatch
from typing import Any, Final, NamedTuple

from xdist.scheduler import LoadScopeScheduling


class Unit(NamedTuple):
    name: str
    seconds: int
    files: tuple[str, ...]


#: The costly ones, with about the seconds that each takes alone on two cores. Kept by hand
#: from ``make test``'s report of the slowest units; a number that is wrong costs time, no more.
UNITS: Final = (
    Unit("walk", 330, ("tests/notebooks/test_notebooks.py",)),
    Unit(
        "begun",
        300,
        (
            "tests/notebooks/test_begin.py",
            "tests/notebooks/test_exercises.py",
            "tests/notebooks/test_lab_mistakes.py",
            "tests/notebooks/test_solutions.py",
        ),
    ),
    Unit("page", 120, ("tests/web/*",)),
)


def unit_of(nodeid: str) -> str:
    """The name of the unit that a test belongs to."""
    file = nodeid.split("::")[0]
    for unit in UNITS:
        if any(fnmatch(file, pattern) for pattern in unit.files):
            return unit.name
    return file


def seconds_of(unit: str) -> int:
    """What a unit is expected to take; 1 for those that ``UNITS`` does not list."""
    return next((listed.seconds for listed in UNITS if listed.name == unit), 1)


class LongestFirst(LoadScopeScheduling):
    """Hands units to workers, the longest first.

    A worker asks for its next unit when it begins the last test of the one before: pytest
    must know the next test to end what the last one used.
    """

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)

    def _reschedule(self, node: Any) -> None:
        if self.workqueue and self._pending_of(self.assigned_work[node]) > 1:
            return
        super()._reschedule(node)


def longest_first(items: list[Any]) -> None:
    """Sort collected tests into units, the longest first; within a unit as they were."""
    names = {item: unit_of(item.nodeid) for item in items}
    first = {name: n for n, name in reversed(list(enumerate(names.values())))}
    items.sort(key=lambda item: (-seconds_of(names[item]), first[names[item]]))
