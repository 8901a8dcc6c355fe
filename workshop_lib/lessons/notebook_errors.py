"""One line instead of a NameError when cells run out of order or the kernel was restarted.

In: IPython's shell and the notebook's file, which Jupyter names in ``JPY_SESSION_NAME``. Out: the
message says which cell makes the missing name. This file imports nothing of the workshop, so that
``workshop lab`` can copy it into IPython's startup folder, where it works before the first cell.
"""

from __future__ import annotations

import ast
import json
import os
import re
from typing import Any


def install() -> None:
    """Explain NameErrors from now on, if this is IPython."""
    try:
        from IPython.core.getipython import get_ipython
    except ImportError:
        return
    shell: Any = get_ipython()
    if shell is not None:
        shell.set_custom_exc((NameError,), show)


def show(shell: Any, kind: Any, error: NameError, tb: Any, tb_offset: int | None = None) -> None:
    """IPython's handler: one line if the notebook has a cell for the name, else the traceback."""
    message = explain(getattr(error, "name", None) or "", notebook_cells())
    if message:
        vars(error)["_render_traceback_"] = lambda: [message]
    shell.showtraceback((kind, error, tb), tb_offset=tb_offset)


def notebook_cells() -> list[str]:
    """The source of each code cell of the notebook that is open, as it was saved last."""
    path = os.environ.get("JPY_SESSION_NAME", "")
    try:
        with open(path, encoding="utf-8") as file:
            cells = json.load(file)["cells"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return ["".join(cell["source"]) for cell in cells if cell.get("cell_type") == "code"]


def explain(name: str, cells: list[str]) -> str:
    """What to run for ``name``; "" when no cell makes it."""
    for cell in cells:
        if name and name in made_by(cell):
            first = next((line for line in cell.splitlines() if line.strip()), "")
            return (
                f"`{name}` is not defined yet. This cell makes it: `{first.strip()}`. Click that"
                " cell and choose Run → Run Selected Cell, or run all cells above this one: Run"
                " → Run All Above Selected Cell."
            )
    return ""


def made_by(cell: str) -> set[str]:
    """The names that a cell makes at its top level."""
    plain = re.sub(r"(?m)^\s*[%!].*$", "", cell)
    try:
        body = ast.parse(plain).body
    except SyntaxError:
        return set()
    made: set[str] = set()
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            made.add(statement.name)
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            made |= {(each.asname or each.name).split(".")[0] for each in statement.names}
        else:
            stored = (n for n in ast.walk(statement) if isinstance(n, ast.Name))
            made |= {n.id for n in stored if isinstance(n.ctx, ast.Store)}
    return made


install()
