"""Every notebook runs from its first cell to its last on the real servers.

Each is executed by nbval in a process of its own, in order, with one home and one namespace
for the walk as a learner has. A failing one does not hide the others. Outputs are stripped,
but for the cells tagged ``nbval-check-output``: what those print is the same each time, and
is compared.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from workshop_lib.lessons.strip import COMPARED, stripped
from workshop_lib.settings import PROJECT, Settings

NOTEBOOKS = sorted((PROJECT / "notebooks").glob("*.ipynb"))


def execute(notebook: Path, settings: Settings) -> subprocess.CompletedProcess[str]:
    """The notebook by nbval; what follows a failed cell of it is skipped."""
    environment = os.environ | {
        "WORKSHOP_HOME": str(settings.home),
        "WORKSHOP_NAMESPACE": "walk-",
    }
    return subprocess.run(
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


def read(notebook: Path) -> Any:
    return nbformat.read(notebook, as_version=4)  # type: ignore[no-untyped-call]


def test_there_are_ten_notebooks() -> None:
    assert [path.name[:2] for path in NOTEBOOKS] == [f"{n:02}" for n in range(10)]


@pytest.mark.stack
@pytest.mark.timeout(300)
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_from_the_first_cell_to_the_last(notebook: Path, running_stack: Settings) -> None:
    done = execute(notebook, running_stack)
    assert done.returncode == 0, done.stdout[-4000:]


@pytest.mark.stack
def test_another_output_than_the_committed_one_is_noticed(
    tmp_path: Path, running_stack: Settings
) -> None:
    spoiled = tmp_path / "spoiled.ipynb"
    cells = [
        nbformat.v4.new_code_cell(
            "print(6 * 7)",
            metadata={"tags": [COMPARED]},
            outputs=[nbformat.v4.new_output("stream", name="stdout", text=text)],
            execution_count=1,
        )
        for text in ("42\n", "43\n")
    ]
    kernel = read(NOTEBOOKS[0]).metadata
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), spoiled)
    done = execute(spoiled, running_stack)
    assert "1 failed, 1 passed" in done.stdout, done.stdout[-4000:]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_committed_with_the_outputs_that_are_compared_and_no_others(notebook: Path) -> None:
    committed = read(notebook)
    assert committed == stripped(read(notebook)), "run `make strip`"
    compared = [c for c in committed.cells if COMPARED in c.metadata.get("tags", [])]
    assert compared and all(cell.outputs for cell in compared)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_its_cells_have_ids_of_their_own(notebook: Path) -> None:
    cells = read(notebook).cells
    assert len({cell.id for cell in cells}) == len(cells)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_says_its_minutes_where_one_is_and_what_to_keep(notebook: Path) -> None:
    text = "".join(c.source for c in read(notebook).cells)
    for promised in (" minutes.**", "You are here", "## Key points", "Predict"):
        assert promised in text
