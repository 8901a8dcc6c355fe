"""The embedded stack: Kafka, Elasticsearch and valkey as this user's own processes.

``.workshop/stack.json`` records ports and addresses while the stack is up; ``Settings``
reads the addresses there, so nothing else needs to know which ports were free.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path

import psutil

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime import artifacts, process
from workshop_lib.runtime.identity import ADDRESS, mark_redis, require_own_server
from workshop_lib.runtime.java import Java, find_or_install
from workshop_lib.runtime.lock import holder, only_one
from workshop_lib.runtime.progress import log_tenths
from workshop_lib.runtime.refusal import Refused
from workshop_lib.runtime.state_file import load, save
from workshop_lib.runtime.wait import SERVER_SECONDS, wait_until
from workshop_lib.settings import Settings, make_private
from workshop_lib.stack import elasticsearch, kafka, record, redis, reset
from workshop_lib.stack.passwords import passwords
from workshop_lib.stack.passwords import path as passwords_file
from workshop_lib.stack.status import ServiceStatus

logger = logging.getLogger(__name__)

#: Seconds for which a server waits for the port that it had.
PORT_SECONDS = 10
#: How often servers are started when another program takes a port meanwhile.
STARTS = 3
VERSIONS = {
    "kafka": kafka.VERSION,
    "elasticsearch": elasticsearch.VERSION,
    "redis": f"valkey {redis.VERSION}",
}
#: The live page, if the demo left it running; the servers do without it.
PAGE = "web"
HEALTH: dict[str, Callable[[Settings, int], str]] = {
    "kafka": kafka.health,
    "elasticsearch": elasticsearch.health,
    "redis": redis.health,
}


def _pids(settings: Settings) -> Path:
    return settings.home / "pids"


def _log(settings: Settings, name: str) -> Path:
    return settings.logs / f"{name}.log"


def _recorded_ports(settings: Settings) -> dict[str, int]:
    todo = "Run `workshop down`, delete the file, then run `workshop up`."
    return load(settings.home / "ports.json", todo) or {}


def _choose_ports(settings: Settings, running: set[str]) -> dict[str, int]:
    """A port for each: the one it has, the one it had before, the one of the settings, any.

    0 in the settings: any, also for the second port of the same server.
    """
    before = _recorded_ports(settings)
    kafka_port, elasticsearch_port = settings.kafka_port, settings.elasticsearch_port
    wanted = {
        "kafka": kafka_port,
        "kafka-controller": kafka_port and kafka_port + 1,
        "elasticsearch": elasticsearch_port,
        "elasticsearch-transport": elasticsearch_port and elasticsearch_port + 100,
        "redis": settings.redis_port,
    }
    ports: dict[str, int] = {}
    for name, port in wanted.items():
        if name.split("-")[0] in running and name in before:
            ports[name] = before[name]
        else:
            ports[name] = _port(name, port, before.get(name), set(ports.values()))
    return ports


def _port(name: str, wanted: int, before: int | None, taken: set[int]) -> int:
    """The port that ``name`` had before, as commands that run know it, or a free one."""
    if before is None:
        return process.free_port(wanted, taken)
    # A client that tries to connect may hold it for a moment as a port of its own.
    with suppress(WorkshopError):
        return wait_until(lambda: process.can_listen(before) and before, PORT_SECONDS)
    port = process.free_port(wanted, taken | {before})
    logger.warning(
        "Port %d of %s is taken by another program; it is %d now: start again what still runs.",
        *(before, name, port),
    )
    return port


def _commands(
    settings: Settings, ports: dict[str, int], java: Java, identity: str
) -> dict[str, Callable[[], process.Command]]:
    """How to start each, the slowest one first: they come up side by side."""
    return {
        "elasticsearch": lambda: elasticsearch.prepare(
            settings, ports["elasticsearch"], ports["elasticsearch-transport"], java, identity
        ),
        "redis": lambda: redis.prepare(settings, ports["redis"]),
        "kafka": lambda: kafka.prepare(
            settings, ports["kafka"], ports["kafka-controller"], java, identity
        ),
    }


def _alone(settings: Settings) -> AbstractContextManager[None]:
    """Only one may change the servers of this home; its namespaces share them."""
    return only_one(settings.model_copy(update={"namespace": ""}), "up")


def up(
    settings: Settings,
) -> list[ServiceStatus]:
    """Start every server that is not running and wait until all are well.

    A server that crashed is started again on its port with its data; with all of them well
    nothing happens. Each step is logged. Raises ``WorkshopError`` with
    the end of the log when a server does not come up. Interrupted, it stops what it started.
    """
    make_private(settings.home)
    with _alone(settings):
        before, recorded = _running(settings), (settings.home / "stack.json").exists()
        if before == set(VERSIONS) and recorded:
            now = status(settings)
            if all(service.ok for service in now):
                return now
        java = find_or_install()
        artifacts.ensure(settings, log_tenths())
        identity = kafka.cluster_id(settings.home / "kafka") or kafka.new_cluster_id()
        try:
            ports = _start(settings, java, identity)
            # It may also have been started by an `up` that did not get so far.
            if "kafka" not in before or not recorded:
                kafka.admit(settings, ports["kafka"])
        except KeyboardInterrupt:
            for name in set(VERSIONS) - before:
                process.stop(name, _pids(settings))
            raise
        _remember(settings, ports, identity)
        return status(settings)


def _running(settings: Settings) -> set[str]:
    return {name for name in VERSIONS if process.find(name, _pids(settings))}


class _PortTaken(WorkshopError):
    """Another process took the port of ``server`` after it was found free."""

    def __init__(self, server: str, log: Path) -> None:
        super().__init__(
            f"{server} ended while starting: another program took its port.",
            f"Run the same command again; the whole log is {log}.",
        )
        self.server = server


def _start(settings: Settings, java: Java, identity: str) -> dict[str, int]:
    """Start each server that does not run and wait until all are well; their ports.

    Seconds pass between finding a port free and listening on it. A server that another
    process was faster than is started again on another port.
    """
    earlier = _recorded_ports(settings)
    for _ in range(STARTS - 1):
        try:
            return _start_once(settings, java, identity)
        except _PortTaken as error:
            logger.info("Another program took a port of %s: trying another one.", error.server)
            process.forget(error.server, _pids(settings))
            kept = {
                name: port
                for name, port in _recorded_ports(settings).items()
                if name in earlier or name.split("-")[0] != error.server
            }
            save(settings.home / "ports.json", kept, indent=2)
    return _start_once(settings, java, identity)


def _start_once(settings: Settings, java: Java, identity: str) -> dict[str, int]:
    """``_start`` with the ports that are free now. Raises ``_PortTaken``."""
    running, pids = _running(settings), _pids(settings)
    ports = _choose_ports(settings, running)
    save(settings.home / "ports.json", ports, indent=2)
    for name, prepare in _commands(settings, ports, java, identity).items():
        if name in running:
            continue
        again = " again: it had crashed" if process.is_stale(name, pids) else ""
        logger.info("Starting %s %s on port %d%s", name, VERSIONS[name], ports[name], again)
        process.start(name, prepare(), pids, _log(settings, name))
    for name in VERSIONS:
        _wait_for(settings, name, ports[name])
    return ports


def _wait_for(settings: Settings, name: str, port: int) -> None:
    log = _log(settings, name)

    def well() -> bool:
        if process.find(name, _pids(settings)) is None:
            if process.port_was_taken(log):
                raise _PortTaken(name, log)
            raise WorkshopError(
                f"{name} ended while starting: {process.why(log)}",
                f"The whole log is {log}; `workshop doctor` checks the machine.",
            )
        return not HEALTH[name](settings, port)

    try:
        wait_until(well, SERVER_SECONDS, name, every=0.2)
    except WorkshopError as error:
        if error.todo:
            raise
        raise WorkshopError(
            f"{name} {HEALTH[name](settings, port) or 'is not well'} after {SERVER_SECONDS} s:"
            f" {process.why(log)}",
            f"The whole log is {log}; `workshop doctor` checks the machine.",
        ) from None


def _remember(settings: Settings, ports: dict[str, int], identity: str) -> None:
    addresses = {
        "kafka_bootstrap": f"127.0.0.1:{ports['kafka']}",
        "elasticsearch_url": f"http://127.0.0.1:{ports['elasticsearch']}",
    }
    of_redis = redis.urls(passwords(settings), ports["redis"])
    mark_redis(settings.model_copy(update={**of_redis, "identity": identity}))
    secrets = of_redis | elasticsearch.secrets(settings) | kafka.secrets(settings)
    record.remember(settings, "embedded", addresses, secrets, identity)


def down(settings: Settings) -> list[str]:
    """Stop every server, most dependent first; the names of those that ran. Data stays."""
    with _alone(settings):
        record.forget(settings)
        names = (PAGE, *reversed(VERSIONS))
        return [name for name in names if process.stop(name, _pids(settings))]


def remove(settings: Settings) -> None:
    """Stop the servers and remove their data and programs; the fetched files stay cached.

    Positions and checkpoints go with the data that they are of.
    """
    down(settings)
    for path in reset.state_of_servers(settings):
        reset.clear(path)
    passwords_file(settings).unlink(missing_ok=True)
    for folder in (
        settings.home / "kafka",
        settings.home / "redis",
        elasticsearch.home(settings),
    ):
        if folder.exists():
            shutil.rmtree(folder)


def status(settings: Settings) -> list[ServiceStatus]:
    """How each server is right now, whether it was ever started or not."""
    ports = _recorded_ports(settings)
    return [_status_of(settings, name, ports.get(name)) for name in VERSIONS]


def _status_of(settings: Settings, name: str, port: int | None) -> ServiceStatus:
    found = process.find(name, _pids(settings))
    if found is None:
        problem = "not started"
        if process.is_stale(name, _pids(settings)):
            problem = f"crashed; its last line: {process.tail(_log(settings, name), 1)}"
        return ServiceStatus(name, VERSIONS[name], None, None, 0, problem)
    if port is None:
        problem = "runs on a port that is not known: `workshop down`, then `workshop up`"
        return ServiceStatus(name, VERSIONS[name], None, found.pid, process.memory(found), problem)
    problem = HEALTH[name](settings, port) or _refusal(settings, name)
    return ServiceStatus(name, VERSIONS[name], port, found.pid, process.memory(found), problem)


def _refusal(settings: Settings, name: str) -> str:
    """Why a server that is well does not let the commands of these settings in; "" if it does."""
    server = next(each for each in ADDRESS if each.lower() == name)
    if not getattr(settings, ADDRESS[server]):
        return ""  # they were read before the servers were up
    try:
        require_own_server(settings, server)
    except Refused as error:
        return error.problem
    except WorkshopError as error:
        return f"is not the one that is asked: {error.message}; {error.todo}"
    return ""


def resident(settings: Settings) -> int:
    """Bytes that all servers hold in memory right now."""
    found = (process.find(name, _pids(settings)) for name in (*VERSIONS, PAGE))
    return sum(process.memory(each) for each in found if each)


def resident_with_spark(settings: Settings) -> int:
    """Bytes that the servers and ``workshop stream``, if it runs, hold right now."""
    stream = holder(settings, "stream")
    try:
        spark = process.memory(psutil.Process(stream)) if stream else 0
    except psutil.NoSuchProcess:
        spark = 0
    return resident(settings) + spark
