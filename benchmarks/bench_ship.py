"""How fast the shipper is, against one request per line, on the running stack.

In: a running stack (`workshop up`). Out: a table, or with --json the numbers: lines per
second into each target, median of the runs with the slowest and the fastest, and how many
times faster than (a) one request per line over a kept connection and (b) one connection per
line. All three parse the lines alike and wait for the server's acknowledgement; the slow
ones get a sample, and what they leave in the target is compared, document by document, with
what the shipper left. Topics, indices and files are the benchmark's own and are removed.

    .venv/bin/python benchmarks/bench_ship.py --lines 50000 --runs 5
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workshop_lib.ingest.ship import ship
from workshop_lib.runtime import connections
from workshop_lib.schema.names import PLAYS_TOPIC
from workshop_lib.schema.play import Play, parse, to_document, to_json, to_line
from workshop_lib.settings import Settings
from workshop_lib.stack.reset import reset

#: Lines of a sample: one request per line, one connection per line.
KEPT, NEW_CONNECTIONS = 500, 20
BEGIN = 1_700_000_000_000


def lines(count: int) -> list[bytes]:
    """Plays as a world has them, one a second."""
    return [
        to_line(Play(i, i * 7919 % 5000, i * 31 % 1750, BEGIN + i * 1000, i % 3 == 0, "01234"))
        for i in range(count)
    ]


def shipped(settings: Settings, to: str, sample: list[bytes]) -> None:
    """``workshop ship --once``, from the log's begin."""
    settings.live_log.parent.mkdir(parents=True, exist_ok=True)
    if not settings.live_log.exists():
        settings.live_log.write_bytes(b"".join(line + b"\n" for line in sample))
    (settings.home / f"ship-{to}.json").unlink(missing_ok=True)
    assert ship(settings, to, once=True).accepted == len(sample)


def kept(settings: Settings, to: str, sample: list[bytes]) -> None:
    """One request per line, over one connection."""
    if to == "kafka":
        producer = connections.producer(settings, linger_ms=0)
        for line in sample:
            _produce(settings, producer, line)
        producer.close()
    else:
        client = connections.elasticsearch(settings)
        for line in sample:
            _index(settings, client, line)
        client.close()


def new_connections(settings: Settings, to: str, sample: list[bytes]) -> None:
    """One connection per line."""
    for line in sample:
        kept(settings, to, [line])


def _produce(settings: Settings, producer: Any, line: bytes) -> None:
    play = parse(line)
    topic = settings.topic(PLAYS_TOPIC)
    producer.send(topic, to_json(play), str(play.customer_id).encode()).get(timeout=30)


def _index(settings: Settings, client: Any, line: bytes) -> None:
    play = parse(line)
    index = settings.index("plays-raw")
    client.index(index=index, id=str(play.event_id), document=to_document(play))


def prepare(settings: Settings) -> None:
    """An empty topic and index: making them is not what is measured."""
    connections.create_topics(settings)
    client = connections.elasticsearch(settings)
    connections.create_index(settings, client, "plays-raw")
    client.close()


def held(settings: Settings, to: str, events: int) -> dict[int, Any]:
    """Event id → document of the first ``events`` event ids, as the target has them."""
    if to == "kafka":
        reader = connections.consumer(settings, PLAYS_TOPIC, consumer_timeout_ms=2000)
        values = [json.loads(message.value) for message in reader]
        reader.close()
    else:
        client = connections.elasticsearch(settings)
        index = settings.index("plays-raw")
        client.indices.refresh(index=index)
        found = client.search(index=index, size=events, sort=[{"event_id": "asc"}])
        values = [hit["_source"] for hit in found["hits"]["hits"]]
        client.close()
    return {value["event_id"]: value for value in values if value["event_id"] < events}


Way = Callable[[Settings, str, list[bytes]], None]


def measure(settings: Settings, to: str, count: int, runs: int) -> dict[str, dict[str, float]]:
    """Lines per second of the three ways, which take turns, so that noise meets all alike."""
    all_lines = lines(count)
    ways: dict[str, tuple[Way, list[bytes]]] = {
        "shipped": (shipped, all_lines),
        "one request per line": (kept, all_lines[:KEPT]),
        "one connection per line": (new_connections, all_lines[:NEW_CONNECTIONS]),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    spaces = {name: space(settings, f"{i}-") for i, name in enumerate(ways)}
    try:
        for name in ways:
            prepare(spaces[name])
        for run in range(runs + 1):
            for name, (way, sample) in ways.items():
                start = time.perf_counter()
                way(spaces[name], to, sample)
                if run:  # the first warms the servers
                    rates[name].append(len(sample) / (time.perf_counter() - start))
        left = {name: held(spaces[name], to, NEW_CONNECTIONS) for name in ways}
        assert len(left["shipped"]) == NEW_CONNECTIONS
        assert all(documents == left["shipped"] for documents in left.values())
    finally:
        for each in spaces.values():
            reset(each)
    return {
        name: {"median": statistics.median(r), "slowest": min(r), "fastest": max(r)}
        for name, r in rates.items()
    }


def space(settings: Settings, prefix: str) -> Settings:
    """A namespace and a folder of its own for one way."""
    return settings.model_copy(
        update={"home": settings.home / prefix, "namespace": settings.namespace + prefix}
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=50_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings().model_copy(
            update={"home": Path(folder), "namespace": f"bench{time.time_ns() % 10**8}-"}
        )
        results = {
            to: measure(settings, to, arguments.lines, arguments.runs)
            for to in ("kafka", "elasticsearch")
        }
    for rates in results.values():
        for rate in rates.values():
            rate["shipper_is_times_faster"] = rates["shipped"]["median"] / rate["median"]
    if arguments.json:
        print(json.dumps(results, indent=2))
        return
    print(f"{'lines per second':42}{'median':>10}{'slowest':>10}{'fastest':>10}{'shipper ×':>11}")
    for to, rates in results.items():
        for name, rate in rates.items():
            print(
                f"{to + ', ' + name:42}{rate['median']:10,.0f}{rate['slowest']:10,.0f}"
                f"{rate['fastest']:10,.0f}{rate['shipper_is_times_faster']:11.1f}"
            )


if __name__ == "__main__":
    main()
