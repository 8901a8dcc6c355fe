"""Two runs of the demo, compared: what one of them checked and the other did not, or not well.

In: two reports as ``workshop demo`` writes them. Out: a line for each difference that matters.
The numbers themselves differ, since each run's world ends at its own moment.

``python -m workshop_lib.verify.compare demo-embedded.json demo-docker.json`` prints them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def checks(report: dict[str, Any]) -> dict[tuple[int, str], bool]:
    """(stage, name) of each check → whether it held."""
    return {
        (stage["stage"], check["name"]): check["ok"]
        for stage in report["stages"]
        for check in stage["checks"]
    }


def differences(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """What the run ``other`` lacks that ``one`` has, and what does not hold in either."""
    found = []
    for report, against in ((one, other), (other, one)):
        ours, theirs = checks(report), checks(against)
        for (stage, name), ok in ours.items():
            what = f"stage {stage}, {name}"
            if not ok:
                found.append(f"{report['stack']}: does not hold: {what}")
            elif report is one and (stage, name) not in theirs:
                found.append(f"{against['stack']}: was not checked: {what}")
    return found


def main(paths: list[str]) -> int:
    one, other = (json.loads(Path(path).read_text()) for path in paths)
    found = differences(one, other)
    for line in found:
        print(line)
    print(
        f"{len(checks(one))} checks with the {one['stack']} stack, {len(checks(other))} with the"
        f" {other['stack']} one, {len(found)} differences."
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
