"""A NameError in a notebook becomes one line that says which cell makes the name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from workshop_lib.lessons.notebook_errors import explain, made_by
from workshop_lib.settings import PROJECT

CELLS = ["# first\nimport os, numpy as np", "%matplotlib inline\nwith open(x) as file:\n    n = 1"]


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        ("from a.b import c as d, e", {"d", "e"}),
        ("import a.b", {"a"}),
        ("def f(x):\n    y = 1", {"f"}),
        ("a, (b, *c) = 1, (2, 3)\nd: int = 4", {"a", "b", "c", "d"}),
        ("for i in range(3):\n    j = i", {"i", "j"}),
        (CELLS[1], {"file", "n"}),
        ("a = = 1", set()),
    ],
)
def test_the_names_that_a_cell_makes(cell: str, names: set[str]) -> None:
    assert made_by(cell) == names


def test_the_first_cell_that_makes_a_name_is_named() -> None:
    assert "This cell makes it: `# first`" in explain("np", CELLS)
    assert explain("nothing", CELLS) == explain("", CELLS) == ""


@pytest.mark.parametrize(("name", "explained"), [("settings", True), ("settingz", False)])
def test_in_ipython_it_is_one_line_and_another_name_has_its_traceback(
    name: str, explained: bool
) -> None:
    notebook = PROJECT / "notebooks" / "03_kafka_by_hand.ipynb"
    code = f"from workshop_lib.lessons import notebook_errors\n{name}.home"
    done = subprocess.run(
        [sys.executable, "-m", "IPython", "--no-banner", "--colors=nocolor", "-c", code],
        env=os.environ | {"JPY_SESSION_NAME": str(notebook)},
        capture_output=True,
        text=True,
        check=False,
    )
    printed = done.stdout + done.stderr
    assert ("Run All Above" in printed) is explained and ("Traceback" in printed) is not explained


def test_each_notebook_can_be_read_for_it() -> None:
    for path in sorted(Path(PROJECT / "notebooks").glob("0*.ipynb")):
        cells = json.loads(path.read_text())["cells"]
        sources = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
        assert "`settings` is not defined yet" in explain("settings", sources)
