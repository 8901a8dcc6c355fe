"""Every notebook runs from its first cell to its last on the real servers.

Each is executed by nbval in a process of its own, in order, with one home and one namespace
for the walk as a learner has. A failing one does not hide the others.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from workshop_lib.settings import PROJECT, Settings

NOTEBOOKS = sorted((PROJECT / "notebooks").glob("*.ipynb"))


def test_there_are_notebooks() -> None:
    assert [path.name[:2] for path in NOTEBOOKS][:2] == ["00", "01"]


@pytest.mark.stack
@pytest.mark.timeout(240)
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_from_the_first_cell_to_the_last(notebook: Path, running_stack: Settings) -> None:
    environment = os.environ | {
        "WORKSHOP_HOME": str(running_stack.home),
        "WORKSHOP_NAMESPACE": "walk-",
    }
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "--nbval-lax", "-q", "-x", str(notebook)),
            *("-p", "no:cacheprovider", "--nbval-cell-timeout=120", "-o", "addopts="),
        ],
        env=environment,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_committed_without_outputs_and_with_fixed_ids(notebook: Path) -> None:
    cells = nbformat.read(notebook, as_version=4).cells  # type: ignore[no-untyped-call]
    for cell in cells:
        if cell.cell_type == "code":
            assert not cell.outputs and cell.execution_count is None
    assert len({cell.id for cell in cells}) == len(cells)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_says_its_minutes_where_one_is_and_what_to_keep(notebook: Path) -> None:
    text = "".join(c.source for c in nbformat.read(notebook, as_version=4).cells)
    for promised in (" minutes.**", "You are here", "## Key points", "Predict"):
        assert promised in text
