"""``exercises/`` is what ``solutions/`` say, and a slip of the pen is found before that."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from workshop_lib.errors import WorkshopError
from workshop_lib.lessons.exercises import generate

IN_A_FUNCTION = """# Exercise 2.1: Twice
def twice(n):
    ### BEGIN SOLUTION
    m = 2 * n
    return m
    ### END SOLUTION

print("kept")"""
AT_THE_TOP = """# Exercise 1.1: Count
### BEGIN SOLUTION
answer = 0
for _ in range(3):
    answer += 1
### END SOLUTION"""
WITHOUT_ANSWER = """# Exercise 1.2: Write
### BEGIN SOLUTION
print("written")
### END SOLUTION"""


def notebook(*cells: str) -> dict[str, Any]:
    return {
        "cells": [{"cell_type": "markdown", "source": ["### BEGIN SOLUTION is only text here"]}]
        + [{"cell_type": "code", "source": cell.splitlines(keepends=True)} for cell in cells]
    }


def made(*cells: str) -> list[str]:
    result = generate.exercise(notebook(*cells), Path("stage9.ipynb"))
    return ["".join(cell["source"]) for cell in result["cells"][1:]]


def test_a_blank_stands_where_a_solution_was_and_the_rest_stays() -> None:
    assert made(IN_A_FUNCTION, AT_THE_TOP, WITHOUT_ANSWER, "untouched = 1") == [
        "# Exercise 2.1: Twice\ndef twice(n):\n"
        '    raise NotImplementedError("Exercise 2.1: Twice")\n\nprint("kept")',
        "# Exercise 1.1: Count\nanswer = ...  # your answer",
        "# Exercise 1.2: Write\n...  # your code",
        "untouched = 1",
    ]


@pytest.mark.parametrize(
    ("cell", "what"),
    [
        ("# Exercise 1.1: A\n### BEGIN SOLUTION\na = 1", "line 2: ### BEGIN SOLUTION without"),
        ("# Exercise 1.1: A\na = 1\n### END SOLUTION", "line 3: ### END SOLUTION without"),
        (
            "# Exercise 1.1: A\n### BEGIN SOLUTION\n### BEGIN SOLUTION\n### END SOLUTION",
            "line 3: ### BEGIN SOLUTION within the one of line 2",
        ),
        ("# Exercise 1.1: A\n## BEGIN SOLUTION\na = 1", "line 2: a marker is written"),
        ("### BEGIN SOLUTION\na = 1\n### END SOLUTION", "line 1: a cell with a solution begins"),
    ],
)
def test_markers_that_do_not_pair_are_told_with_file_cell_and_line(cell: str, what: str) -> None:
    with pytest.raises(WorkshopError) as told:
        made("fine = 1", cell)
    assert told.value.message.startswith(f"stage9.ipynb, cell 3, {what}")


def test_a_solution_is_found_by_its_number(tmp_path: Path) -> None:
    path = tmp_path / "stage9.ipynb"
    path.write_text(json.dumps(notebook(IN_A_FUNCTION, AT_THE_TOP)))
    assert generate.solution(path, "2.1") == "m = 2 * n\nreturn m"
    with pytest.raises(WorkshopError, match=r"no solution of exercise 2\.2"):
        generate.solution(path, "2.2")


def test_the_committed_exercises_are_those_of_the_committed_solutions() -> None:
    assert generate.differences(generate.generate()) == [], "run `make exercises`"


def test_a_changed_a_missing_and_a_left_over_file_are_differences(tmp_path: Path) -> None:
    solutions, exercises = tmp_path / "solutions", tmp_path / "exercises"
    solutions.mkdir()
    for name in "ab":
        (solutions / f"{name}.ipynb").write_text(json.dumps(notebook(AT_THE_TOP)))
    built = generate.generate(solutions)
    assert generate.write(built, exercises) == ["a.ipynb", "b.ipynb"]
    assert generate.differences(built, exercises) == []
    (exercises / "a.ipynb").write_text("{}")
    (exercises / "b.ipynb").rename(exercises / "c.ipynb")
    assert generate.differences(built, exercises) == ["a.ipynb", "b.ipynb", "c.ipynb"]
    generate.write(built, exercises)
    assert sorted(path.name for path in exercises.iterdir()) == ["a.ipynb", "b.ipynb"]


def test_no_exercise_holds_a_line_of_its_solution() -> None:
    for name, text in generate.generate().items():
        assert "SOLUTION" not in text
        path = generate.SOLUTIONS / name
        if path.suffix != ".ipynb":
            continue
        blank = "\n".join(
            "".join(c["source"]) for c in json.loads(text)["cells"] if c["cell_type"] == "code"
        )
        for cell in generate.code_cells(json.loads(path.read_text()), path):
            for block in generate.blocks(cell):
                for line in cell.lines[block.begin + 1 : block.end]:
                    assert len(line.strip()) < 20 or line not in blank


PROGRAM = """def twice(n):
    # BEGIN SOLUTION 1.2: Twice the number
    m = 2 * n
    return m
    # END SOLUTION

kept = 1
"""


def test_a_program_of_the_capstone_has_a_gap_that_says_its_step(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text(PROGRAM)
    (tmp_path / "two.json").write_text("[1]")
    (tmp_path / "two.todo.json").write_text("[]")
    (tmp_path / "README.md").write_text("BEGIN SOLUTION is only text here")
    made = generate.capstone(tmp_path)
    assert made == {
        "capstone/README.md": "BEGIN SOLUTION is only text here",
        "capstone/one.py": "def twice(n):\n    raise NotImplementedError("
        '"Step 1.2: Twice the number")\n\nkept = 1\n',
        "capstone/two.json": "[]",
    }


def test_a_marker_without_its_partner_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text(PROGRAM.replace("    # END SOLUTION\n", ""))
    with pytest.raises(WorkshopError, match=r"one\.py: a marker without its partner"):
        generate.capstone(tmp_path)
