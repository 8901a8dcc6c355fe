"""The same streams on a Spark cluster: a master and two workers, processes of their own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pyspark
import pytest
from stream_world import (
    counted,
    documents,
    environment,
    hits,
    minutes,
    random_plays,
    send,
    write_world,
)

from workshop_lib.runtime import connections
from workshop_lib.runtime.java import FIRST_COMPILER
from workshop_lib.runtime.wait import wait_until
from workshop_lib.settings import Settings

pytestmark = [
    pytest.mark.stack,
    pytest.mark.timeout(900),
    pytest.mark.usefixtures("nothing_left"),
]


HOST = "127.0.0.1"
SPARK_HOME = Path(pyspark.__path__[0])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@contextmanager
def spark_class(folder: Path, name: str, *arguments: str) -> Iterator[Path]:
    """A daemon of Spark; yields its log. It is stopped, with what it started, at the end."""
    log = folder / f"{name}-{len(list(folder.glob('*.log')))}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                str(SPARK_HOME / "bin" / "spark-class"),
                f"org.apache.spark.deploy.{name}",
                *("--host", HOST, "--webui-port", "0"),
                *arguments,
            ],
            env=os.environ
            | {
                "SPARK_HOME": str(SPARK_HOME),
                "SPARK_LOCAL_IP": HOST,
                "SPARK_DAEMON_MEMORY": "256m",
                "SPARK_DAEMON_JAVA_OPTS": " ".join(FIRST_COMPILER),
                "SPARK_NO_DAEMONIZE": "1",
            },
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield log
    finally:
        family = [process, *psutil.Process(process.pid).children(recursive=True)]
        for member in family:
            member.terminate()
        psutil.wait_procs(family[1:], 20)
        process.wait(20)


@pytest.fixture
def master(tmp_path: Path) -> Iterator[str]:
    """Address of a master that two workers of one core each have joined."""
    address = f"spark://{HOST}:{free_port()}"
    with ExitStack() as daemons:
        port = address.rpartition(":")[2]
        log = daemons.enter_context(spark_class(tmp_path, "master.Master", "--port", port))
        wait_until(lambda: "I have been elected leader" in log.read_text(), 180, "the master")
        for n in range(2):
            work = tmp_path / f"work{n}"
            daemons.enter_context(
                spark_class(
                    tmp_path,
                    "worker.Worker",
                    *("--cores", "1", "--memory", "700m", "--work-dir", str(work)),
                    address,
                )
            )
        wait_until(lambda: log.read_text().count("Registering worker") == 2, 180, "the workers")
        yield address


def test_the_streams_give_the_same_answers_on_a_cluster(
    stack: Settings, master: str, tmp_path: Path
) -> None:
    write_world(stack)
    connections.create_topics(stack)
    plays = random_plays(31, 500, 180)
    send(stack, [*plays, *plays[::9], (b"k", b"junk")])
    result = subprocess.run(
        [sys.executable, "-m", "workshop_lib.cli", "stream", "--available-now"],
        env=os.environ | environment(stack) | {"WORKSHOP_SPARK_MASTER": master},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    executors = {path.parts[-3] for path in tmp_path.glob("work*/app-*/[0-9]*")}
    assert executors == {"work0", "work1"}, "both workers took part"
    assert set(documents(stack, "plays")) == {str(each.event_id) for each in plays}
    assert counted(stack) == minutes(plays)
    want = hits(plays)
    assert want
    assert {int(id_) for id_ in documents(stack, "interests")} == want
    letters = connections.consumer(stack, "plays.dlq", consumer_timeout_ms=2000)
    assert [(letter.key, letter.value) for letter in letters] == [(b"k", b"junk")]
    letters.close()
