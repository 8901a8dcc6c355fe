"""The pipeline as a user runs it: its start, its memory, its cost by size, and how fast it is
while plays come in.

Everything here starts the commands (``workshop ship``, ``workshop stream``) as processes of
their own, on servers that run.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import psutil
from workload import differences, fill, make_world, space, variables

from workshop_lib import stack
from workshop_lib.page import server as web
from workshop_lib.runtime import connections, process, state_file
from workshop_lib.runtime.wait import wait_until
from workshop_lib.schema.names import (
    INDEX_OF_QUERY,
    INTERESTS_INDEX,
    PLAYS_INDEX,
    PLAYS_PER_MINUTE_INDEX,
)
from workshop_lib.settings import Settings
from workshop_lib.stream.progress import caught_up, offsets, progress

COMMAND: Final = (sys.executable, "-m", "workshop_lib.cli")
PATIENCE: Final = 900
#: Seconds of the measurement of latency, and every so many lines a probe.
LATENCY_SECONDS, PROBE_EVERY, LOOK_EVERY = 20, 20, 0.05
#: Seconds without a hit after which the probes that are left do not come.
MISSING_SECONDS: Final = 15
REFRESH_SECONDS: Final = 1.0


def bytes_of(pid: int) -> int:
    """Memory that a process and its children have for themselves and their share of the rest."""
    total = 0
    try:
        for member in process.family(psutil.Process(pid)):
            full = member.memory_full_info()
            total += getattr(full, "pss", full.uss)
    except psutil.Error:
        pass  # it ends
    return total


class Memory(threading.Thread):
    """The most bytes at one moment: of the servers, of the commands, of both."""

    def __init__(self, home: Path, pids: dict[str, int]) -> None:
        super().__init__(daemon=True)
        services = {s.name: s.pid for s in stack.status(Settings(home=home)) if s.pid}
        self.pids = {**services, **pids}
        self.most = dict.fromkeys([*self.pids, "total"], 0)
        self.over = threading.Event()
        self.start()

    def run(self) -> None:
        while not self.over.wait(1):
            now = {name: bytes_of(pid) for name, pid in self.pids.items()}
            now["total"] = sum(now.values())
            self.most = {name: max(self.most[name], now[name]) for name in now}

    def stop(self) -> dict[str, int]:
        self.over.set()
        self.join()
        return self.most


def starts(home: Path, runs: int) -> dict[str, list[float]]:
    """Seconds from a start until the part answers: each server, the page, Spark with nothing
    to do, the command line."""
    seconds: dict[str, list[float]] = {}

    def timed(name: str, work: Callable[[], Any]) -> None:
        start = time.perf_counter()
        work()
        seconds.setdefault(name, []).append(time.perf_counter() - start)

    for _ in range(runs):
        stack.down(Settings(home=home))
        _start_servers(home, seconds)
        with space(home) as settings:
            environment = variables(settings)
            make_world(settings, 3000)
            connections.create_topics(settings)
            call = partial(subprocess.run, env=environment, check=True, capture_output=True)
            timed("workshop --help", partial(call, [*COMMAND, "--help"]))
            timed(
                "Spark and its streams, with nothing to read",
                partial(call, [*COMMAND, "stream", "--available-now"]),
            )
            timed("live page", partial(web.start, settings))
            web.stop(settings)
    return seconds


def _start_servers(home: Path, seconds: dict[str, list[float]]) -> None:
    start = time.perf_counter()
    well: dict[str, float] = {}
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.1):
            for service in stack.status(Settings(home=home)):
                if service.ok:
                    well.setdefault(service.name, time.perf_counter() - start)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        stack.up(Settings(home=home))
        well["all servers"] = time.perf_counter() - start
    finally:
        over.set()
        watcher.join()
    for name, each in well.items():
        seconds.setdefault(name, []).append(each)


def backlog(
    home: Path, plays: int, peer: Callable[[Settings], dict[str, Any]] | None = None
) -> dict[str, Any]:
    """``workshop stream --available-now`` of so many plays: seconds, memory, or how it failed.

    ``peer`` then does the same work on the same topic; what it says is in ``peer``.
    """
    with space(home) as settings:
        sent, truth = fill(settings, plays)
        start = time.perf_counter()
        running = subprocess.Popen(
            [*COMMAND, "stream", "--available-now"],
            env=variables(settings),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        memory = Memory(home, {"stream": running.pid})
        try:
            _, errors = running.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            running.kill()
            errors = f"not done in {PATIENCE} s"
        seconds = time.perf_counter() - start
        found: dict[str, Any] = {"plays": sent, "seconds": seconds, "memory": memory.stop()}
        if running.returncode:
            lines = [line for line in errors.splitlines() if line.strip()]
            return found | {"failed": (lines or ["?"])[-1].strip()[:200]}
        late = max(
            (progress(settings, query) or {}).get("dropped_by_watermark", 0)
            for query in INDEX_OF_QUERY
        )
        indices = (PLAYS_INDEX, PLAYS_PER_MINUTE_INDEX, INTERESTS_INDEX)
        found |= {
            "late": late,
            "different": differences(settings, truth, *indices, late=late),
        }
        if peer is None:
            return found
        theirs = peer(settings)
        different = [] if "left_out" in theirs else differences(settings, truth, *indices)
        return found | {"peer": theirs | ({"different": different} if different else {})}


@contextmanager
def command(settings: Settings, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    with (settings.home / f"{words[0]}.log").open("wb") as log:
        running = subprocess.Popen(
            [*COMMAND, *words], env=variables(settings), stdout=log, stderr=log
        )
    try:
        yield running
    finally:
        running.terminate()
        running.wait(120)


def live(home: Path, plays: int, rounds: int) -> dict[str, Any]:
    """Log → shipper → Kafka → streams → stores, all running: plays a second, round by round,
    then the time from a line in the log to its search hit at half of that rate; memory."""
    names = list(INDEX_OF_QUERY)
    with space(home) as settings, ExitStack() as commands:
        seconds: list[float] = []
        spare = 20_000 + LATENCY_SECONDS * 4_000
        make_world(settings, plays * (rounds + 1) + spare)
        lines = (settings.world / "tracks.csv").read_bytes().splitlines(keepends=True)
        connections.create_topics(settings)
        settings.live_log.parent.mkdir(parents=True)
        settings.live_log.touch()
        ship = commands.enter_context(command(settings, "ship", "--to", "kafka"))
        stream = commands.enter_context(command(settings, "stream"))
        memory = Memory(home, {"ship": ship.pid, "stream": stream.pid})

        def append(some: list[bytes]) -> None:
            with settings.live_log.open("ab") as log:
                log.write(b"".join(some))

        def done(upto: int) -> bool:
            for running in (ship, stream):
                if running.poll() is not None:
                    raise SystemExit(f"a command ended; see {settings.home}")
            known = state_file.load(settings.home / "ship-kafka.json")
            return bool(known) and known["lines"] >= upto and caught_up(settings, names)

        for number in range(rounds + 1):
            part = lines[number * plays : (number + 1) * plays]
            start = time.perf_counter()
            append(part)
            upto = (number + 1) * plays
            wait_until(lambda upto=upto: done(upto), PATIENCE, "a round", every=0.1)
            if number:  # the first one warms all of it
                seconds.append(time.perf_counter() - start)
        rate = plays * len(seconds) / sum(seconds)
        found = {"plays": plays, "seconds": seconds}
        known = {line.split(b",", 1)[0] for line in lines[: plays * (rounds + 1)]}
        new = [
            line for line in lines[plays * (rounds + 1) :] if line.split(b",", 1)[0] not in known
        ]
        latency = _latency(settings, new, rate / 2, append)
        batches = [(progress(settings, name) or {}).get("batch_seconds", 0) for name in names[:1]]
        return found | {
            "latency": latency
            | {
                "plays_per_second": rate / 2,
                "trigger": settings.trigger_seconds,
                "refresh": REFRESH_SECONDS,
                "batch": batches[0],
            },
            "records": sum(offsets(settings, "end").values()),
            "memory": memory.stop(),
        }


def _latency(
    settings: Settings, lines: list[bytes], rate: float, append: Callable[[list[bytes]], None]
) -> dict[str, Any]:
    """Seconds from the write of a line to the search that finds its play, of the probes."""
    written: dict[int, float] = {}
    found: dict[int, float] = {}
    over = threading.Event()

    def look() -> None:
        client = connections.elasticsearch(settings)
        while not over.wait(LOOK_EVERY):
            open_ = [event for event in list(written) if event not in found][:500]
            if not open_:
                continue
            hits = client.search(
                index=settings.index(PLAYS_INDEX),
                size=len(open_),
                query={"terms": {"event_id": open_}},
                source=False,
            )["hits"]["hits"]
            now = time.perf_counter()
            found.update({int(hit["_id"]): now for hit in hits})

    looking = threading.Thread(target=look)
    looking.start()
    start = time.perf_counter()
    sent = 0
    while (passed := time.perf_counter() - start) < LATENCY_SECONDS:
        due = lines[sent : int(passed * rate)]
        if due:
            append(due)
            now = time.perf_counter()
            probes = due[:: max(1, min(PROBE_EVERY, len(due)))]
            for line in probes:
                event = line.split(b",", 1)[0]
                if line.count(b",") == 5 and event.isdigit():
                    written.setdefault(int(event), now)
            sent += len(due)
        time.sleep(0.02)
    # What is no play never comes; what is one comes within some triggers.
    last = time.perf_counter()
    while set(written) - set(found) and time.perf_counter() < last + MISSING_SECONDS:
        before = len(found)
        time.sleep(0.2)
        last = time.perf_counter() if len(found) > before else last
    over.set()
    looking.join()
    return {
        "seconds": sorted(found[event] - written[event] for event in found),
        "probes": len(written),
        "lines": sent,
    }
