"""The whole workshop in one go: servers, world, model, replay, streams, messages, page, score.

In: Settings. Out: ``.workshop/reports/demo.json`` and whether all checks hold; ``page.png``
beside it is the live page at the end. Every step
is the command that a learner types, as a process of its own, with its output kept in
``.workshop/logs/demo-<step>.log``.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from workshop_lib import stack
from workshop_lib.charts.answers import refresh
from workshop_lib.errors import WorkshopError
from workshop_lib.ingest.replay import read_state
from workshop_lib.ingest.ship import read_ship_state
from workshop_lib.page import server as web
from workshop_lib.runtime import child, http, process
from workshop_lib.runtime.connections import create_topics, elasticsearch
from workshop_lib.runtime.progress import Progress
from workshop_lib.runtime.wait import DEMO_SECONDS, wait_until
from workshop_lib.schema.names import (
    AGGREGATES_QUERY,
    INTERESTS_QUERY,
    PLAYS_QUERY,
    SMS_INDEX,
    TARGETS_INDEX,
    TARGETS_QUERY,
)
from workshop_lib.settings import Settings
from workshop_lib.stack.reset import reset
from workshop_lib.stream.run import caught_up
from workshop_lib.stream.run import progress as stream_progress
from workshop_lib.verify import page
from workshop_lib.verify.check import Stage
from workshop_lib.verify.score import stages
from workshop_lib.world.generate import FULL, WORLD, generate, this_minute

logger = logging.getLogger(__name__)

REPLAY_SECONDS = 40
#: More than the streams do: they catch up. A million plays must have arrived within an hour.
FULL_LINES_PER_SECOND = 20_000
FULL_SECONDS = 3600
QUERIES = (PLAYS_QUERY, AGGREGATES_QUERY, INTERESTS_QUERY, TARGETS_QUERY)
#: A step that was asked to stop saves its position first; one that has not ended by then is ended.
STOP_SECONDS = 60
#: Between two measurements of the memory: each takes a tenth of a second of a core.
LOOK_SECONDS = 5


class Meter:
    """Seconds per phase, and the most memory that servers and steps held at once.

    ``announce`` is called with the name of each phase as it begins.
    """

    def __init__(self, announce: Callable[[str], object] = str) -> None:
        self.announce = announce
        self.seconds: dict[str, float] = {}
        self.peak_bytes = 0
        self.looked = -math.inf

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        self.announce(name)
        start = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - start, 1)

    def look(self, settings: Settings, running: dict[str, child.Child]) -> None:
        """Measure the memory, unless that was done less than ``LOOK_SECONDS`` ago."""
        if time.monotonic() < self.looked + LOOK_SECONDS:
            return
        self.looked = time.monotonic()
        alive = (each for each in running.values() if each.returncode is None)
        steps = sum(process.memory(psutil.Process(each.pid)) for each in alive)
        self.peak_bytes = max(self.peak_bytes, stack.resident(settings) + steps)


def run(
    settings: Settings,
    progress: Progress,
    full: bool = False,
    announce: Callable[[str], object] = str,
    show_page: Callable[[str], object] = str,
) -> dict[str, Any]:
    """Run the demo on the stack of ``settings``; the report, also written to disk.

    ``full``: a million plays, all of which are replayed, instead of the last day of a small world.
    ``announce`` is called with the name of each phase, ``show_page`` with the page's address.

    The stack is left up. Raises ``WorkshopError`` when a step
    fails, with the last lines that it printed.
    """
    meter = Meter(announce)
    with meter.phase("total"):
        with meter.phase("servers"):
            stack.up(settings.model_copy(update={"servers_long": full or settings.servers_long}))
        settings = Settings(home=settings.home)  # now with the ports that were free
        with meter.phase("world"):
            make_world(settings, full)
            reset(settings)
            create_topics(settings)
        with meter.phase("model"):
            logger.info("Training on the plays and clicks of the days before")
            train(settings)
        with meter.phase("flow"):
            address = web.start(settings)
            logger.info("The live page is at %s", address)
            show_page(address)
            phone = flow(settings, progress, meter, full)
        with meter.phase("page"):
            show(settings)
        with meter.phase("verify"):
            scored = stages(settings, phone)
    return write_report(settings, scored, meter)


def mark(settings: Settings) -> Path:
    """The file that says that this world is the demo's and may be replaced."""
    return settings.world / "made-by-demo"


def make_world(settings: Settings, full: bool = False) -> None:
    """The demo's world ends now, so that its evenings are today's; another one is kept."""
    if (settings.world / "tracks.csv").exists() and not mark(settings).exists():
        logger.info("Using the world that is in %s.", settings.world)
        return
    now = this_minute(settings.timezone)
    generate(settings.world, until=now, **(WORLD | FULL if full else WORLD))
    mark(settings).write_text("`workshop demo` made this world and replaces it at its next run.\n")


def train(settings: Settings) -> None:
    """Train a model, as a step that ends by itself."""
    training = _start(settings, "train", ["train"])
    try:
        training.wait(DEMO_SECONDS)
    finally:
        child.stop([training], STOP_SECONDS)
    _all_well(settings, {"train": training})


def steps(settings: Settings, gateway_port: int, full: bool = False) -> dict[str, list[str]]:
    """The commands that run side by side, as a learner would type them."""
    speed = settings.live_hours * 3600 / REPLAY_SECONDS
    last_day = ["--speed", f"{speed:g}", "--last", f"{settings.live_hours:g}"]
    everything = ["--rate", str(FULL_LINES_PER_SECOND)]
    return {
        "sms-gateway": ["sms-gateway", "--port", str(gateway_port)],
        "sms-server": ["sms-server"],
        "stream": ["stream"],
        "ship-kafka": ["ship", "--to", "kafka"],
        "ship-elasticsearch": ["ship", "--to", "elasticsearch"],
        "replay": ["replay", *(everything if full else last_day)],
    }


def flow(
    settings: Settings, progress: Progress, meter: Meter, full: bool = False
) -> dict[str, Any]:
    """Start the steps, wait until every play has gone all the way, stop them.

    Returns what arrived at the simulated phone.
    """
    gateway_port = process.free_port(urlsplit(settings.sms_url).port or 0)
    settings = settings.model_copy(update={"sms_url": f"http://127.0.0.1:{gateway_port}"})
    commands = steps(settings, gateway_port, full)
    running: dict[str, child.Child] = {}
    try:
        for name, arguments in commands.items():
            running[name] = _start(settings, name, arguments)

        def all_arrived() -> bool:
            _all_well(settings, running)
            meter.look(settings, running)
            return _at_rest(settings, progress)

        what = f"the plays to arrive; see {settings.logs}/demo-*.log"
        wait_until(all_arrived, FULL_SECONDS if full else DEMO_SECONDS, what, every=0.3)
        arrived = phone(settings)
    finally:
        child.stop(running.values(), STOP_SECONDS)
    _all_well(settings, running)
    return arrived


def show(settings: Settings) -> None:
    """Keep what the page shows now, and a picture of it where there is a browser."""
    address = web.start(settings)
    refresh(settings)
    page.remember(settings, web.snapshot(address))
    try:
        web.screenshot(address, settings.reports / "page.png")
    except WorkshopError as error:
        logger.warning("No picture of the page: %s", error)


def phone(settings: Settings) -> dict[str, Any]:
    """What the simulated phone says of itself: counts and messages."""
    summary: dict[str, Any] = json.loads(http.get(f"{settings.sms_url}/messages", timeout=10))
    return summary


def _start(settings: Settings, name: str, arguments: list[str]) -> child.Child:
    environment = {"WORKSHOP_SMS_URL": settings.sms_url}
    return child.start(
        settings, f"demo-{name}", child.WORKSHOP, *arguments, environment=environment
    )


def _at_rest(settings: Settings, progress: Progress) -> bool:
    """Whether the last replayed line has reached every end; reports how far each step is."""
    replayed = read_state(settings)
    if replayed is None:
        return False
    # Asked first, so that at the end the bars below are full.
    streamed = caught_up(settings, QUERIES)
    total = replayed.last_line - replayed.first_line
    lines = replayed.next_line - replayed.first_line
    progress("replay → log", lines, total)
    shipped = {}
    for to in ("elasticsearch", "kafka"):
        state = read_ship_state(settings, to)
        shipped[to] = state.lines if state else 0
        progress(f"log → {to}", shipped[to], total)
    state = read_ship_state(settings, "kafka")
    for query in QUERIES:
        done = (stream_progress(settings, query) or {}).get("input_rows", 0)
        progress(f"stream: {query}", done, total - (state.rejected if state else 0))
    arrived = all(count == total for count in shipped.values())
    if not (replayed.done and arrived and streamed):
        return False
    client = elasticsearch(settings)
    client.indices.refresh(index=[settings.index(TARGETS_INDEX), settings.index(SMS_INDEX)])
    targets, sent = (
        int(client.count(index=settings.index(name), query=query)["count"])
        for name, query in (("targets", {"match_all": {}}), ("sms", {"term": {"status": "sent"}}))
    )
    progress("targets → phone", sent, targets)
    return sent >= targets


def _all_well(settings: Settings, running: dict[str, child.Child]) -> None:
    for name, each in running.items():
        child.check(settings, f"demo-{name}", each, f"Step `{name}`")


def write_report(settings: Settings, scored: list[Stage], meter: Meter) -> dict[str, Any]:
    """The report as design §6 has it, in ``reports/demo.json``."""
    plays = (stream_progress(settings, PLAYS_QUERY) or {}).get("input_rows", 0)
    result = {
        "ok": all(stage.ok for stage in scored),
        "stack": settings.stack,
        "versions": {s.name: s.version for s in stack.status(settings)},
        "seconds": meter.seconds,
        "plays": plays,
        "plays_per_second": round(plays / meter.seconds["flow"]),
        "peak_memory_gib": round(meter.peak_bytes / 2**30, 2),
        "stages": [stage.as_dict() for stage in scored],
    }
    settings.reports.mkdir(parents=True, exist_ok=True)
    for name in ("demo", f"demo-{settings.stack}"):
        text = json.dumps(result, indent=2, default=str) + "\n"
        (settings.reports / f"{name}.json").write_text(text)
    return result
