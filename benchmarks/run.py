"""All measurements in one run on servers of its own: ``make bench``.

In: nothing but this repository. Out: ``docs/benchmarks.json`` with every number, and
``docs/benchmarks.md`` with tables and a picture. Results are compared with the world's ledger
before a number counts. The curve by size and the starts take their time: they are left to
``make bench-million``, and the page keeps them from its last run. Sizes of the curve that would
not fit into ``--minutes`` are left out and named.

    .venv/bin/python benchmarks/run.py --plays 10000 --runs 5 --minutes 10
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import parts
import peers
import psutil
import report
import shipping
from workload import fill, space, variables

from workshop_lib import stack
from workshop_lib.settings import PROJECT, Settings

HERE = Path(__file__).parent
RESULT = PROJECT / "docs" / "benchmarks.json"
#: In the order in which they run.
PARTS = ("shipping", "steps", "live", "peers")
#: What plain Python does is what the curve has beside the workshop's.
PEER = "plain Python"


def machine() -> dict[str, Any]:
    model = platform.processor() or platform.machine()
    with suppress(OSError, StopIteration):
        text = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(": ")[1] for line in text if line.startswith("model name"))
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def steps(home: Path, plays: int, runs: int) -> dict[str, Any]:
    """Each query alone and all together, in one warm process: step → seconds of each run."""
    with space(home) as settings:
        sent, truth = fill(settings, plays)
        environment = variables(settings)
        trained = subprocess.run(
            [*parts.COMMAND, "train"], env=environment, capture_output=True, check=False
        )
        pickled = settings.home / "truth.pickle"
        pickled.write_bytes(pickle.dumps(truth))
        done = subprocess.run(
            [sys.executable, HERE / "steps.py", str(runs), str(pickled)],
            env=environment,
            cwd=HERE,
            capture_output=True,
            text=True,
            check=False,
        )
        lines = trained.stderr.decode().strip().splitlines()
        result: dict[str, Any] = {
            "model": trained.returncode == 0,
            "training": lines[-1] if lines else "",
        }
        for line in map(json.loads, filter(None, done.stdout.splitlines())):
            entry = result.setdefault(line["step"], {"plays": sent, "seconds": []})
            entry["seconds"].append(line["seconds"])
            entry["late"] = line["late"]
            if line["different"]:
                entry["different"] = line["different"]
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if line.strip()]
            result["failed"] = (lines or ["?"])[-1].strip()[:200]
        return result


def of_peers(home: Path, plays: int, runs: int, names: list[str]) -> dict[str, Any]:
    with space(home) as settings:
        _, truth = fill(settings, plays)
        return peers.measure(settings, truth, runs, names)


def curve(home: Path, sizes: list[int], until: float) -> list[dict[str, Any]]:
    """Seconds and memory for each size that is expected to be done by ``until``."""
    result: list[dict[str, Any]] = []
    # For minutes of load, as ``workshop demo --full`` starts them.
    stack.down(Settings(home=home))
    stack.up(Settings(home=home, servers_long=True))
    peer = partial(peers.run, peers.environment(), peer=peers.PEERS[PEER])
    for size in sizes:
        whole = [each["seconds"] for each in result if "failed" not in each]
        expected = whole[-1] * size / sizes[len(result) - 1] if whole else 0
        if time.monotonic() + expected > until:
            result.append({"plays": size, "left_out": f"about {expected / 60:.0f} minutes more"})
            continue
        result.append(parts.backlog(home, size, peer))
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plays", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--curve", default="10000,30000,100000,300000,1000000")
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--peers", default=";".join(peers.PEERS))
    asked = parser.parse_args()
    until = time.monotonic() + 60 * asked.minutes
    sizes = [int(size) for size in asked.curve.split(",")]
    measured: dict[str, Any] = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        try:
            stack.up(Settings(home=home))
            work: dict[str, Callable[[], Any]] = {
                "shipping": lambda: shipping.measure(home, 5 * asked.plays, asked.runs),
                "steps": lambda: steps(home, asked.plays, asked.runs),
                "live": lambda: parts.live(home, asked.plays, asked.runs),
                "peers": lambda: of_peers(home, asked.plays, asked.runs, asked.peers.split(";")),
                "curve": lambda: curve(home, sizes, until),
                "starts": lambda: parts.starts(home, asked.runs),
            }
            for name in asked.parts.split(","):
                start = time.monotonic()
                found = work[name]()
                seconds = round(time.monotonic() - start)
                about = {"at": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", "seconds": seconds}
                measured[name] = {
                    "result": found,
                    "machine": machine(),
                    "runs": asked.runs,
                    **about,
                }
                RESULT.write_text(json.dumps(measured, indent=1) + "\n")
                sys.stderr.write(f"{name}: {seconds} s\n")
        finally:
            stack.remove(Settings(home=home))
    report.write(measured)


if __name__ == "__main__":
    main()
