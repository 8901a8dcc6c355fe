"""Erase a listener: search every store, erase, search every store again.

In: Settings of a home on which nothing runs, and a customer id. Out: a row for each store.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, NamedTuple

from workshop_lib.errors import WorkshopError
from workshop_lib.forget import files, servers
from workshop_lib.ingest import replay
from workshop_lib.runtime.connections import redis_client
from workshop_lib.runtime.identity import require_own_servers
from workshop_lib.runtime.lock import running
from workshop_lib.schema.names import SMS_OUTBOX
from workshop_lib.settings import Settings
from workshop_lib.stack.reset import LONG_RUNNING, apart, remove

#: A worker of the SMS server that asked for messages within so many milliseconds is running.
ALIVE_MS: Final = 5_000

#: (settings, customer, erase) → how many there are, before.
Search = Callable[[Settings, int, bool], int]
#: The order is that of the flow: what is upstream goes first, so that nothing flows after it.
STORES: Final[dict[str, Search]] = {
    "recorded world": files.world,
    "log and its rotations": files.log,
    "Kafka records": servers.records,
    "checkpoints of streams": files.state_of_streams,
    "Elasticsearch documents": servers.documents,
    "Redis keys": servers.keys,
    "Redis messages": servers.messages,
    "dead letters in files": files.letters,
    "model snapshots": files.models,
    "printed logs": files.printed,
}


class StoreCount(NamedTuple):
    """``left``: found by another search, after erasing; None when nothing was to be erased."""

    store: str
    found: int
    erased: int
    left: int | None


def forget(settings: Settings, customer: int, dry_run: bool = False) -> list[StoreCount]:
    """Erase ``customer`` from all of ``STORES``; ``dry_run`` only counts.

    Raises ``WorkshopError`` while something of this home runs that could write the listener
    again, and when something is left.
    """
    require_own_servers(settings)
    _require_nothing_runs(settings)
    servers.put_back(settings)  # of a run that was killed
    found = {store: search(settings, customer, False) for store, search in STORES.items()}
    if dry_run:
        return [StoreCount(store, count, 0, None) for store, count in found.items()]
    for place in sorted((settings.home / "sandbox").glob("*")):
        remove(apart(settings, place.name))  # a lesson makes its own place again
    for search in STORES.values():
        search(settings, customer, True)
    left = {store: search(settings, customer, False) for store, search in STORES.items()}
    rows = [StoreCount(s, count, count - left[s], left[s]) for s, count in found.items()]
    remaining = [row.store for row in rows if row.left]
    if remaining:
        raise WorkshopError(
            f"Something of customer {customer} is left: {', '.join(remaining)}.",
            "Something writes there: see `workshop status`, stop it, then run this again.",
        )
    return rows


def _require_nothing_runs(settings: Settings) -> None:
    if settings.stack == "docker":
        raise WorkshopError(
            "In Docker's stack Logstash reads the log at any moment.",
            "`workshop reset` clears all; a world without the listener is imported again.",
        )
    held = running(settings, *LONG_RUNNING, "begin", "dlq-replay")
    if _sms_server_runs(settings):
        held.append("sms-server")
    if held:
        raise WorkshopError(
            f"Running: workshop {', workshop '.join(held)}. They would write the listener again.",
            "Stop them (Ctrl-C in their terminals), then run this again.",
        )
    state = replay.read_state(settings)
    if state is not None and not state.done:
        raise WorkshopError(
            "A replay has not come to its end; its place in the recording would be lost.",
            "Run `workshop replay` to its end, or `workshop reset`.",
        )


def _sms_server_runs(settings: Settings) -> bool:
    client, outbox = redis_client(settings), settings.key(SMS_OUTBOX)
    if not client.exists(outbox):
        return False
    until = time.monotonic() + ALIVE_MS / 1000
    groups = client.xinfo_groups(outbox)
    workers = [w for g in groups for w in client.xinfo_consumers(outbox, g["name"])]
    if not any(worker["idle"] < ALIVE_MS for worker in workers):
        return False
    # One that has just ended is silent from now on.
    idle = {worker["name"]: worker["idle"] for worker in workers}
    while time.monotonic() < until:
        time.sleep(0.2)
        for group in groups:
            for worker in client.xinfo_consumers(outbox, group["name"]):
                if worker["idle"] < idle.get(worker["name"], 0):
                    return True
                idle[worker["name"]] = worker["idle"]
    return False
