"""What a learner reads: the minutes are enough, nothing comes too late, nothing is used that was
not shown, each "What to try" has an answer, and no phrase that only native speakers understand."""

from __future__ import annotations

import ast
import builtins
import json
import re
from pathlib import Path
from typing import Any

import pytest

from workshop_lib.settings import PROJECT

NOTEBOOKS = sorted((PROJECT / "notebooks").glob("*.ipynb"))
SOLUTIONS = sorted((PROJECT / "solutions").glob("*.ipynb"))
NOTES = PROJECT / "docs" / "instructor" / "speaker-notes.md"


def cells(path: Path) -> list[tuple[str, str, list[str]]]:
    """Kind, source and tags of each cell."""
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [(c["cell_type"], "".join(c["source"]), c["metadata"].get("tags", [])) for c in found]


def text(path: Path) -> str:
    return "\n".join(source for _, source, _ in cells(path))


# Minutes ----------------------------------------------------------------------------

WIDGET = re.compile(r"\b(?:view|view_group|interact|Discover|Visualize|Dashboard)\(")


def estimated_minutes(path: Path) -> float:
    """How long a reader needs, without "What to try".

    Words: 150 a minute. Brysbaert (2019), "How many words do we read per minute?", Journal of
    Memory and Language 109, 104047, finds 238 in silent reading of English non-fiction, and
    fewer for readers whose first language is another one; we take about two thirds. The other
    rates are ours, as watched in the room, not measured: 4 s for a line of code, 15 s to run a
    cell and look at what it gives, a minute for a prediction, two to try a widget by hand.
    """
    words = lines = runs = predictions = widgets = 0
    for kind, source, tags in cells(path):
        if kind == "markdown":
            read = source.split("## What to try")[0]
            words += len(re.sub(r"[#*`|<>/_─▶-]+", " ", read).split())
            predictions += source.count("Predict first")
        elif "ci" not in tags:  # those are folded
            lines += sum(1 for line in source.splitlines() if line.strip())
            runs += 1
            widgets += len(WIDGET.findall(source))
    return words / 150 + (4 * lines + 15 * runs) / 60 + predictions + 2 * widgets


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_minutes_are_those_of_a_reader_to_the_nearest_five(path: Path) -> None:
    (stated,) = re.findall(r"\*\*(\d+) minutes\.\*\*", text(path))
    assert int(stated) % 5 == 0
    assert estimated_minutes(path) == pytest.approx(int(stated), abs=3)


# Order ------------------------------------------------------------------------------


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_to_try_comes_before_tidying_up(path: Path) -> None:
    headings = re.findall(r"^## (.*)$", text(path), re.MULTILINE)
    tidy = [place for place, name in enumerate(headings) if name.startswith("Tidy up")]
    assert "What to try" in headings
    assert all(headings.index("What to try") < place for place in tidy)


def beside_a_folded_answer(source: str) -> str:
    """What a cell with a folded answer says besides it."""
    return re.sub(r"<details>.*?</details>", "", source, flags=re.DOTALL).strip()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_folded_answer_has_a_cell_of_its_own_and_nothing_that_leads_on(path: Path) -> None:
    """In one cell there is no space below it, and what leads to the next cell must be seen."""
    folded = [source for _, source, _ in cells(path) if "<details>" in source]
    assert folded and not [source for source in folded if beside_a_folded_answer(source)]
    assert not [source for source in folded if re.search(r":\s*</details>", source)]


def test_what_stands_beside_a_folded_answer_is_found() -> None:
    answer = "<details><summary><b>What you saw</b></summary>\n\nFour.\n\n</details>"
    assert beside_a_folded_answer(answer) == ""
    assert beside_a_folded_answer(f"{answer}\n\n**Predict first:** and now?")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_each_what_to_try_has_an_answer_in_the_instructors_notes(path: Path) -> None:
    tried = re.findall(r"^## What to try\n(.*?)(?=^## |\Z)", text(path), re.MULTILINE | re.DOTALL)
    asked = len(re.findall(r"^- ", "".join(tried), re.MULTILINE)) or 1
    answers = NOTES.read_text(encoding="utf-8").split("## What to try: answers")[1]
    assert len(re.findall(rf"^\| {path.name[:2]} \|", answers, re.MULTILINE)) >= asked


# Exercises --------------------------------------------------------------------------

#: What an exercise's own text gives, or any Python course: no API of the workshop's servers.
GIVEN = {
    *("CustID", "Level", "DictReader", "newline", "encoding"),  # L.1 and its file
    *("Timedelta", "Timestamp", "shift", "sort_values", "total_seconds", "isfinite"),
    *("gate_max_error", "gate_min_lift", "gate_min_precision", "gate_min_recall"),  # 3.3 prints
    *("labelled_customers", "gate_of_the_workshop", "to_json"),  # 3.5 and 2.5 import
}


def used(source: str) -> set[str]:
    """Names, attributes, arguments and keys of a cell that it does not make itself."""
    found, made = set(), set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.keyword) and node.arg:
            found.add(node.arg)
        elif isinstance(node, ast.Dict):
            found |= {k.value for k in node.keys if isinstance(k, ast.Constant)}  # type: ignore[misc]
        elif isinstance(node, ast.alias):
            found.add(node.name.split(".")[-1])
            made |= {node.asname} if node.asname else set()
        elif isinstance(node, ast.Name):
            (made if isinstance(node.ctx, ast.Store) else found).add(node.id)
        elif isinstance(node, ast.arg):
            made.add(node.arg)
    return {name for name in found - made if isinstance(name, str)}


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_no_exercise_needs_what_no_notebook_has_shown(path: Path) -> None:
    shown = set(re.findall(r"[\w:]+", "\n".join(map(text, NOTEBOOKS)))) | GIVEN
    known = {*dir(builtins), *dir(str), *dir(dict), *dir(list), *dir(set)}
    exercises = [s for kind, s, _ in cells(path) if kind == "code" and s.startswith("# Exercise")]
    task = set(re.findall(r"\w+", "\n".join(s for kind, s, _ in cells(path) if kind != "code")))
    for source in exercises:
        assert used(source) - shown - known - task == set(), source.splitlines()[0]


# Words ------------------------------------------------------------------------------

HARD = re.compile(
    r"\bsay `make|what is no play|no begin of|\bbears? being|who comes for it|question for\?"
    r"|who has work|foretold|deal everybody|the deed|do not hold\b|\bgoes home\b",
    re.IGNORECASE,
)
READ = [
    *NOTEBOOKS,
    *SOLUTIONS,
    *sorted((PROJECT / "docs").rglob("*.md")),
    PROJECT / "README.md",
    *sorted((PROJECT / "workshop_lib").rglob("*.py")),
]


@pytest.mark.parametrize("path", READ, ids=lambda path: str(path.relative_to(PROJECT)))
def test_no_phrase_that_learners_stumbled_over(path: Path) -> None:
    assert HARD.findall(path.read_text(encoding="utf-8")) == []


def test_such_a_phrase_is_found() -> None:
    assert HARD.search("2 of 39 checks do not hold.")
