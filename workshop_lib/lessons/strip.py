"""Notebooks as they are committed: without outputs, but for those that the tests compare.

In: notebooks that were run and saved. Out: the same files, stripped. A cell tagged
``nbval-check-output`` prints the same each time; it keeps what it printed.

    python -m workshop_lib.lessons.strip notebooks/*.ipynb
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import nbformat

#: nbval's own tag: the output of this cell is compared even in lax mode.
COMPARED = "nbval-check-output"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def stripped(notebook: Any) -> Any:
    """``notebook``, changed in place: no outputs but the compared ones, no traces of a run."""
    for cell in notebook.cells:
        cell.metadata = {"tags": cell.metadata["tags"]} if cell.metadata.get("tags") else {}
        if cell.cell_type != "code":
            continue
        keep = COMPARED in cell.metadata.get("tags", [])
        cell.outputs = cell.outputs if keep else []
        # nbval takes a cell without a count for one that never ran.
        cell.execution_count = 1 if keep else None
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = 1
    notebook.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    return notebook


def main(paths: list[str]) -> None:
    for path in map(Path, paths):
        before = path.read_text(encoding="utf-8")
        notebook = stripped(nbformat.reads(before, as_version=4))
        after = nbformat.writes(notebook).rstrip("\n") + "\n"
        if after != before:
            path.write_text(after, encoding="utf-8")
            print(f"stripped {path}")


if __name__ == "__main__":
    main(sys.argv[1:])
