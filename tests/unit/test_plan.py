"""The plan of a run on several workers: what belongs together stays together, all is run once."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

import plan
import pytest

from workshop_lib.settings import PROJECT


@pytest.mark.parametrize("unit", plan.UNITS, ids=lambda unit: unit.name)
def test_the_files_of_a_unit_are_there(unit: plan.Unit) -> None:
    for pattern in unit.files:
        assert list(PROJECT.glob(pattern)), pattern


def test_a_file_belongs_to_one_unit_at_most() -> None:
    files = [file for unit in plan.UNITS for each in unit.files for file in PROJECT.glob(each)]
    assert [file for file, times in Counter(files).items() if times > 1] == []


class Worker:
    """What the scheduler asks of a worker of xdist."""

    def __init__(self, name: str) -> None:
        self.gateway = SimpleNamespace(id=name)
        self.shutting_down = False
        self.given: list[int] = []

    def send_runtest_some(self, indices: list[int]) -> None:
        self.given += indices

    def shutdown(self) -> None:
        self.shutting_down = True


def test_long_units_and_waiting_ones_start_first_and_every_test_is_run_once() -> None:
    tests = [
        *(f"tests/unit/test_message.py::test_{n}" for n in range(4)),
        "tests/unit/test_cli.py::test_1",
        *(f"tests/notebooks/test_notebooks.py::test_{n}" for n in range(3)),
        *("tests/integration/test_stream.py::test_1", "tests/integration/test_targets.py::test_1"),
        "tests/integration/test_shipping.py::test_1",
    ]
    items = [SimpleNamespace(nodeid=nodeid) for nodeid in tests]
    plan.longest_first(items)
    names = [item.nodeid for item in items]
    option: Any = SimpleNamespace(loadscopereorder=False, debug=False)
    config: Any = SimpleNamespace(
        option=option, getvalue=lambda name: ["popen"] * 2, hook=None, rootpath=PROJECT
    )
    schedule = plan.LongestFirst(config)
    workers = [Worker("gw0"), Worker("gw1")]
    for worker in workers:
        schedule.add_node(worker)  # type: ignore[arg-type]
        schedule.add_node_collection(worker, names)  # type: ignore[arg-type]
    schedule.schedule()
    ran: list[tuple[str, str]] = []
    while any(worker.given for worker in workers):
        for worker in workers:
            if worker.given and (len(worker.given) > 1 or worker.shutting_down):
                index = worker.given.pop(0)
                ran.append((worker.gateway.id, names[index]))
                schedule.mark_test_complete(worker, index)  # type: ignore[arg-type]
            elif worker.given:
                pytest.fail("a worker waits for its next test")
    assert sorted(name for _, name in ran) == sorted(tests)
    first = {worker: next(plan.unit_of(n) for w, n in ran if w == worker) for worker, _ in ran}
    assert first == {"gw0": "walk", "gw1": "tests/integration/test_shipping.py"}
    for unit in map(plan.unit_of, tests):
        assert len({worker for worker, name in ran if plan.unit_of(name) == unit}) == 1, unit
