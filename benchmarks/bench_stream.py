"""How fast the streams are: each query alone and all three, on the running stack.

In: a running stack (`workshop up`). Out: a table, or with --json the numbers: plays per
second from topic to Elasticsearch and Redis, median of the runs with the slowest and the
fastest. A run reads the whole topic into empty indices, in one warm Spark session; its time
is that of ``run``: start, all batches, stop. Topic, indices, keys and files are the
benchmark's own and are removed.

    .venv/bin/python benchmarks/bench_stream.py --plays 50000 --runs 5
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from workshop_lib.ingest.dead_letters import read_topic
from workshop_lib.runtime import connections
from workshop_lib.schema.names import PLAYS_TOPIC
from workshop_lib.schema.play import MalformedPlay, parse, to_json
from workshop_lib.schema.tables import INDICES
from workshop_lib.settings import Settings
from workshop_lib.stack.reset import reset
from workshop_lib.stream.pipeline import QUERIES
from workshop_lib.stream.run import run
from workshop_lib.world.generate import generate

#: As many plays a day as in the demo: how many share a minute matters for the counts.
PLAYS_PER_DAY = 14_000
SETS = {**{name: [name] for name in QUERIES}, "all three": list(QUERIES)}


def fill(settings: Settings, plays: int) -> int:
    """A recorded world that ends now, its plays in the topic; how many these are."""
    days = max(3, round(plays / PLAYS_PER_DAY))
    until = datetime.now(UTC).replace(second=0, microsecond=0)
    generate(
        settings.world, seed=7, customers=2000, tracks=500, plays=plays, days=days, until=until
    )
    connections.create_topics(settings)
    producer = connections.producer(settings)
    topic = settings.topic(PLAYS_TOPIC)
    sent = 0
    with (settings.world / "tracks.csv").open("rb") as file:
        for line in file:
            try:
                play = parse(line, latest=int(until.timestamp() * 1000))
            except MalformedPlay:
                continue  # the shippers' business
            producer.send(topic, to_json(play), str(play.customer_id).encode())
            sent += 1
    producer.close()
    return sent


def once(settings: Settings, names: list[str], folder: Path) -> float:
    """Seconds to take the whole topic through the queries ``names``, from nothing."""
    client = connections.elasticsearch(settings)
    for index in INDICES:
        client.options(ignore_status=404).indices.delete(index=settings.index(index))
    client.close()
    fresh = settings.model_copy(
        update={"home": Path(tempfile.mkdtemp(dir=folder)), "data": settings.world}
    )
    start = time.perf_counter()
    run(fresh, names, available_now=True)
    return time.perf_counter() - start


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--plays", type=int, default=50_000)
    arguments.add_argument("--runs", type=int, default=5)
    arguments.add_argument("--json", action="store_true")
    asked = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings().model_copy(
            update={"home": Path(folder), "namespace": f"bench{time.time_ns() % 10**8}-"}
        )
        try:
            sent = fill(settings, asked.plays)
            once(settings, list(QUERIES), Path(folder))  # warms Java, Python and Elasticsearch
            seconds: dict[str, list[float]] = {name: [] for name in SETS}
            for _ in range(asked.runs):
                for name, queries in SETS.items():
                    seconds[name].append(once(settings, queries, Path(folder)))
            refused = {letter.reason for letter in read_topic(settings)}
            assert not refused, refused
        finally:
            reset(settings)
    rates = {
        name: {
            "plays_per_second": round(sent / statistics.median(each)),
            "slowest": round(sent / max(each)),
            "fastest": round(sent / min(each)),
        }
        for name, each in seconds.items()
    }
    alone = sum(statistics.median(seconds[name]) for name in QUERIES)
    efficiency = alone / statistics.median(seconds["all three"])
    if asked.json:
        print(json.dumps({"plays": sent, "runs": asked.runs, "rates": rates, "E": efficiency}))
        return
    print(f"{sent:,} plays, {asked.runs} runs")
    for name, rate in rates.items():
        print(
            f"  {name:<11}{rate['plays_per_second']:>8,} plays/s"
            f"   ({rate['slowest']:,} to {rate['fastest']:,})"
        )
    print(f"  all three against one after the other: {efficiency:.2f}")


if __name__ == "__main__":
    main()
