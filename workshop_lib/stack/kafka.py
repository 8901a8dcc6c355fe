"""Kafka as one local process: broker and controller in one (KRaft), on 127.0.0.1."""

from __future__ import annotations

import base64
import re
import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime import artifacts
from workshop_lib.runtime.java import FIRST_COMPILER, Java
from workshop_lib.runtime.process import Command
from workshop_lib.settings import Settings

VERSION = "4.3.1"
HEAP = "512m"

LOG4J = """\
rootLogger.level=INFO
rootLogger.appenderRef.console.ref=console
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=[%d] %p %m (%c)%n
"""


def properties(port: int, controller_port: int) -> str:
    """server.properties: one node that needs no other one, so every replication factor is 1."""
    values = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": "data",  # of FOLDER, where it is started: whatever signs its name has
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "4",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        # A learner's typo would otherwise become a topic.
        "auto.create.topics.enable": "false",
        # After a kill -9 the log is checked; one thread a folder would be slow at it.
        "num.recovery.threads.per.data.dir": "2",
    }
    return properties_text(values)


def properties_text(values: Mapping[str, str]) -> str:
    """The text of a ``.properties`` file: Java reads Latin-1, other signs as \\uXXXX."""

    def escaped(value: str) -> str:
        units = value.replace("\\", "\\\\").encode("utf-16-be")
        codes = (int.from_bytes(units[i : i + 2], "big") for i in range(0, len(units), 2))
        return "".join(chr(code) if 32 <= code < 127 else f"\\u{code:04x}" for code in codes)

    return "".join(f"{key}={escaped(value)}\n" for key, value in values.items())


def cluster_id(folder: Path) -> str | None:
    """The id with which the data folder was formatted; None before."""
    path = folder / "data" / "meta.properties"
    if not path.exists():
        return None
    found = re.search(r"^cluster\.id=(\S+)", path.read_text(), re.MULTILINE)
    return found[1] if found else None


def new_cluster_id() -> str:
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


def prepare(folder: Path, port: int, controller_port: int, java: Java, cluster: str) -> Command:
    """Write the configuration, format the data folder once, and say how to start."""
    folder.mkdir(parents=True, exist_ok=True)
    config, log4j = folder / "server.properties", folder / "log4j2.properties"
    config.write_text(properties(port, controller_port))
    log4j.write_text(LOG4J)
    start = [str(java.program), "-cp", artifacts.kafka_classpath()]
    if not (folder / "data" / "meta.properties").exists():
        done = subprocess.run(
            [
                *start,
                f"-Dlog4j2.configurationFile={log4j}",
                "kafka.tools.StorageTool",
                # With the equals sign: an id may begin with a dash.
                *("format", f"--cluster-id={cluster}", "-c", str(config), "--ignore-formatted"),
            ],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise WorkshopError(
                f"Kafka's data folder {folder} cannot be made: {done.stderr[-300:]}"
            )
    return Command(
        [
            *start[:1],
            *(f"-Xmx{HEAP}", "-XX:+UseSerialGC", FIRST_COMPILER, "-XX:+ExitOnOutOfMemoryError"),
            *("-Djava.net.preferIPv4Stack=true", f"-Dlog4j2.configurationFile={log4j}"),
            *start[1:],
            *("kafka.Kafka", str(config)),
        ],
        {},
        folder=folder,
    )


def health(settings: Settings, port: int) -> str:
    """ "" when it answers, else why not."""
    try:
        client = KafkaAdminClient(
            bootstrap_servers=f"127.0.0.1:{port}",
            request_timeout_ms=3000,
            bootstrap_timeout_ms=2000,
        )
    except (KafkaError, OSError, ValueError) as error:
        return f"does not answer ({type(error).__name__})"
    try:
        client.list_topics()
        return ""
    except KafkaError as error:
        return f"does not list topics ({type(error).__name__})"
    finally:
        client.close()
