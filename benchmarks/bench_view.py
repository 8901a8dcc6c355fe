"""What the live picture costs a query: its rate with the picture, and without.

In: servers that run (``workshop up``). Out: a table, or with --json the numbers. Runs with and
without alternate in one Spark; a ratio is of two runs side by side. The rate is that of the
batches alone, by Spark's own durations. Two loads: small batches, of which every record is drawn,
and large ones, of which a sample is.

    .venv/bin/python benchmarks/bench_view.py --runs 7
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from collections.abc import Callable
from typing import Any

import psutil
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from workload import space

from workshop_lib.lessons.live_view import view
from workshop_lib.lessons.spark_streaming import play, send
from workshop_lib.runtime.connections import create_topics
from workshop_lib.settings import Settings
from workshop_lib.stream.session import spark_session
from workshop_lib.stream.source import parse, plays, records

#: The largest share of a query's rate that the picture may cost.
MOST = 0.05
#: Name → (plays, plays of one batch).
LOADS = {"small batches": (12_000, 300), "large batches": (200_000, 10_000)}


def seconds(spark: SparkSession, settings: Settings, limit: int, with_view: bool) -> float:
    """Of one run through the whole topic: the sum of its batches' durations."""
    found = plays(parse(records(spark, settings, limit), settings))
    counts = found.withWatermark("played_at", "10 minutes").groupBy(F.window("played_at", "1 hour"))
    writer = counts.count().writeStream.outputMode("update").format("noop")
    query = writer.trigger(availableNow=True).start()
    picture = view(query, settings) if with_view else None
    query.awaitTermination()
    took = sum(report["batchDuration"] for report in query.recentProgress) / 1000
    if picture:
        picture.settled()
        wrong = [f.differs for f in picture.all_frames if "drawn" not in f.differs and f.differs]
        assert picture.all_frames and not wrong and not picture.note, (wrong, picture.note)
        picture.close()
    return took


def processor_seconds() -> float:
    """Of this process, where the picture is made."""
    used = psutil.Process(os.getpid()).cpu_times()
    return float(used.user + used.system)


def measure(spark: SparkSession, settings: Settings, limit: int, runs: int) -> dict[str, Any]:
    seconds(spark, settings, limit, with_view=True)  # the first run is slower than all others
    took: dict[bool, list[float]] = {True: [], False: []}
    used: dict[bool, list[float]] = {True: [], False: []}
    for number in range(runs):
        for with_view in (True, False) if number % 2 else (False, True):
            before = processor_seconds()
            took[with_view].append(seconds(spark, settings, limit, with_view))
            used[with_view].append(processor_seconds() - before)
    ratios = [without / with_it for with_it, without in zip(took[True], took[False], strict=True)]
    middle: Callable[[list[float]], float] = statistics.median
    return {
        "seconds_with": middle(took[True]),
        "seconds_without": middle(took[False]),
        "rate_with_of_without": middle(ratios),
        "slowest": min(ratios),
        "fastest": max(ratios),
        "processor_seconds_of_the_picture": middle(used[True]) - middle(used[False]),
    }


def line(name: str, row: dict[str, Any], runs: int) -> str:
    """What the picture costs with this load, in words, against what it may cost."""
    cost, least, most = (1 - row[key] for key in ("rate_with_of_without", "fastest", "slowest"))
    if least < -MOST:  # faster with the picture: that is the rest of the machine's work
        told = f"this machine was too busy to say whether it is more than {MOST:.0%}"
    else:
        told = f"{'no more' if cost <= MOST else 'MORE'} than {MOST:.0%}"
    return (
        f"{name}: {row['plays'] / row['seconds_without']:,.0f} plays/s without the picture;"
        f" it costs {cost:.1%} of that ({least:.1%} to {most:.1%} in {runs} pairs of runs):"
        f" {told}. Processor time of the picture: {row['processor_seconds_of_the_picture']:.2f} s"
        f" a run of {row['seconds_without']:.1f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    running = Settings()
    found = {}
    with space(running.home, plays_partitions=2) as settings:
        spark = spark_session(settings)
        for name, (count, limit) in LOADS.items():
            place = settings.model_copy(update={"namespace": f"{settings.namespace}{count}-"})
            create_topics(place)
            send(place, (play(n, n % 500, n % 99, minute=n / 300) for n in range(count)))
            found[name] = {"plays": count, **measure(spark, place, limit, options.runs)}
        spark.stop()
    if options.json:
        print(json.dumps(found, indent=1))
        return
    for name, row in found.items():
        print(line(name, row, options.runs))


if __name__ == "__main__":
    main()
