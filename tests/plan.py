"""Four tests at a time: which tests stay together, and which come first.

In: the collected tests. Out: units of work for the workers of ``pytest -n``. The tests of a
unit share what is costly to make (a demo's servers, a home in which Stage 4 can begin, a
browser) and run one after the other in one worker. A unit is one file unless ``UNITS`` says
otherwise. The longest units start first, so that the workers end at about the same time.

No test may need what a test of another unit leaves behind.
"""

from __future__ import annotations

from fnmatch import fnmatch
from functools import cache
from typing import Any, Final, NamedTuple

from xdist.scheduler import LoadScopeScheduling


class Unit(NamedTuple):
    """``seconds``: about what it takes alone on two cores. ``waits``: most of that is waiting."""

    name: str
    seconds: int
    files: tuple[str, ...]
    waits: bool = False


def _file(seconds: int, file: str, waits: bool = False) -> Unit:
    return Unit(f"tests/{file}", seconds, (f"tests/{file}",), waits)


#: The costly ones. Seconds are kept by hand from a report of ``pytest --junitxml``; a number
#: that is wrong costs time, no more.
UNITS: Final = (
    Unit("walk", 340, ("tests/notebooks/test_notebooks.py",)),
    Unit(
        "begun",  # one home in which Stage 4 can begin
        240,
        (
            "tests/notebooks/test_begin.py",
            "tests/notebooks/test_capstone.py",
            "tests/notebooks/test_exercises.py",
            "tests/notebooks/test_lab_mistakes.py",
            "tests/notebooks/test_solutions.py",
            "tests/integration/test_targets_killed.py",
        ),
    ),
    Unit(
        "streams",  # one Spark session
        320,
        (
            "tests/integration/test_backlog.py",
            "tests/integration/test_imported.py",
            "tests/integration/test_kafka_users.py",
            "tests/integration/test_live_view.py",
            "tests/integration/test_score_independent.py",
            "tests/integration/test_store_trouble.py",
            "tests/integration/test_stream.py",
            "tests/integration/test_stream_process.py",
            "tests/integration/test_targets.py",
            "tests/integration/test_train.py",
            "tests/docker/test_kibana_panels.py",
            "tests/unit/test_marketing_features.py",
            "tests/unit/test_marketing_libsvm.py",
            "tests/unit/test_marketing_train.py",
            "tests/unit/test_stream_*.py",
        ),
    ),
    _file(150, "integration/test_demo.py"),
    _file(130, "integration/test_chaos_short.py", waits=True),
    _file(240, "docker/test_in_containers.py", waits=True),
    Unit("page", 65, ("tests/web/test_page_*.py",), waits=True),
    _file(46, "integration/test_shipping.py", waits=True),
    _file(39, "integration/test_standalone_master.py"),
    _file(45, "integration/test_forget.py", waits=True),
    _file(26, "integration/test_sms_server.py", waits=True),
    _file(25, "unit/test_public_files.py"),
    _file(20, "unit/test_replay_killed.py", waits=True),
    _file(24, "unit/test_lessons_make.py", waits=True),
    _file(21, "integration/test_stack.py", waits=True),
    _file(17, "integration/test_lab.py", waits=True),
    _file(16, "integration/test_own_servers.py", waits=True),
    _file(16, "unit/test_cli.py", waits=True),
    _file(15, "integration/test_class_archive.py"),
    _file(12, "unit/test_machines.py"),
    _file(12, "docker/test_external.py", waits=True),
    _file(13, "integration/test_ordinary_user.py", waits=True),
    _file(11, "docker/test_demo_docker.py"),
    _file(10, "docker/test_access.py", waits=True),
)

WAITING: Final = frozenset(unit.name for unit in UNITS if unit.waits)


def unit_of(nodeid: str) -> str:
    """The name of the unit that a test belongs to."""
    return _unit_of_file(nodeid.split("::")[0])


@cache
def _unit_of_file(file: str) -> str:
    for unit in UNITS:
        if any(fnmatch(file, pattern) for pattern in unit.files):
            return unit.name
    return file


def seconds_of(unit: str) -> int:
    """What a unit is expected to take; 1 for those that ``UNITS`` does not list."""
    return next((listed.seconds for listed in UNITS if listed.name == unit), 1)


class LongestFirst(LoadScopeScheduling):
    """Hands units to workers, the longest first.

    The last worker begins with units that mostly wait, beside others that compute.
    A worker asks for its next unit when it begins the last test of the one before: pytest
    must know the next test to end what the last one used.
    """

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)

    def _assign_work_unit(self, node: Any) -> None:
        waiting = [name for name in self.workqueue if name in WAITING]
        if waiting and node.gateway.id == f"gw{self.numnodes - 1}":
            self.workqueue.move_to_end(waiting[0], last=False)
        super()._assign_work_unit(node)

    def _reschedule(self, node: Any) -> None:
        if self.workqueue and self._pending_of(self.assigned_work[node]) > 1:
            return
        super()._reschedule(node)


def longest_first(items: list[Any]) -> None:
    """Sort collected tests into units, the longest first; within a unit as they were."""
    first: dict[str, int] = {}
    for item in items:
        first.setdefault(unit_of(item.nodeid), len(first))

    def place(item: Any) -> tuple[int, int]:
        unit = unit_of(item.nodeid)
        return -seconds_of(unit), first[unit]

    items.sort(key=place)
