"""The live page under load: how long an update holds up the browser, and whether memory grows.

In: a running stack (`workshop up`). Out: a table, or with --json the numbers. Plays are written
into the stores as the stream does, so many a second; a real browser shows the page, further
clients hear the same stream. Indices and keys are the benchmark's own and are removed.

Time is the main thread's own processor time where the browser can tell it (`threadTicks`), so
what else runs on the machine does not count; the longest task is by the clock.

    .venv/bin/python benchmarks/bench_web.py --rate 200 --seconds 300 --clients 50
"""

from __future__ import annotations

import argparse
import json
import random
import selectors
import socket
import statistics
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import CDPSession, Page

from workshop_lib.page import server as web
from workshop_lib.page.browser import browser
from workshop_lib.runtime import process
from workshop_lib.runtime.connections import bulk_index, create_index, elasticsearch, redis_client
from workshop_lib.schema.labels import AGE_LABELS
from workshop_lib.settings import Settings

STATES = ("CA", "TX", "FL", "NY", "PA", "IL", "OH", "GA", "NC", "WA", "AK", "unknown")
#: Measures that the page makes of itself: the handler, then each chart in a task of its own.
OBSERVE = """
window.seen = { measures: [], long: [] };
new PerformanceObserver((list) => {
  for (const { name, startTime, duration } of list.getEntries()) {
    seen.measures.push([name, startTime, duration]);
  }
}).observe({ type: 'measure', buffered: true });
new PerformanceObserver((list) => {
  for (const each of list.getEntries()) seen.long.push(each.duration);
}).observe({ type: 'longtask', buffered: true });
"""


def play(event: int, draw: random.Random) -> dict[str, Any]:
    """A document of ``plays``, played, arrived and written just now."""
    now = datetime.now(UTC)
    track, mobile = min(int(draw.expovariate(0.02)), 499), draw.random() < 0.6
    return {
        **{"event_id": event, "customer_id": draw.randrange(2000), "track_id": track},
        **{"title": f"Track {track}", "artist": f"Artist {track % 120}", "hour": now.hour},
        **{"is_mobile": mobile, "device": "mobile" if mobile else "pc"},
        **{"gender": draw.choice(("female", "male")), "age_band": draw.choice(AGE_LABELS)},
        **{"level": draw.choice(("Free", "Silver", "Gold")), "state": draw.choice(STATES)},
        "played_at": (now - timedelta(seconds=2)).isoformat(),
        "arrived_at": (now - timedelta(seconds=1)).isoformat(),
        "processed_at": now.isoformat(),
    }


class Writer(threading.Thread):
    """Writes ``rate`` plays a second, in one batch a second, until it is stopped."""

    def __init__(self, settings: Settings, rate: int) -> None:
        super().__init__(daemon=True)
        self.settings, self.rate = settings, rate
        self.stopped = threading.Event()
        self.written = 0

    def run(self) -> None:
        draw = random.Random(7)
        client, redis = elasticsearch(self.settings), redis_client(self.settings)
        index = self.settings.index("plays")
        due = time.monotonic()
        while not self.stopped.wait(max(0.0, due - time.monotonic())):
            due += 1
            batch = [play(self.written + n, draw) for n in range(self.rate)]
            refused = list(bulk_index(client, index, ((str(p["event_id"]), p) for p in batch)))
            assert not refused, refused[0]
            minute = datetime.now(UTC).strftime("%Y-%m-%dT%H:%MZ")
            redis.hincrby(self.settings.key(f"live:{minute}"), "all:all", self.rate)
            self.written += self.rate


class Listeners(threading.Thread):
    """So many further clients, on one thread; counts the snapshots of each."""

    def __init__(self, address: str, clients: int) -> None:
        super().__init__(daemon=True)
        self.host = urlsplit(address)
        self.snapshots = [0] * clients
        self.stopped = threading.Event()

    def run(self) -> None:
        where = (self.host.hostname or "", self.host.port or 0)
        with selectors.DefaultSelector() as ready:
            for n in range(len(self.snapshots)):
                client = socket.create_connection(where)
                client.sendall(b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                ready.register(client, selectors.EVENT_READ, n)
            while not self.stopped.is_set():
                for key, _ in ready.select(timeout=0.5):
                    data = key.fileobj.recv(262_144)  # type: ignore[union-attr]
                    self.snapshots[key.data] += data.count(b"event: snapshot")
            for key in list(ready.get_map().values()):
                key.fileobj.close()  # type: ignore[union-attr]


def metrics(session: CDPSession) -> dict[str, float]:
    return {m["name"]: m["value"] for m in session.send("Performance.getMetrics")["metrics"]}


def heap(session: CDPSession) -> float:
    """MB that the page's script holds after a collection."""
    session.send("HeapProfiler.collectGarbage")
    return metrics(session)["JSHeapUsedSize"] / 2**20


def updates(page: Page) -> tuple[list[float], dict[str, list[float]], int]:
    """Script time of each update with all its charts, of each task by name, how many were long."""
    seen = page.evaluate("seen")
    whole: list[float] = []
    tasks: dict[str, list[float]] = {}
    for name, _, duration in sorted(seen["measures"], key=lambda each: each[1]):
        tasks.setdefault(name, []).append(duration)
        if name == "update":
            whole.append(duration)
        elif whole:
            whole[-1] += duration
    return whole, tasks, len(seen["long"])


def measure(settings: Settings, rate: int, seconds: int, clients: int) -> dict[str, Any]:
    create_index(settings, elasticsearch(settings), "plays")
    writer = Writer(settings, rate)
    address = web.start(settings)
    server = process.find("web", settings.home / "pids")
    assert server
    listeners = Listeners(address, clients)
    try:
        writer.start()
        listeners.start()
        with browser() as started:
            page = started.new_page(locale="en-US", viewport={"width": 1440, "height": 900})
            page.add_init_script(OBSERVE)
            page.goto(address)
            page.wait_for_selector("body[data-drawn=all]")
            session = page.context.new_cdp_session(page)
            session.send("Performance.enable", {"timeDomain": "threadTicks"})
            page.wait_for_timeout(15_000)  # warm: caches, the script compiled
            page.evaluate("seen.measures.length = seen.long.length = 0")
            heaps, resident, before = [heap(session)], [server.memory_info().rss], metrics(session)
            for _ in range(max(1, seconds // 15)):
                page.wait_for_timeout(15_000)
                heaps.append(heap(session))
                resident.append(server.memory_info().rss)
            after = metrics(session)
            whole, tasks, long = updates(page)
    finally:
        writer.stopped.set()
        listeners.stopped.set()
        writer.join()
        listeners.join()
        web.stop(settings)
    busy = {
        name: 1000 * (after[name] - before[name]) / max(len(whole), 1)
        for name in ("TaskDuration", "ScriptDuration", "LayoutDuration", "RecalcStyleDuration")
    }
    return {
        "plays": writer.written,
        "updates": len(whole),
        "main_thread_ms_per_update": round(busy["TaskDuration"], 1),
        "of_it": {name: round(ms, 1) for name, ms in busy.items() if name != "TaskDuration"},
        "script_ms_per_update": summary(whole),
        "script_ms_by_task": {name: summary(each) for name, each in sorted(tasks.items())},
        "tasks_over_50_ms": long,
        "page_heap_mb": {"first": round(heaps[0], 1), "last": round(heaps[-1], 1)},
        "server_mb_every_15_s": [each >> 20 for each in resident],
        "clients": clients,
        "snapshots_per_client": summary([float(n) for n in listeners.snapshots]),
    }


def summary(values: list[float]) -> dict[str, float]:
    if not values:
        return {}
    ordered = sorted(values)
    return {
        "median": round(statistics.median(ordered), 1),
        "p95": round(ordered[int(0.95 * (len(ordered) - 1))], 1),
        "most": round(ordered[-1], 1),
        "least": round(ordered[0], 1),
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    options.add_argument("--rate", type=int, default=200, help="plays per second")
    options.add_argument("--seconds", type=int, default=300)
    options.add_argument("--clients", type=int, default=50, help="beside the browser")
    options.add_argument("--json", action="store_true")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as home:
        running = Settings()
        settings = running.model_copy(
            update={"home": Path(home), "namespace": f"{running.namespace}bench-web-"}
        )
        try:
            result = measure(settings, asked.rate, asked.seconds, asked.clients)
        finally:
            index = settings.index("plays")
            elasticsearch(settings).options(ignore_status=404).indices.delete(index=index)
            redis = redis_client(settings)
            for key in redis.scan_iter(match=settings.key("*")):
                redis.delete(key)
    if asked.json:
        print(json.dumps(result, indent=2))
        return
    for name, value in result.items():
        print(f"{name:<28}{value}")


if __name__ == "__main__":
    main()
