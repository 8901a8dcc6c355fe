"""One start of Stage 4 for all tests of exercises: everything is there, made by ``begin``.

With WORKSHOP_TEST_BEGUN a folder of that name keeps it for the next run, which then takes
seconds; for whoever works on exercises.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from begun_world import of_its_own
from shared import one_at_a_time, shared_folder

from workshop_lib import stack
from workshop_lib.lessons import begin
from workshop_lib.lessons.begin import start_over
from workshop_lib.settings import Settings
from workshop_lib.stack.reset import reset


@pytest.fixture(scope="session")
def begun(running_stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of a home and namespace of its own, in which Stage 4 can begin.

    The first worker that needs it makes it. With the shared servers it ends, too.
    """
    kept = os.environ.get("WORKSHOP_TEST_BEGUN")
    if kept:
        yield begin(4, of_its_own(running_stack, Path(kept), "kept-"))
        return
    home = shared_folder(tmp_path_factory) / "begun"
    settings = of_its_own(running_stack, home, "begun-")
    made = home.with_suffix(".made")
    with one_at_a_time(home.with_suffix(".lock")):
        if not made.exists():
            start_over(4, settings)
            made.touch()
    yield settings
    if "PYTEST_XDIST_WORKER" not in os.environ:
        reset(settings)


@pytest.fixture(scope="session")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Servers of the notebooks alone: others would miss the one that notebook 09 kills."""
    home = os.environ.get("WORKSHOP_TEST_HOME")
    if home:
        yield Settings(home=Path(home))
        return
    settings = Settings(home=tmp_path_factory.mktemp("walk") / "home 한글")
    stack.up(settings)
    try:
        yield Settings(home=settings.home)  # read again, with the ports that were free
    finally:
        stack.remove(settings)
