"""A short chaos run: a few faults under load, every hop's account, every negative control."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.stack, pytest.mark.spark, pytest.mark.timeout(900)]

FAULTS = (
    *("ship-elasticsearch killed", "log rotated", "sms-gateway killed", "web killed"),
    # Only root can mount a small disk.
    *(("disk full",) if sys.platform == "linux" and os.geteuid() == 0 else ()),
)


def test_nothing_is_lost_and_the_controls_are_caught(tmp_path: Path) -> None:
    chaos = ["chaos", "--rounds", str(len(FAULTS)), "--seed", "3", "--json"]
    chaos += [word for name in FAULTS for word in ("--fault", name)]
    done = subprocess.run(
        [sys.executable, "-m", "workshop_lib.cli", *chaos],
        # Beside other tests, batches every two seconds would do nothing but begin and end.
        env=os.environ | {"WORKSHOP_HOME": str(tmp_path), "WORKSHOP_TRIGGER_SECONDS": "5"},
        capture_output=True,
        text=True,
    )
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    assert sorted(each["fault"] for each in report["rounds"]) == sorted(FAULTS)
    assert not [each for each in report["rounds"] if each["seconds"] is None or each["error"]]
    again = {each["fault"]: each["restarted"] for each in report["rounds"]}
    assert "web" in again["web killed"], "its server was killed, and started again"
    wrong = [each for each in report["accounts"] if not each["ok"]]
    assert not wrong
    assert all(each["attempted"] for each in report["accounts"]), "nothing flowed"
    missed = [name for name, caught in report["controls"].items() if not caught]
    assert report["controls"] and not missed
    assert done.returncode == 0
