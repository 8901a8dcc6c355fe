"""A Kafka of its own that asks for no password, for the shippers of others.

rsyslog and kcat of Debian 12 come with librdkafka 2.0.2, whose SCRAM does not follow RFC 5802
(its pull request 4895 corrects it, in 2.6.1): the workshop's Kafka refuses them. So that the
ways into Kafka are compared on the same server, all of them write into this one. It has the
jars, the configuration, the heap and the compilers of the workshop's; it listens on 127.0.0.1.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kafka.errors import KafkaError
from pydantic import SecretStr

from workshop_lib.runtime import artifacts, java
from workshop_lib.runtime.open_clients import open_kafka_admin
from workshop_lib.runtime.process import free_port
from workshop_lib.runtime.wait import wait_until
from workshop_lib.settings import Settings
from workshop_lib.stack import kafka


def answers(settings: Settings) -> bool:
    try:
        open_kafka_admin(settings, bootstrap_timeout_ms=1000).close()
    except (KafkaError, OSError, ValueError):
        return False
    return True


@contextmanager
def open_kafka(settings: Settings) -> Iterator[dict[str, object]]:
    """The settings that differ, while it runs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        port = free_port(0)
        controller_port = free_port(0, {port})
        values = kafka.node(port, controller_port, "PLAINTEXT")
        (folder / "server.properties").write_text(kafka.properties_text(values))
        (folder / "log4j2.properties").write_text(kafka.LOG4J)
        program = [
            *(str(java.find().program), "-Dlog4j2.configurationFile=log4j2.properties"),
            *("-cp", artifacts.kafka_classpath()),
        ]
        subprocess.run(
            [
                *(*program, "kafka.tools.StorageTool", "format"),
                *(f"--cluster-id={kafka.new_cluster_id()}", "-c", "server.properties"),
            ],
            cwd=folder,
            capture_output=True,
            check=True,
        )
        server = subprocess.Popen(
            [
                *(program[0], f"-Xmx{kafka.HEAP}", "-XX:+UseSerialGC"),
                *java.compilers(settings.servers_long),
                *(*program[1:], "kafka.Kafka", "server.properties"),
            ],
            cwd=folder,
            env=os.environ | java.FEW_ARENAS,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        update = {
            "kafka_bootstrap": f"127.0.0.1:{port}",
            "kafka_password": SecretStr(""),
            "kafka_passwords": {},
            # It belongs to no home.
            "identity": "",
        }
        try:
            wait_until(lambda: answers(settings.model_copy(update=update)), 60, "Kafka")
            yield update
        finally:
            server.terminate()
            server.wait(30)
