"""Every solution runs from its first cell to its last, and each of its checks passes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from workshop_lib.lessons.exercises import check
from workshop_lib.lessons.exercises.generate import SOLUTIONS
from workshop_lib.runtime.child import environment
from workshop_lib.settings import PROJECT, Settings

NAMES = ("stage1", "stage2", "stage3", "stage4", "lab")


@pytest.mark.stack
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", NAMES)
def test_the_solutions_pass_their_checks(name: str, begun: Settings) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "--nbval-lax", "-q", "-x"),
            *(str(SOLUTIONS / f"{name}.ipynb"), "-p", "no:cacheprovider"),
            *("--nbval-cell-timeout=200", "-o", "addopts="),
        ],
        env=os.environ | environment(begun) | {"WORKSHOP_STRICT_CHECKS": "1"},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    outcomes = getattr(check, name).live(begun)
    assert len(outcomes) >= 3
    assert {result.exercise for result in outcomes if not result.passed} == set()


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_checks_each_exercise_once_and_is_committed_without_outputs(name: str) -> None:
    for folder in (SOLUTIONS, Path(PROJECT / "exercises")):
        cells = nbformat.read(folder / f"{name}.ipynb", as_version=4).cells  # type: ignore[no-untyped-call]
        code = [cell for cell in cells if cell.cell_type == "code"]
        assert all(not cell.outputs and cell.execution_count is None for cell in code)
        assert len({cell.id for cell in cells}) == len(cells)
        for number in getattr(check, name).exercises:
            called = [c for c in code if f'check.{name}("{number}"' in c.source]
            titled = [c for c in code if c.source.startswith(f"# Exercise {number}: ")]
            assert len(called) == len(titled) == 1
            assert getattr(check, name).exercises[number].title in titled[0].source
