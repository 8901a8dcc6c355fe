"""The tests that the page's server has of its own, run by Node's test runner."""

from __future__ import annotations

import re
import subprocess

from workshop_lib.runtime import node


def test_what_node_tests() -> None:
    node.install()
    done = subprocess.run(
        [node.NODE, "--test", "--test-reporter=tap", "--test-timeout=60000"],
        cwd=node.WEB,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    passed = re.search(r"^# pass (\d+)$", done.stdout, re.MULTILINE)
    assert passed and int(passed[1]) > 30
