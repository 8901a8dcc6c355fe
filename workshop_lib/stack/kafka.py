"""Kafka as one local process: broker and controller in one (KRaft), on 127.0.0.1."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import socket
import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kafka import KafkaAdminClient
from kafka.errors import KafkaError
from pydantic import SecretStr

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime import artifacts, state_file
from workshop_lib.runtime.java import FEW_ARENAS, FIRST_COMPILER, Java, compilers
from workshop_lib.runtime.open_clients import open_kafka_admin
from workshop_lib.runtime.process import Command
from workshop_lib.runtime.refusal import KAFKA_LOGIN_FAILED
from workshop_lib.settings import Settings, jaas
from workshop_lib.stack import kafka_users, passwords

VERSION = "4.3.1"
HEAP = "512m"
#: Beside the data: a digest of the password with which they were made.
USERS = "made-with"

LOG4J = """\
rootLogger.level=INFO
rootLogger.appenderRef.console.ref=console
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=[%d] %p %m (%c)%n
"""


def node(port: int, controller_port: int, protocol: str) -> dict[str, str]:
    """server.properties of one node that needs no other one, so every replication factor is 1.

    ``protocol``: of both listeners, PLAINTEXT or SASL_PLAINTEXT.
    """
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "listeners": f"CLIENTS://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"CLIENTS://127.0.0.1:{port}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "CLIENTS",
        "listener.security.protocol.map": f"CLIENTS:{protocol},CONTROLLER:{protocol}",
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


def properties(port: int, controller_port: int, words: Mapping[str, str]) -> str:
    """server.properties of a ``node`` with users.

    ``words``: the users' passwords. Who comes to one of the two listeners proves one of them.
    """
    login = jaas(kafka_users.MECHANISM, kafka_users.ADMIN, words[kafka_users.ADMIN])
    mechanism = kafka_users.MECHANISM.lower()
    # Whoever could listen on the loopback device is root, and TLS hides nothing from root.
    values = node(port, controller_port, "SASL_PLAINTEXT") | {
        "sasl.enabled.mechanisms": kafka_users.MECHANISM,
        "sasl.mechanism.inter.broker.protocol": kafka_users.MECHANISM,
        "sasl.mechanism.controller.protocol": kafka_users.MECHANISM,
        f"listener.name.clients.{mechanism}.sasl.jaas.config": login,
        f"listener.name.controller.{mechanism}.sasl.jaas.config": login,
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "false",
        "super.users": f"User:{kafka_users.ADMIN}",
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


def prepare(
    settings: Settings, port: int, controller_port: int, java: Java, cluster: str
) -> Command:
    """Write the configuration, format the data folder once, and say how to start."""
    folder = settings.home / "kafka"
    folder.mkdir(parents=True, exist_ok=True)
    config, log4j = folder / "server.properties", folder / "log4j2.properties"
    words = passwords.of(settings, "kafka")
    state_file.write(config, properties(port, controller_port, words), 0o600)
    log4j.write_text(LOG4J)
    start = [
        *(str(java.program), "-XX:+UseSerialGC", f"-Dlog4j2.configurationFile={log4j}"),
        *("-cp", artifacts.kafka_classpath()),
    ]
    if cluster_id(folder) is None:
        _format(folder, [*start, *FIRST_COMPILER], cluster, words)
    elif not _made_with(folder, words):
        raise WorkshopError(
            f"Kafka's data in {folder} was made without users, or with other passwords.",
            "`workshop down --clean` deletes all servers' data; then run `workshop up`.",
        )
    return Command(
        [
            *start,
            *(f"-Xmx{HEAP}", "-XX:+ExitOnOutOfMemoryError"),
            *compilers(settings.servers_long),
            *("-Djava.net.preferIPv4Stack=true", "kafka.Kafka", str(config)),
        ],
        FEW_ARENAS,
        folder=folder,
    )


def _format(folder: Path, start: list[str], cluster: str, words: Mapping[str, str]) -> None:
    """Make the data folder with its users: the broker itself logs in before it can add one."""
    users = (
        f"--add-scram={kafka_users.MECHANISM}=[name={user},password={word}]"
        for user, word in words.items()
    )
    # With the equals sign: an id may begin with a dash.
    arguments = ("format", f"--cluster-id={cluster}", "-c", "server.properties", *users)
    # By a file, which Java itself reads: everybody sees what stands on a command line.
    file = folder / "format.arguments"
    state_file.write(file, "\n".join(("kafka.tools.StorageTool", *arguments)), 0o600)
    try:
        done = subprocess.run(
            [*start, f"@{file.name}"], cwd=folder, capture_output=True, text=True, check=False
        )
    finally:
        file.unlink()
    if done.returncode:
        shutil.rmtree(folder / "data", ignore_errors=True)
        said = done.stderr[-300:]
        raise WorkshopError(f"Kafka's data folder {folder} cannot be made: {said}")
    state_file.write(folder / USERS, _digest(words), 0o600)


def _made_with(folder: Path, words: Mapping[str, str]) -> bool:
    """Whether the data folder was made with the password of the user who may do all."""
    path = folder / USERS
    return path.exists() and path.read_text() == _digest(words)


def _digest(words: Mapping[str, str]) -> str:
    # The password is 24 random bytes: its digest gives it to nobody.
    return hashlib.sha256(words[kafka_users.ADMIN].encode()).hexdigest()


def secrets(settings: Settings) -> dict[str, Any]:
    """Name of the setting → the password, or passwords, of the users who need it."""
    words = passwords.of(settings, "kafka")
    services = {user: word for user, word in words.items() if user in kafka_users.SERVICES}
    return {"kafka_password": words["kit"], "kafka_passwords": services}


def _client(settings: Settings, port: int, user: str) -> KafkaAdminClient:
    update = {
        "kafka_bootstrap": f"127.0.0.1:{port}",
        "kafka_username": user,
        "kafka_password": SecretStr(passwords.of(settings, "kafka")[user]),
    }
    return open_kafka_admin(
        settings.model_copy(update=update), request_timeout_ms=3000, bootstrap_timeout_ms=2000
    )


def admit(settings: Settings, port: int) -> None:
    """Kafka knows each user and what it may do; the work of the one who may do all."""
    client = _client(settings, port, kafka_users.ADMIN)
    try:
        kafka_users.put_users(client, passwords.of(settings, "kafka"))
        kafka_users.put_rights(client)
    finally:
        client.close()


def health(settings: Settings, port: int) -> str:
    """ "" when it answers, else why not."""
    try:
        # The client would go on trying for its whole time before it says so.
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
        client = _client(settings, port, "health")
    except KAFKA_LOGIN_FAILED:
        return passwords.refuses("health")
    except (KafkaError, OSError, ValueError) as error:
        return f"does not answer ({type(error).__name__})"
    try:
        client.describe_cluster()
        return ""
    except KafkaError as error:
        return f"does not describe itself ({type(error).__name__})"
    finally:
        client.close()
