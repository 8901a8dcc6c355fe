"""A program of the kit collects garbage seldom, and not once more when it ends."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from workshop_lib.runtime import collector

#: Counts the objects that the collector would look at after all other work is done.
SCRIPT = "import atexit, gc; atexit.register(lambda: print(len(gc.get_objects()))); "


@pytest.mark.parametrize(("first", "looked_at"), [("import workshop_lib", False), ("pass", True)])
def test_at_its_end_nothing_is_looked_at(first: str, looked_at: bool) -> None:
    script = f"{SCRIPT}{first}; import json"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    # What was registered first is called last: the count is made after our freezing.
    assert (int(done.stdout) > 1000) == looked_at, done.stderr


def test_garbage_in_cycles_is_still_found() -> None:
    assert gc.isenabled() and gc.get_threshold()[0] == collector.YOUNGEST
