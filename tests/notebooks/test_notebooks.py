"""Every notebook runs from its first cell to its last on the real servers.

Each is executed by nbval in a process of its own, in order, with one home, one namespace and
servers for the walk as a learner has: the last notebook kills one of them. A failing one does
not hide the others. Notebooks are committed without outputs, which would answer their
questions. What cells tagged ``nbval-check-output`` print is the same each time; it is kept
beside this file, in ``outputs/``, and compared.

With WORKSHOP_RECORD_OUTPUTS=1 it is rewritten from a run of each notebook.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from workshop_lib.settings import PROJECT, Settings

NOTEBOOKS = sorted((PROJECT / "notebooks").glob("*.ipynb"))
OUTPUTS = Path(__file__).with_name("outputs")
#: nbval's own tag: the output of this cell is compared even in lax mode.
COMPARED = "nbval-check-output"


def run(words: list[str], settings: Settings) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "WORKSHOP_HOME": str(settings.home),
        "WORKSHOP_NAMESPACE": "walk-",
    }
    return subprocess.run(
        [sys.executable, "-m", *words],
        env=environment,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )


def execute(notebook: Path, settings: Settings) -> subprocess.CompletedProcess[str]:
    """The notebook by nbval; what follows a failed cell of it is skipped."""
    options = ("-p", "no:cacheprovider", "--nbval-cell-timeout=240", "-o", "addopts=")
    return run(["pytest", "--nbval-lax", "-q", "-x", str(notebook), *options], settings)


def record(notebook: Path, folder: Path, settings: Settings) -> None:
    """Write what the compared cells of ``notebook`` print to ``outputs/``."""
    done = run(
        ["nbconvert", "--execute", "--to", "notebook", "--output-dir", str(folder), str(notebook)],
        settings,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    printed = {
        cell.id: "".join(output.text for output in cell.outputs)
        for cell in compared(read(folder / notebook.name))
    }
    text = json.dumps(printed, indent=1, ensure_ascii=False)
    (OUTPUTS / f"{notebook.stem}.json").write_text(text + "\n", encoding="utf-8")


def read(notebook: Path) -> Any:
    return nbformat.read(notebook, as_version=4)  # type: ignore[no-untyped-call]


def compared(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if COMPARED in cell.metadata.get("tags", [])]


def expected(notebook: Path) -> dict[str, str]:
    """Cell id → what it prints."""
    printed: dict[str, str] = json.loads((OUTPUTS / f"{notebook.stem}.json").read_text())
    return printed


def with_outputs(notebook: Path, folder: Path) -> Path:
    """A copy in which the compared cells have the outputs that they must have."""
    printed, copy = expected(notebook), read(notebook)
    for cell in compared(copy):
        cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=printed[cell.id])]
        cell.execution_count = 1  # nbval takes a cell without a count for one that never ran
    nbformat.write(copy, folder / notebook.name)
    return folder / notebook.name


def test_there_are_ten_notebooks() -> None:
    assert [path.name[:2] for path in NOTEBOOKS] == [f"{n:02}" for n in range(10)]


@pytest.mark.stack
@pytest.mark.timeout(600)
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_from_the_first_cell_to_the_last(
    notebook: Path, walk: Settings, tmp_path: Path
) -> None:
    if os.environ.get("WORKSHOP_RECORD_OUTPUTS"):
        record(notebook, tmp_path, walk)
        return
    done = execute(with_outputs(notebook, tmp_path), walk)
    assert done.returncode == 0, done.stdout[-4000:]


@pytest.mark.stack
def test_another_output_than_the_expected_one_is_noticed(tmp_path: Path, walk: Settings) -> None:
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
    done = execute(spoiled, walk)
    assert "1 failed, 1 passed" in done.stdout, done.stdout[-4000:]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_committed_without_outputs_and_each_compared_cell_has_one_here(
    notebook: Path,
) -> None:
    committed = read(notebook)
    code = [cell for cell in committed.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code), "make strip"
    # Asserts would answer predictions: they are for the tests, and folded.
    for cell in committed.cells:
        hidden = (
            {"jupyter": {"source_hidden": True}} if "ci" in cell.metadata.get("tags", []) else {}
        )
        assert {name: cell.metadata[name] for name in cell.metadata if name != "tags"} == hidden
        assert "assert " not in cell.source or hidden or cell.cell_type != "code"
    assert set(expected(notebook)) == {cell.id for cell in compared(committed)} != set()


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_its_cells_have_ids_of_their_own(notebook: Path) -> None:
    cells = read(notebook).cells
    assert len({cell.id for cell in cells}) == len(cells)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_says_its_minutes_where_one_is_and_what_to_keep(notebook: Path) -> None:
    text = "".join(c.source for c in read(notebook).cells)
    for promised in (" minutes.**", "You are here", "## Key points", "Predict"):
        assert promised in text
