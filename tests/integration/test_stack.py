"""The embedded stack on its own ports: up, crash, up again, down. One stack, one walk."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from workshop_lib import stack
from workshop_lib.runtime import artifacts, process
from workshop_lib.runtime.connections import consumer, create_topics, producer, redis_client
from workshop_lib.runtime.progress import messages_to
from workshop_lib.runtime.wait import wait_until
from workshop_lib.settings import Settings
from workshop_lib.stack import elasticsearch

pytestmark = pytest.mark.stack

#: Servers and Spark together stay within 4 GiB; Spark's driver takes up to 1.5 of them.
SERVERS_AT_MOST = int(2.5 * 2**30)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("own-stack")
    yield home
    stack.remove(Settings(home=home))


@pytest.fixture(scope="module")
def taken_port() -> Iterator[int]:
    """A port that somebody else holds."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]


@pytest.fixture(scope="module")
def said_at_start() -> list[str]:
    return []


@pytest.fixture(scope="module")
def up(home: Path, taken_port: int, said_at_start: list[str]) -> Settings:
    """Redis's port is taken before it is chosen, that of Kafka's controller just afterwards."""
    find = process.free_port
    faster = iter((taken_port,))

    def free_port(wanted: int, taken: set[int] | None = None) -> int:
        is_controller = wanted == settings.kafka_port + 1
        return next(faster, find(wanted, taken)) if is_controller else find(wanted, taken)

    settings = Settings(home=home, redis_port=taken_port)
    with pytest.MonkeyPatch.context() as patch, messages_to(said_at_start.append):
        patch.setattr(process, "free_port", free_port)
        stack.up(settings)
    return Settings(home=home)


def _pids(settings: Settings) -> dict[str, int | None]:
    return {service.name: service.pid for service in stack.status(settings)}


def test_all_are_well_and_within_their_memory(up: Settings) -> None:
    services = stack.status(up)
    assert [service.problem for service in services] == ["", "", ""]
    assert 0 < sum(service.memory for service in services) < SERVERS_AT_MOST


def test_the_size_of_all_files_is_the_one_that_progress_counts_to(up: Settings) -> None:
    files = [artifacts.library() / name for name in artifacts.checksums()]
    assert sum(file.stat().st_size for file in files) == artifacts.SIZE


def test_a_taken_port_was_moved_and_the_settings_know(up: Settings, taken_port: int) -> None:
    (redis,) = (s for s in stack.status(up) if s.name == "redis")
    assert redis.port != taken_port
    assert up.redis_address == f"redis://127.0.0.1:{redis.port}/0"
    assert redis_client(up).ping()


def test_a_port_that_is_taken_after_it_was_chosen_costs_another_start(
    up: Settings, taken_port: int, said_at_start: list[str]
) -> None:
    assert "Another program took a port of kafka: trying another one." in said_at_start
    started = [said for said in said_at_start if said.startswith("Starting kafka")]
    assert len(started) == 2 and "crashed" not in started[1]
    ports = json.loads((up.home / "ports.json").read_text())
    assert len(set(ports.values()) | {taken_port}) == 6
    create_topics(up)  # its users were let in


def test_a_user_reads_why_a_server_ended_not_its_last_words(tmp_path: Path) -> None:
    log = tmp_path / "elasticsearch.log"
    log.write_text(
        "[INFO ] starting\n[ERROR][Elasticsearch] fatal exception: BindException: 127.0.0.1:9300\n"
        "\tat org.example.Main.main(Main.java:1)\nCaused by: first\n\tat x\nCaused by: no entry\n"
        "[INFO ] closing\n[INFO ] closed\n\nERROR: it died\n"
    )
    assert process.why(log) == (
        "[ERROR][Elasticsearch] fatal exception: BindException: 127.0.0.1:9300"
        " | Caused by: no entry"
    )
    log.write_text("one\ntwo\n")
    assert process.why(log) == "one | two" == process.tail(log)
    assert process.why(tmp_path / "none") == "no log"


def test_they_listen_on_this_machine_only(up: Settings) -> None:
    listening = [
        connection.laddr.ip
        for pid in _pids(up).values()
        for member in process.family(psutil.Process(pid))
        for connection in member.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 5  # two ports of Kafka, two of Elasticsearch, one of Redis
    assert set(listening) <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts it as somebody else")
def test_started_by_root_elasticsearch_has_no_right_of_root_and_owns_only_what_it_writes(
    up: Settings,
) -> None:
    pid = _pids(up)["elasticsearch"]
    for member in process.family(psutil.Process(pid)):
        assert 0 not in (*member.uids(), *member.gids())
    owners = {path.name: path.stat().st_uid for path in elasticsearch.home(up).iterdir()}
    assert {name for name, owner in owners.items() if owner == 0} == {
        f"elasticsearch-{elasticsearch.VERSION}"
    }
    assert elasticsearch.home(up).stat().st_uid == 0


def test_a_second_up_changes_nothing(up: Settings) -> None:
    before = _pids(up)
    said: list[str] = []
    with messages_to(said.append):
        stack.up(up)
    assert _pids(up) == before and said == []


def test_after_kill_9_only_the_dead_server_starts_again_with_its_data(up: Settings) -> None:
    create_topics(up)
    writer = producer(up)
    writer.send(up.topic("plays"), b"kept").get(30)
    writer.close()
    before = _pids(up)
    victim = psutil.Process(before["kafka"])
    victim.kill()
    wait_until(lambda: process.find("kafka", up.home / "pids") is None, 10, "Kafka to be gone")
    (kafka,) = (s for s in stack.status(up) if s.name == "kafka")
    assert kafka.pid is None
    assert kafka.problem.startswith("crashed; its last line: [20")  # what the log says

    stack.up(up)

    after = _pids(up)
    assert after["kafka"] != before["kafka"]
    assert {**after, "kafka": 0} == {**before, "kafka": 0}
    reader = consumer(up, "plays", consumer_timeout_ms=20_000)
    assert next(iter(reader)).value == b"kept"
    reader.close()


def test_down_leaves_nothing_running(up: Settings) -> None:
    members = [
        member for pid in _pids(up).values() for member in process.family(psutil.Process(pid))
    ]
    assert len(members) > 3  # Elasticsearch's launcher has the server for a child

    assert sorted(stack.down(up)) == ["elasticsearch", "kafka", "redis"]

    assert not any(member.is_running() for member in members)
    assert not (up.home / "stack.json").exists()
    assert {s.problem for s in stack.status(up)} == {"not started"}
    assert stack.down(up) == []


def test_remove_takes_the_data_along(up: Settings) -> None:
    assert elasticsearch.home(up).exists()
    stack.remove(up)
    assert not elasticsearch.home(up).exists() and not (up.home / "kafka").exists()
