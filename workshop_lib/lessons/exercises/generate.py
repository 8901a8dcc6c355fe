"""``solutions/`` → ``exercises/``: the same notebooks and programs, without the solutions.

In: notebooks in which a line ``### BEGIN SOLUTION`` and a line ``### END SOLUTION`` enclose
what a learner is to write. The first line of such a cell says which exercise it is:
``# Exercise 2.1: The listener's partition``. Out: notebooks with a blank in its place. In
a function it raises ``NotImplementedError``; elsewhere it is ``answer = ...``, or just ``...``
when the solution makes no ``answer``. Where code must be corrected and not written, a line
``### AS FOUND`` ends the solution, and after it comes, commented by ``#|``, what the exercise
has in its place.
"""

from __future__ import annotations

import ast
import json
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from workshop_lib.errors import WorkshopError
from workshop_lib.settings import PROJECT

SOLUTIONS: Final = PROJECT / "solutions"
EXERCISES: Final = PROJECT / "exercises"
CAPSTONE: Final = "capstone"
BEGIN: Final = "### BEGIN SOLUTION"
END: Final = "### END SOLUTION"
FOUND: Final = "### AS FOUND"
COMMENT: Final = "#|"
#: What a solution calls that which the check is given.
ANSWER: Final = "answer"
TITLE: Final = re.compile(r"# Exercise (\S+): (.+)")

Notebook = dict[str, Any]


class Cell(NamedTuple):
    """A code cell of a notebook file; ``number`` counts all its cells from 1."""

    path: Path
    number: int
    lines: list[str]

    def wrong(self, line: int, what: str) -> WorkshopError:
        where = f"{self.path.name}, cell {self.number}, line {line + 1}"
        return WorkshopError(f"{where}: {what}.", "Fix it in solutions/, then `make exercises`.")


class Block(NamedTuple):
    """Lines ``begin`` to ``end`` of a cell are the two markers."""

    begin: int
    end: int


def blocks(cell: Cell) -> list[Block]:
    """The solutions in ``cell``. ``WorkshopError`` when the markers do not pair."""
    found: list[Block] = []
    begun: int | None = None
    for number, line in enumerate(cell.lines):
        marker = line.strip()
        if marker == BEGIN:
            if begun is not None:
                raise cell.wrong(number, f"{BEGIN} within the one of line {begun + 1}")
            begun = number
        elif marker == END:
            if begun is None:
                raise cell.wrong(number, f"{END} without {BEGIN}")
            found.append(Block(begun, number))
            begun = None
        elif marker == FOUND:
            if begun is None or FOUND in map(str.strip, cell.lines[begun:number]):
                raise cell.wrong(number, f"{FOUND} must be once, between {BEGIN} and {END}")
        elif "BEGIN SOLUTION" in line or "END SOLUTION" in line:
            raise cell.wrong(number, f"a marker is written {BEGIN} or {END}, on its own line")
    if begun is not None:
        raise cell.wrong(begun, f"{BEGIN} without {END}")
    return found


def title(cell: Cell) -> tuple[str, str]:
    """Number and name of the exercise that ``cell`` is."""
    match = TITLE.fullmatch(cell.lines[0].strip())
    if match is None:
        raise cell.wrong(0, "a cell with a solution begins with `# Exercise 1.1: its name`")
    return match[1], match[2]


def halves(cell: Cell, block: Block) -> tuple[list[str], list[str]]:
    """The solution in ``block``, and the code to be corrected, if that is the exercise."""
    lines = cell.lines[block.begin + 1 : block.end]
    at = next((n for n, line in enumerate(lines) if line.strip() == FOUND), len(lines))
    for number, line in enumerate(lines[at + 1 :], block.begin + at + 2):
        if not line.lstrip().startswith(COMMENT):
            raise cell.wrong(number, f"behind {FOUND} each line begins with {COMMENT}")
    found = [re.sub(r"#\| ?", "", line, count=1) for line in lines[at + 1 :]]
    return lines[:at], found


def blank(cell: Cell, block: Block) -> str:
    """What an exercise has in place of ``block``."""
    number, name = title(cell)
    wanted, found = halves(cell, block)
    if found:
        return "\n".join(found)
    first = cell.lines[block.begin]
    indent = first[: len(first) - len(first.lstrip())]
    if indent:
        return f'{indent}raise NotImplementedError("Exercise {number}: {name}")'
    written = ast.parse("\n".join(wanted)).body
    targets = [each.targets[0] for each in written if isinstance(each, ast.Assign)]
    if any(isinstance(target, ast.Name) and target.id == ANSWER for target in targets):
        return f"{ANSWER} = ...  # your answer"
    return "...  # your code"


def exercise(notebook: Notebook, path: Path) -> Notebook:
    """``notebook`` of ``solutions/`` as it is in ``exercises/``."""
    made: Notebook = json.loads(json.dumps(notebook))
    for cell in code_cells(made, path):
        lines = list(cell.lines)
        for block in reversed(blocks(cell)):
            lines[block.begin : block.end + 1] = [blank(cell, block)]
        made["cells"][cell.number - 1]["source"] = "\n".join(lines).splitlines(keepends=True)
    return made


def code_cells(notebook: Notebook, path: Path) -> Iterator[Cell]:
    for number, cell in enumerate(notebook["cells"], 1):
        if cell["cell_type"] == "code":
            yield Cell(path, number, "".join(cell["source"]).split("\n"))


def solution(path: Path, number: str) -> str:
    """What the solution of exercise ``number`` is in the notebook ``path``."""
    parts = [
        textwrap.dedent("\n".join(halves(cell, block)[0]))
        for cell in code_cells(json.loads(path.read_text(encoding="utf-8")), path)
        for block in blocks(cell)
        if title(cell)[0] == number
    ]
    if not parts:
        raise WorkshopError(f"{path.name} has no solution of exercise {number}.")
    return "\n\n".join(parts)


def as_found(path: Path, number: str) -> str:
    """The cell of exercise ``number`` as the learner finds it."""
    made = exercise(json.loads(path.read_text(encoding="utf-8")), path)
    return next(
        "\n".join(cell.lines)
        for cell in code_cells(made, path)
        if TITLE.fullmatch(cell.lines[0].strip()) and title(cell)[0] == number
    )


def skeleton(text: str, path: Path) -> str:
    """A program of the capstone without what is between its markers."""
    gap = r"(?ms)^( *)# BEGIN SOLUTION (\S+): ([^\n]+)\n.*?^\1# END SOLUTION$"
    made = re.sub(gap, r'\1raise NotImplementedError("Step \2: \3")', text)
    if "BEGIN SOLUTION" in made or "END SOLUTION" in made:
        raise WorkshopError(
            f"{path.name}: a marker without its partner.", "Correct it in solutions/capstone."
        )
    return made


def capstone(folder: Path) -> dict[str, str]:
    """The files of the capstone: programs with gaps, ``NAME.todo.json`` in place of ``NAME.json``,
    all others as they are."""
    made = {}
    for path in sorted(each for each in folder.glob("*") if each.is_file()):
        if path.name.endswith(".todo.json"):
            continue
        todo = path.with_suffix(".todo.json")
        source = todo if path.suffix == ".json" and todo.exists() else path
        text = source.read_text(encoding="utf-8")
        made[f"{CAPSTONE}/{path.name}"] = skeleton(text, path) if path.suffix == ".py" else text
    return made


def generate(solutions: Path = SOLUTIONS) -> dict[str, str]:
    """The text of each file of ``exercises/``, by its path there."""
    notebooks = {
        path.name: json.dumps(
            exercise(json.loads(path.read_text(encoding="utf-8")), path),
            indent=1,
            ensure_ascii=False,
        )
        + "\n"
        for path in sorted(solutions.glob("*.ipynb"))
    }
    return notebooks | capstone(solutions / CAPSTONE)


def differences(made: dict[str, str], exercises: Path = EXERCISES) -> list[str]:
    """Files in ``exercises`` that are missing, left over or different."""
    paths = [*exercises.glob("*.ipynb"), *(exercises / CAPSTONE).glob("*.*")]
    there = {str(path.relative_to(exercises)): path.read_text("utf-8") for path in paths}
    return sorted(name for name in made | there if made.get(name) != there.get(name))


def write(made: dict[str, str], exercises: Path = EXERCISES) -> list[str]:
    """Make ``exercises`` hold just that; the files that changed."""
    changed = differences(made, exercises)
    for name in changed:
        if name in made:
            (exercises / name).parent.mkdir(parents=True, exist_ok=True)
            (exercises / name).write_text(made[name], encoding="utf-8")
        else:
            (exercises / name).unlink()
    return changed
