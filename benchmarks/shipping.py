"""From the log into Kafka: ``workshop ship``, rsyslog and kcat, as JSON, keyed by customer.

Each gets the same log of well-formed lines and a topic of its own; the values and keys that it
leaves there are compared with the shipper's, one by one. They take turns, so that what else
the machine does meets all alike. All write into a Kafka without passwords; the shipper writes
into the workshop's own, too, as its users do.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from bench_ship import lines
from open_kafka import open_kafka
from workload import space

from workshop_lib.errors import WorkshopError
from workshop_lib.ingest.ship import ship
from workshop_lib.runtime import connections
from workshop_lib.runtime.wait import wait_until
from workshop_lib.schema.names import PLAYS_TOPIC
from workshop_lib.settings import Settings
from workshop_lib.stream.progress import offsets

PEERS: Final = Path(__file__).parent / "peers"
#: How to have what a peer needs, said when it is missing.
MISSING: Final = {
    "rsyslog": "apt-get install rsyslog rsyslog-kafka",
    "kcat": "apt-get install kcat",
}


def workshop(settings: Settings, count: int) -> None:
    assert ship(settings, "kafka", once=True).accepted == count


def kcat(settings: Settings, count: int) -> None:
    subprocess.run(
        [
            *(PEERS / "kcat.sh", settings.live_log, settings.kafka_bootstrap),
            settings.topic(PLAYS_TOPIC),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def rsyslog(settings: Settings, count: int) -> None:
    """rsyslogd does not end by itself: the topic tells that it is done."""
    text = (PEERS / "rsyslog.conf").read_text()
    for name, value in (
        ("FOLDER", settings.home),
        ("LOG", settings.live_log),
        ("KAFKA", settings.kafka_bootstrap),
        ("TOPIC", settings.topic(PLAYS_TOPIC)),
    ):
        text = text.replace(f"@{name}@", str(value))
    configuration = settings.home / "rsyslog.conf"
    configuration.write_text(text)
    server = subprocess.Popen(
        ["rsyslogd", "-n", "-f", configuration, "-i", settings.home / "rsyslog.pid"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(
            lambda: sum(offsets(settings, "end").values()) >= count, 60, "rsyslog", every=0.05
        )
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


#: The shipper, into the workshop's Kafka.
OWN: Final = "workshop ship, with a password"
WAYS: Final[dict[str, Callable[[Settings, int], None]]] = {
    OWN: workshop,
    "workshop ship": workshop,
    "rsyslog": rsyslog,
    "kcat": kcat,
}


def missing(name: str) -> str:
    """Why a peer cannot run here; "" if it can."""
    program = {"rsyslog": "rsyslogd"}.get(name, name)
    there = WAYS[name] is workshop or shutil.which(program) is not None
    if name == "rsyslog" and there:
        there = any(Path("/usr/lib").rglob("rsyslog/omkafka.so"))
    return "" if there else f"not installed: {MISSING[name]}"


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        return f"It ended with exit code {error.returncode}."
    return str(error)


def once(
    home: Path, name: str, log: list[bytes], kafka: dict[str, object]
) -> tuple[float, dict[bytes, bytes]]:
    """Seconds to have ``log`` in an empty topic, and what is there then: value → key.

    ``kafka``: the settings of the Kafka without passwords.
    """
    with space(home, **({} if name == OWN else kafka)) as settings:
        settings.live_log.parent.mkdir(parents=True)
        settings.live_log.write_bytes(b"".join(line + b"\n" for line in log))
        connections.create_topics(settings)
        start = time.perf_counter()
        WAYS[name](settings, len(log))
        seconds = time.perf_counter() - start
        reader = connections.consumer(settings, PLAYS_TOPIC, consumer_timeout_ms=1500)
        found = {message.value: message.key for message in reader}
        reader.close()
    return seconds, found


def measure(home: Path, count: int, runs: int) -> dict[str, Any]:
    """Lines per second of each way, or why there is no number."""
    log = lines(count)
    result: dict[str, Any] = {name: {"seconds": [], "plays": count} for name in WAYS}
    for name in WAYS:
        if missing(name):
            result[name] = {"left_out": missing(name)}
    with open_kafka(Settings(home=home)) as kafka:
        # Warms both.
        wanted, again = (once(home, name, log, kafka)[1] for name in (OWN, "workshop ship"))
        assert wanted == again
        for _ in range(runs):
            for name in WAYS:
                if "seconds" not in result[name]:
                    continue
                try:
                    seconds, found = once(home, name, log, kafka)
                except (WorkshopError, subprocess.CalledProcessError) as error:
                    result[name] = {"failed": _reason(error)}
                    continue
                if found != wanted:
                    lost = len(wanted.items() - found.items())
                    result[name]["different"] = f"{lost} lines differ"
                result[name]["seconds"].append(seconds)
    return result
