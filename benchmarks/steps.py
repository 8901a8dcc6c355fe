"""Each step of the pipeline alone, and all queries together, in one warm process.

In: a topic that is full, by ``WORKSHOP_…`` in the environment, and the log beside it. Out: a
line of JSON per measurement: step, run, seconds, and how the results differ. A process of its
own, since a JVM that runs out of memory is a result, too.

The bodies of the commands are called (``workshop stream … --available-now``), as often as
asked, so that Java, Python and Elasticsearch are warm and Spark's start is measured apart.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from workload import differences, empty

from workshop_lib.commands.stream import Name, stream
from workshop_lib.schema.names import INDEX_OF_QUERY, TARGETS_QUERY
from workshop_lib.settings import Settings

#: What is measured, and the queries that run for it.
SETS = {
    **{name.value: [name] for name in Name},
    "enrich and counts": [Name.plays, Name.aggregates],
    "three queries": [Name.plays, Name.aggregates, Name.interests],
    "all queries": list(Name),
}


def say(**line: Any) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def queries(names: list[Name], shared: Settings) -> dict[str, Any]:
    """Take the whole topic through ``names``, from nothing: seconds and late rows."""
    empty(shared)
    home = tempfile.mkdtemp(dir=shared.home)
    os.environ["WORKSHOP_HOME"] = home
    if (shared.home / "models").exists():
        (Path(home) / "models").symlink_to(shared.home / "models")
    start = time.perf_counter()
    stream(names, True, False)
    seconds = time.perf_counter() - start
    progress = [json.loads(path.read_text()) for path in Path(home).glob("stream/*.json")]
    shutil.rmtree(Path(home) / "checkpoints", ignore_errors=True)  # Spark's own files stay
    return {
        "seconds": seconds,
        "late": max((each.get("dropped_by_watermark", 0) for each in progress), default=0),
    }


def main(runs: int, truth_file: str) -> None:
    with Path(truth_file).open("rb") as file:
        truth = pickle.load(file)  # ours, written a moment ago
    shared = Settings()
    queries(list(Name), shared)  # warms Java, Python and Elasticsearch
    for run in range(runs):
        for step, names in SETS.items():
            measured = queries(names, shared)
            indices = [INDEX_OF_QUERY[n.value] for n in names if n.value != TARGETS_QUERY]
            different = differences(shared, truth, *indices, late=measured["late"])
            say(step=step, run=run, different=different, **measured)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
