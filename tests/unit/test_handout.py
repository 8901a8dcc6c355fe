"""What learners are given holds no answers; their copies follow the kit and keep their work."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from workshop_lib.errors import WorkshopError
from workshop_lib.lessons import handout, my_work
from workshop_lib.settings import PROJECT, Settings


def answers() -> list[str]:
    """A line of each notebook and program of the solutions that its exercise does not have."""
    found = []
    solutions = (PROJECT / "solutions").rglob("*")
    for solution in sorted(path for path in solutions if path.suffix in (".ipynb", ".py")):
        exercise = PROJECT / "exercises" / solution.relative_to(PROJECT / "solutions")
        if not exercise.exists():
            continue  # what the exercise is made from
        lines = set(solution.read_text().splitlines()) - set(exercise.read_text().splitlines())
        if lines:
            found.append(max(lines, key=len))
    return found


def texts(folder: Path) -> str:
    return "\n".join(
        path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file()
    )


def test_a_handout_has_all_that_learners_use_and_no_answer(tmp_path: Path) -> None:
    folder, archive = tmp_path / "workshop", tmp_path / "workshop.tar.gz"
    count = handout.handout(folder)
    assert handout.handout(archive) == count > 300
    for name in ("Makefile", ".ci/install", "requirements.lock", "workshop_lib/cli.py"):
        assert (folder / name).is_file()
    assert (folder / "notebooks" / "exercises" / "stage1.ipynb").is_file(), "the link leads there"
    for name in handout.NOT_FOR_LEARNERS:
        assert (PROJECT / name).exists(), "the list names what is there"
        assert not (folder / name).exists()
    with tarfile.open(archive) as packed:
        names = {Path(name).relative_to("workshop") for name in packed.getnames()}
    assert len(names) == count

    given = texts(folder)
    assert len(answers()) >= 5
    assert not [line for line in answers() if line in given]
    assert all(line in texts(PROJECT / "solutions") for line in answers()), "they would be found"


def test_a_bundle_fits_other_patches_of_the_same_python() -> None:
    lock = """# a comment
always==1.0 \\
    --hash=sha256:aa
for-older==2.0 ; python_full_version < '3.0.1' \\
    --hash=sha256:bb
for-others==3.0 ; python_full_version < '3.0' \\
    --hash=sha256:cc
for-this==4.0 ; python_full_version >= '3.0.1' \\
    --hash=sha256:dd
"""
    wanted = "for-older==2.0 \\\n    --hash=sha256:bb\n"
    assert handout.of_other_patches(lock) == wanted


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    with pytest.raises(WorkshopError, match="is there already"):
        handout.handout(tmp_path)


@pytest.fixture
def kit(tmp_path: Path) -> Path:
    """A kit of two notebooks and an exercise."""
    for name in ("notebooks/00.ipynb", "notebooks/01.ipynb", "exercises/a.ipynb"):
        (tmp_path / "kit" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "kit" / name).write_text(json.dumps({"cells": [name]}))
    (tmp_path / "kit" / "notebooks" / "exercises").symlink_to("../exercises")
    return tmp_path / "kit"


def test_a_copy_follows_the_kit_until_its_owner_changes_it(kit: Path, tmp_path: Path) -> None:
    mine = tmp_path / "my-work"
    assert my_work.update(kit, mine) == []
    assert (mine / "notebooks" / "exercises" / "a.ipynb").exists(), "links work as in the kit"

    (mine / "notebooks" / "00.ipynb").write_text("my answer")
    (kit / "notebooks" / "00.ipynb").write_text("second edition")
    (kit / "notebooks" / "01.ipynb").write_text("second edition")
    beside = mine / "notebooks" / "00.new.ipynb"
    assert my_work.update(kit, mine) == [beside]
    assert (mine / "notebooks" / "00.ipynb").read_text() == "my answer"
    assert beside.read_text() == "second edition"
    assert (mine / "notebooks" / "01.ipynb").read_text() == "second edition"

    beside.unlink()
    assert my_work.update(kit, mine) == [], "it is shown once"
    assert not beside.exists()
    assert (mine / "notebooks" / "00.ipynb").read_text() == "my answer"


def test_copies_are_beside_the_kit_or_in_the_home_that_was_named(settings: Settings) -> None:
    assert my_work.folder(settings) == settings.home / "my-work"
    assert my_work.folder(Settings(home=PROJECT / ".workshop")) == PROJECT / "my-work"
