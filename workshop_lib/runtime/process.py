"""Local processes: started, and those that outlive us found again by their pid files.

A pid file holds the pid and the moment that process started. Before anything is killed
both must fit: after a crash the system may have given the same pid to another process.
"""

from __future__ import annotations

import json
import os
import pwd
import random
import re
import socket
import subprocess
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from workshop_lib.runtime import state_file


@dataclass(frozen=True)
class Command:
    """How to start a server: words, environment beside our own, user (None: ourselves)."""

    words: list[str]
    environment: Mapping[str, str]
    user: pwd.struct_passwd | None = None
    folder: Path | None = None


def spawn(
    command: Command, log: Path | None = None, stdin: int = subprocess.DEVNULL
) -> subprocess.Popen[bytes]:
    """Start ``command`` in a session of its own: a Ctrl-C in the terminal does not reach it.

    Its output goes to ``log``, in place of what was there, or where ours goes.
    """
    identity: dict[str, object] = {}
    if command.user:
        # All three: without a group the server would keep root's.
        user = command.user
        identity = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    if log:
        log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") if log else nullcontext() as output:
        return subprocess.Popen(
            command.words,
            stdout=output,
            stderr=subprocess.STDOUT if log else None,
            stdin=stdin,
            env={**os.environ, **command.environment},
            cwd=command.folder,
            start_new_session=True,
            **identity,  # type: ignore[call-overload]
        )


def start(name: str, command: Command, pids: Path, log: Path) -> psutil.Process:
    """Start a server that outlives us; its earlier log is kept."""
    if log.exists():
        log.replace(log.with_name(f"{log.name}.1"))
    child = spawn(command, log)
    remember(name, child.pid, pids)
    return psutil.Process(child.pid)


def remember(name: str, pid: int, pids: Path) -> None:
    """Write the pid file with which ``find`` and ``stop`` know the process."""
    record = {"pid": pid, "started": started(pid)}
    state_file.save(pids / f"{name}.json", record)


def started(pid: int) -> str:
    """The moment a process started, equal for the same process only.

    Linux counts clock ticks since boot, which no setting of the clock changes; the time
    of day that is computed from them shifts with it, and a laptop's clock is set often.
    Raises ``psutil.NoSuchProcess``.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        # The program's name, in brackets, may hold spaces and brackets; see proc(5), field 22.
        ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return f"{psutil.Process(pid).create_time():.2f}"
    return f"{boot} {ticks}"


def find(name: str, pids: Path) -> psutil.Process | None:
    """The process that ``start`` made, if it is still that one and alive."""
    try:
        record = json.loads((pids / f"{name}.json").read_text())
        process = psutil.Process(record["pid"])
        if started(process.pid) != record["started"]:
            return None
        return None if process.status() == psutil.STATUS_ZOMBIE else process
    except (FileNotFoundError, ValueError, KeyError, psutil.NoSuchProcess):
        return None


def is_stale(name: str, pids: Path) -> bool:
    """A pid file without its process: the server crashed, or the machine restarted."""
    return (pids / f"{name}.json").exists() and find(name, pids) is None


def forget(name: str, pids: Path) -> None:
    (pids / f"{name}.json").unlink(missing_ok=True)


def family(process: psutil.Process) -> list[psutil.Process]:
    """The process and what it started: Elasticsearch's launcher starts the server."""
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def stop(name: str, pids: Path, seconds: float = 20) -> bool:
    """End the process gracefully, then by force; whether there was one."""
    process = find(name, pids)
    if process is None:
        forget(name, pids)
        return False
    members = family(process)
    for member in members:
        _signal(member, "terminate")
    _, alive = psutil.wait_procs(members, timeout=seconds)
    for member in alive:
        _signal(member, "kill")
    psutil.wait_procs(alive, timeout=5)
    forget(name, pids)
    return True


def _signal(process: psutil.Process, how: str) -> None:
    # One that ended by itself meanwhile is what was wanted.
    with suppress(psutil.NoSuchProcess):
        getattr(process, how)()


def memory(process: psutil.Process) -> int:
    """Resident bytes of the process and its children, what they share counted once.

    Forked workers share most of their memory; adding up resident sizes would count it for
    each. Where the system does not tell (not Linux, or another user's process), it is the
    resident size.
    """
    total = 0
    for member in family(process):
        with suppress(psutil.NoSuchProcess):
            try:
                total += member.memory_full_info().pss
            except (psutil.AccessDenied, AttributeError):
                total += member.memory_info().rss
    return total


def free_port(wanted: int, taken: set[int] | None = None) -> int:
    """``wanted`` if nobody uses it, else a free one below those that the system gives clients."""
    others = random.sample(range(20_000, 32_000), 50)
    for port in (wanted, *others) if wanted else others:
        if port not in (taken or set()) and can_listen(port):
            return port
    raise OSError("no free port on 127.0.0.1")


def can_listen(port: int) -> bool:
    """Whether a server can listen on ``port``."""
    if answers(port):
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def answers(port: int) -> bool:
    """Whether somebody listens there, perhaps on all addresses, where macOS lets us bind, too."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        # A port of the range for clients may be the probe's own: it would meet itself.
        return (
            probe.connect_ex(("127.0.0.1", port)) == 0
            and probe.getsockname() != probe.getpeername()
        )


def tail(log: Path, lines: int = 3) -> str:
    """The last lines of a log, in one line, for an error message."""
    if not log.exists():
        return "no log"
    return " | ".join(log.read_text(errors="replace").strip().splitlines()[-lines:])[-600:]


#: How Java and valkey, and the page's server, say that another process has the port.
PORT_TAKEN = re.compile(
    r"address already in use|^Port \d+ is taken\.", re.IGNORECASE | re.MULTILINE
)
#: A cause, in Java's words and in Node's.
CAUSE = re.compile(r"^Caused by: |^\s*\[cause\]: ")
#: A line that says why; stack traces stand between such lines. Node's begins with a class.
REASON = re.compile(rf"{CAUSE.pattern}|\bERROR\b|\bFATAL\b|^(?:Uncaught )?\w*Error(?: \[\w+\])?: ")


def port_was_taken(log: Path) -> bool:
    """Whether the log says that another process listens on the port."""
    return log.exists() and bool(PORT_TAKEN.search(log.read_text(errors="replace")))


def why(log: Path) -> str:
    """Why a process ended, in one line: its first error and the last cause, or its last lines."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    found = [line[:300] for line in lines if REASON.search(line)]
    causes = [line.strip() for line in found[1:] if CAUSE.search(line)]
    return " | ".join([*found[:1], *causes[-1:]]) or tail(log)
