"""A chaos run: faults are injected into a pipeline under load, and nothing may be lost.

In: a home of its own, a seed and a number of rounds. Out: ``Report``: for each round the fault
and the seconds until everything flows again, for each hop its account (``check``), and whether
the negative controls were caught.
"""

from __future__ import annotations

import logging
import shutil
import signal
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime import child, node
from workshop_lib.runtime.progress import Progress, silent
from workshop_lib.runtime.wait import wait_until
from workshop_lib.verify.chaos.check import Account, accounts
from workshop_lib.verify.chaos.controls import controls
from workshop_lib.verify.chaos.faults import DISK_FULL, down_and_up, faults
from workshop_lib.verify.chaos.site import CUSTOMERS, INSIDE_STREAM, SERVERS, TRACKS, Site

log = logging.getLogger(__name__)

RECOVERY: Final = 300.0  # seconds after which a round has failed
SETTLE: Final = 300.0


@dataclass
class Round:
    """``seconds`` from the injection until everything flowed again; None: not within RECOVERY.

    ``last``: what flowed again last.
    """

    fault: str
    seconds: float | None = None
    last: str = ""
    restarted: list[str] = field(default_factory=list)
    error: str = ""  # why the fault could not be injected, or was not refused

    def as_line(self) -> str:
        seconds = "not recovered" if self.seconds is None else f"{self.seconds:.1f} s"
        seconds += f", {self.last} last" if self.last else ""
        again = f"; started again: {', '.join(self.restarted)}" if self.restarted else ""
        return f"{self.fault}: {seconds}{again}{'; ' if self.error else ''}{self.error}"


@dataclass
class Report:
    """The result of a run; ``left_out``: a kind of faults → why there are none of it."""

    seed: int
    rounds: list[Round]
    accounts: list[Account]
    controls: dict[str, bool]
    seconds: float
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        recovered = all(each.seconds is not None and not each.error for each in self.rounds)
        return recovered and all(a.ok for a in self.accounts) and all(self.controls.values())

    def as_dict(self) -> dict[str, Any]:
        return {
            "ok": self.ok,
            "seed": self.seed,
            "seconds": round(self.seconds),
            "rounds": [vars(each) for each in self.rounds],
            "faults": self.by_fault(),
            "left_out": self.left_out,
            "accounts": [each.as_dict() for each in self.accounts],
            "controls": self.controls,
        }

    def by_fault(self) -> list[dict[str, Any]]:
        """Per fault: rounds, recovered, seconds, and which processes had to be started again."""
        rows = []
        for fault in sorted({each.fault for each in self.rounds}):
            of = [each for each in self.rounds if each.fault == fault]
            took = [each.seconds for each in of if each.seconds is not None]
            rows.append(
                {
                    "fault": fault,
                    "rounds": len(of),
                    "recovered": len(took),
                    "median_seconds": round(statistics.median(took), 1) if took else None,
                    "longest_seconds": round(max(took), 1) if took else None,
                    "came_last": dict(Counter(each.last for each in of if each.last)),
                    "started_again": dict(Counter(n for each in of for n in each.restarted)),
                    "errors": "; ".join(each.error for each in of if each.error),
                }
            )
        return rows


def run(
    home: Path,
    seed: int,
    rounds: int,
    only: list[str] | None = None,
    progress: Progress = silent,
    stop: threading.Event | None = None,
) -> Report:
    """Inject ``rounds`` faults, all of them before any comes again, in an order of the seed.

    ``only``: these faults. ``stop``: no further round, but the account of those that were.
    ``home`` is removed first. Raises ``WorkshopError`` when the pipeline does not even start.
    """
    began = time.monotonic()
    everything = faults(with_page=True, with_disk=True)
    wanted = set(only or everything)
    if wanted - everything.keys():
        unknown = min(wanted - everything.keys())
        raise WorkshopError(f"There is no fault {unknown!r}.", f"One of: {', '.join(everything)}.")
    left_out: dict[str, str] = {}
    if any("web" in name for name in wanted):
        left_out["live page"] = _no_page()
    site = Site(home, seed, with_page=left_out.get("live page") == "")
    _remove(site)
    done: list[Round] = []
    try:
        if DISK_FULL in wanted:
            left_out["full disk"] = site.disk.mount()
        table = faults(left_out.get("live page") == "", left_out.get("full disk") == "")
        left_out = {kind: reason for kind, reason in left_out.items() if reason}
        if only and wanted - table.keys():
            raise WorkshopError(f"{min(wanted - table.keys())} is left out: {left_out}.")
        progress("rounds", 0, rounds, "starting")
        _begin(site)
        order: list[str] = []
        for number in range(rounds):
            if stop and stop.is_set():
                break
            if not order:
                order = sorted(only or table)
                site.draw.shuffle(order)
            fault = order.pop()
            progress("rounds", number, rounds, fault)
            done.append(_round(site, fault, *table[fault]))
            log.info("%d of %d: %s", number + 1, rounds, done[-1].as_line())
        progress("rounds", rounds, rounds, "settling")
        site.writer.stop()
        found = _settled(site)
        child.stop(site.running.values(), 60)
        site.running.clear()
        caught = controls(site.settings, site.writer.written, site.phone, site.environment)
    finally:
        if site.writer.is_alive():
            site.writer.stop()
        for name in (*SERVERS, *site.running, *INSIDE_STREAM):
            site.signal(name, signal.SIGCONT)
        child.stop(site.running.values(), 60)
        site.workshop("down")
        _unmount(site)
    return Report(seed, done, found, caught, time.monotonic() - began, left_out)


def _no_page() -> str:
    """Why the live page cannot run here; ""."""
    try:
        node.install()
    except WorkshopError as error:
        return error.message
    return ""


def _remove(site: Site) -> None:
    """What an earlier run has left, which may have been killed."""
    if site.home.exists():
        site.workshop("down", "--clean")
        site.disk.unmount()
        shutil.rmtree(site.home, ignore_errors=True)


def _unmount(site: Site) -> None:
    try:
        site.disk.unmount()
    except WorkshopError as error:  # the result of the run is worth more
        log.warning("%s stays mounted: %s", site.home, error)


def _begin(site: Site) -> None:
    """Servers, a world, a model, all steps, and a first play that has gone all the way."""
    site.up()
    sizes = ("--customers", str(CUSTOMERS), "--tracks", str(TRACKS), "--plays", "40000")
    site.must("data", "generate", "--seed", "7", *sizes, "--until", "now")
    site.must("train")
    for name in site.commands:
        site.start(name)
    site.writer.start()
    wait_until(lambda: site.writer.latest, 10, "the first play")
    wait_until(lambda: site.flows(1, "0-0"), RECOVERY, "the first play to arrive", every=0.5)


def _round(site: Site, name: str, inject: Callable[[Site, str], None], what: str) -> Round:
    """Inject one fault at a random moment, and wait until everything flows again."""
    time.sleep(site.draw.uniform(0, 3))
    site.restarted.clear()
    result, began = Round(name), time.monotonic()

    def call() -> None:
        try:
            inject(site, what)
        except Exception as error:
            result.error = f"{type(error).__name__}: {error}"
            log.warning("%s: %s", name, result.error)

    # A fault may last for seconds; meanwhile a supervisor starts again what has ended.
    injected = threading.Thread(target=call, daemon=True)
    injected.start()
    while injected.is_alive():
        injected.join(0.5)
        if inject is not down_and_up:
            site.supervise()
    event, entry = site.writer.latest, site.newest_entry()

    def flows() -> bool:
        if site.flows(event, entry):
            return True
        result.last = site.missing
        return False

    with suppress(WorkshopError):
        wait_until(flows, RECOVERY, "everything to flow", every=0.2)
        result.seconds = time.monotonic() - began
    result.restarted = list(site.restarted)
    return result


def _settled(site: Site) -> list[Account]:
    """The accounts, once they are right or do not get any better."""
    found: list[Account] = []

    def right() -> bool:
        nonlocal found
        site.supervise()
        site.poll_phone()
        found = accounts(site.settings, site.writer.written, site.phone.elements())
        return all(each.ok for each in found)

    with suppress(WorkshopError):
        wait_until(right, SETTLE, "the accounts to be right", every=2)
    return found
