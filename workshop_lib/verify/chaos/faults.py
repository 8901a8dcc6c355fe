"""The faults of a chaos run, as a table: name → how it is injected, and into what."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from typing import Final

import psutil

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime import child, process
from workshop_lib.runtime.connections import elasticsearch
from workshop_lib.runtime.wait import wait_until
from workshop_lib.stack.passwords import admin
from workshop_lib.verify.chaos.site import INSIDE_STREAM, SERVERS, STEPS, Site

FROZEN: Final = 10.0  # seconds of SIGSTOP
READ_ONLY: Final = 12.0  # seconds
FULL: Final = 10.0  # seconds
DISK_FULL: Final = "disk full"
READ_SECONDS: Final = 120.0  # that shippers get to read all that is written


def kill(site: Site, name: str) -> None:
    if name == "sms-gateway":
        with site.nothing_is_sent():
            site.signal(name, signal.SIGKILL)
            site.running[name].wait()
    else:
        site.signal(name, signal.SIGKILL)
    if name in SERVERS:
        site.up()


def freeze(site: Site, name: str) -> None:
    site.signal(name, signal.SIGSTOP)
    time.sleep(FROZEN)
    site.signal(name, signal.SIGCONT)


def restart(site: Site, name: str) -> None:
    if name in SERVERS:
        for each in site.processes(name):
            with suppress(psutil.NoSuchProcess):
                each.terminate()
        wait_until(lambda: not site.processes(name), 60, f"{name} to end")
        site.up()
    else:
        with site.nothing_is_sent() if name == "sms-gateway" else nullcontext():
            child.stop([site.running[name]], 60)


def down_and_up(site: Site, name: str) -> None:
    site.must("down")
    site.up()


def block(site: Site, name: str) -> None:
    """Every index is read-only (write) or its disk is full (flood stage) for a while."""
    setting = {"read-only": "index.blocks.write", "full": "index.blocks.read_only_allow_delete"}
    client, everything = elasticsearch(admin(site.settings)), site.settings.index("*")
    client.indices.put_settings(index=everything, settings={setting[name]: True})
    time.sleep(READ_ONLY)
    client.indices.put_settings(index=everything, settings={setting[name]: None})


def fill_disk(site: Site, name: str) -> None:
    """The disk of the home is full for a while; the servers that ended of it are started again."""
    site.disk.be_full(FULL)
    site.up()


def change_log(site: Site, name: str) -> None:
    path = site.writer.log
    if name == "rotated":
        with site.writer.paused():
            for number in range(8, 0, -1):
                older = path.with_name(f"plays.log.{number}")
                if older.exists():
                    older.rename(path.with_name(f"plays.log.{number + 1}"))
            path.rename(path.with_name("plays.log.1"))
        return
    # What nobody has read yet is gone with the file, whoever follows it: so first all is read.
    with site.writer.paused():
        wait_until(site.shipped, READ_SECONDS, "both shippers to read the log", every=0.5)
        if name == "truncated":
            os.truncate(path, 0)
        elif name == "replaced":
            other = path.with_name("replacement")
            other.write_bytes(b"")
            other.replace(path)
        else:
            path.unlink()


def second(site: Site, name: str) -> None:
    """One more of a kind that runs already: refused, but for the SMS server, which shares."""
    command = process.Command(
        [sys.executable, "-m", child.WORKSHOP, *site.commands[name]], site.environment
    )
    extra = process.spawn(command, site.home / "logs" / f"chaos-second-{name}.log")
    try:
        if name == "sms-server":
            time.sleep(FROZEN)
        elif extra.wait(60) != 1:
            raise WorkshopError(f"A second `{name}` ended with {extra.returncode}, not with 1.")
    finally:
        child.stop([extra], 30)


Fault = tuple[Callable[[Site, str], None], str]


def faults(with_page: bool, with_disk: bool) -> dict[str, Fault]:
    """Name → how it is injected, and into what."""
    steps = [name for name in STEPS if with_page or name != "web"]
    table: dict[str, Fault] = {}
    for name in (*SERVERS, *steps):
        table |= {f"{name} killed": (kill, name), f"{name} frozen": (freeze, name)}
        table[f"{name} restarted"] = (restart, name)
    table |= {f"{name} killed": (kill, name) for name in INSIDE_STREAM}
    table["down and up"] = (down_and_up, "")
    table |= {f"store {name}": (block, name) for name in ("read-only", "full")}
    if with_disk:
        table[DISK_FULL] = (fill_disk, "")
    table |= {
        f"log {name}": (change_log, name)
        for name in ("rotated", "truncated", "replaced", "deleted")
    }
    table |= {
        f"second {name}": (second, name)
        for name in ("ship-kafka", "ship-elasticsearch", "stream", "sms-server")
    }
    return table
