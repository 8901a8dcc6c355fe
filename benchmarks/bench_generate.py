"""How fast a world is made: the whole of it, and its plays beside a loop that writes each.

In: nothing. Out: a table, or with --json the numbers. Plays per second, median of the runs
with the slowest and the fastest, and per second of processor time, which other work on the
machine disturbs less; ratios are of runs side by side in one process.

    .venv/bin/python benchmarks/bench_generate.py --runs 7
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from workshop_lib.world.behaviour import listen
from workshop_lib.world.catalogue import make_catalogue
from workshop_lib.world.generate import FULL, UNTIL, generate
from workshop_lib.world.people import make_people
from workshop_lib.world.places import zip_places
from workshop_lib.world.plays import csv_lines, zip_list

#: The loop is slow; its rate does not depend on how many it makes.
LOOP_PLAYS = 100_000


def whole(folder: Path) -> int:
    """All files and the ledger."""
    generate(folder / "world", **FULL)
    return FULL["plays"]


def plays_only(folder: Path) -> int:
    """What the loop makes too: plays of people with habits, as lines of a file."""
    people = make_people(7, FULL["customers"], FULL["days"], UNTIL)
    catalogue = make_catalogue(7, FULL["tracks"])
    plays = listen(people, catalogue, 7, FULL["plays"], FULL["days"], UNTIL)
    plays = plays.take(np.argsort(plays.played_at, kind="stable"))
    zips = zip_list(people.zip, people.trip_zip)
    with (folder / "vectorised.csv").open("wb") as file:
        file.writelines(csv_lines(np.arange(len(plays)), plays, zips, {}))
    return len(plays)


def loop(folder: Path) -> int:
    """Row by row in plain Python, with far simpler people: each field drawn and written."""
    draw = random.Random(7)
    zips = zip_places()["zip"].tolist()[: FULL["customers"]]
    weights = [1 / (rank + 1) for rank in range(FULL["tracks"])]
    start = datetime(2025, 12, 6, tzinfo=UTC)
    with (folder / "loop.csv").open("w") as file:
        for event in range(LOOP_PLAYS):
            customer = draw.randrange(FULL["customers"])
            (track,) = draw.choices(range(FULL["tracks"]), weights)
            hour = int(draw.gauss(19.5, 2)) % 24
            when = start + timedelta(
                days=draw.randrange(FULL["days"]), hours=hour, seconds=draw.randrange(3600)
            )
            mobile = int(draw.random() < 0.5)
            file.write(f'{event},{customer},{track},"{when:%Y-%m-%d %H:%M:%S}",{mobile},')
            file.write(f'"{zips[customer]}"\n')
    return LOOP_PLAYS


CASES: dict[str, Callable[[Path], int]] = {
    "whole world, files and ledger": whole,
    "plays and their file": plays_only,
    "plays and their file, row by row": loop,
}


def measure(runs: int) -> dict[str, dict[str, float]]:
    """Plays per second of each case; the cases take turns, so that noise meets all alike."""
    rates: dict[str, list[float]] = {name: [] for name in CASES}
    per_cpu: dict[str, list[float]] = {name: [] for name in CASES}
    zip_places()  # read once per process
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(runs):
            for name, case in CASES.items():
                start, cpu = time.perf_counter(), time.process_time()
                made = case(Path(folder))
                rates[name].append(made / (time.perf_counter() - start))
                per_cpu[name].append(made / (time.process_time() - cpu))
    return {
        name: {
            "median": statistics.median(r),
            "slowest": min(r),
            "fastest": max(r),
            "per_cpu_second": statistics.median(per_cpu[name]),
        }
        for name, r in rates.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rates = measure(arguments.runs)
    naive = rates["plays and their file, row by row"]["median"]
    for rate in rates.values():
        rate["times_the_loop"] = rate["median"] / naive
    if arguments.json:
        print(json.dumps(rates, indent=2))
        return
    print(
        f"{'plays per second':36}{'median':>12}{'slowest':>12}{'fastest':>12}"
        f"{'per CPU s':>12}{'× loop':>9}"
    )
    for name, rate in rates.items():
        print(
            f"{name:36}{rate['median']:12,.0f}{rate['slowest']:12,.0f}{rate['fastest']:12,.0f}"
            f"{rate['per_cpu_second']:12,.0f}{rate['times_the_loop']:9.1f}"
        )


if __name__ == "__main__":
    main()
