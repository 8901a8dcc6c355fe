"""The Docker stack in containers: it starts, its users keep to their rights, it comes back.

Marker ``docker``: skipped with the reason where no engine runs or an image is missing. Everything
here takes about five minutes; ``test_rooms.py`` is for `make docker-test-local`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import redis
from containers import (
    CORE,
    OWN,
    ROOT_HERE,
    WHO,
    Room,
    docker,
    image_of,
    privileges,
    reason_against,
)
from elasticsearch import AuthenticationException, Elasticsearch
from elasticsearch.exceptions import AuthorizationException
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewTopic
from kafka.errors import KafkaError

WHY = reason_against([OWN, *map(image_of, CORE)])
pytestmark = [
    pytest.mark.docker,
    pytest.mark.timeout(900),
    pytest.mark.skipif(bool(WHY), reason=WHY),
]
#: Those of stages 2 and 4.
SERVICES = (*CORE, "jupyter", "spark-master", "spark-worker", "sms-gateway", "sms-server", "web")
#: Those that write into their own program's folders when they start.
WRITING = ("kafka", "elasticsearch")
#: Where the kernel's own file systems are, in every container.
KERNEL_S = ("/proc", "/sys", "/dev")


def redis_url(room: Room) -> str:
    return f"redis://:{room.env['REDIS_PASSWORD']}@127.0.0.1:{room.ports['WORKSHOP_REDIS_PORT']}"


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    room = Room(tmp_path_factory.mktemp("room") / "checkout", 21_000)
    try:
        room.up(2)
        room.up(4)
        yield room
    finally:
        room.workshop("down", "--clean")


def test_every_container_of_a_stage_becomes_healthy(room: Room) -> None:
    services = json.loads(room.workshop("status", "--json"))
    assert {s["name"]: s["problem"] for s in services} == dict.fromkeys(SERVICES, "")


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_is_nobody_s_root_and_has_no_capability(room: Room, service: str) -> None:
    assert privileges(room.run(service, "sh", "-c", WHO)) == []
    touched = room.run(service, "sh", "-c", "touch /etc/x /usr/x && echo yes", check=False)
    assert touched == ""


@pytest.mark.parametrize("service", SERVICES)
def test_only_what_compose_gives_it_can_be_written(room: Room, service: str) -> None:
    mounts = [line.split() for line in room.run(service, "cat", "/proc/mounts").splitlines()]
    writable = {
        where
        for _, where, _, options, *_ in mounts
        if options.startswith("rw") and not where.startswith(KERNEL_S)
    }
    about = json.loads(docker("inspect", room.containers()[service]))[0]
    given = {m["Destination"] for m in about["Mounts"] if m["RW"]}
    given |= set(about["HostConfig"].get("Tmpfs") or ())
    root = {"/"} if service in WRITING else set()
    assert given <= writable
    # Docker writes these, from outside.
    assert writable - {"/etc/hosts", "/etc/hostname", "/etc/resolv.conf"} == given | root


def test_a_container_with_more_rights_is_found_out() -> None:
    """The control: the same image without what compose.yaml says."""
    image = image_of("redis")
    alone = ("run", "--rm", "--network", "none", "--user", "0", "--entrypoint", "sh")
    faults = privileges(docker(*alone, image, "-c", WHO))
    assert "sh is root" in faults and "sh may gain privileges" in faults
    assert any("CapEff" in fault for fault in faults)
    least = ("--user", "999", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
    assert privileges(docker(*alone, *least, image, "-c", WHO)) == []
    assert privileges("") == ["no process was seen"]
    entering = "Name:\trunc:[2:INIT]\nUid:\t0\t0\t0\t0\n"
    assert privileges(entering) == ["no process was seen"]
    assert privileges(entering + "Name:\tsh\nUid:\t0\t0\t0\t0\n") == ["sh is root"]


@pytest.mark.parametrize("service", SERVICES)
def test_no_process_has_a_password_among_its_arguments(room: Room, service: str) -> None:
    hidden = [v for n, v in room.env.items() if n.endswith(("_PASSWORD", "_TOKEN", "_KEY"))]
    assert len(hidden) > 5
    lines = room.run(service, "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    assert len(lines) > 20
    assert not [value for value in hidden if value in lines]


def test_spark_s_containers_and_the_phone_know_no_password(room: Room) -> None:
    hidden = [v for n, v in room.env.items() if n.endswith(("_PASSWORD", "_TOKEN", "_KEY"))]
    for service in ("spark-master", "spark-worker", "sms-gateway"):
        environment = room.run(service, "env")
        assert "PATH=" in environment
        assert not [value for value in hidden if value in environment]


def test_the_users_of_elasticsearch_keep_to_their_rights(room: Room) -> None:
    address = f"http://127.0.0.1:{room.ports['WORKSHOP_ELASTICSEARCH_PORT']}"

    def as_(name: str) -> Elasticsearch:
        password = room.env[f"{name.upper()}_PASSWORD"]
        return Elasticsearch(address, basic_auth=(name, password))

    play = {"event_id": 1, "customer_id": 0, "track_id": 1, "played_at": "2026-03-01T12:00:00Z"}
    with pytest.raises(AuthenticationException):
        Elasticsearch(address).cluster.health()
    kit, web, logstash, health = map(as_, ("kit", "web", "logstash", "health"))
    kit.index(index="plays-raw", id="1", document=play, refresh=True)
    assert web.search(index="plays-raw")["hits"]["total"]["value"] == 1
    assert health.cluster.health()["status"] in ("green", "yellow")
    for forbidden in (
        lambda: kit.index(index="somebody-elses", document=play),
        lambda: kit.cluster.put_settings(persistent={"action.auto_create_index": "true"}),
        lambda: kit.security.get_user(),
        lambda: web.index(index="plays-raw", document=play),
        lambda: web.indices.delete(index="plays-raw"),
        lambda: logstash.search(index="plays-raw"),
        lambda: logstash.index(index="plays", document=play),
        lambda: health.search(index="plays-raw"),
        lambda: as_("setup").search(index="plays-raw"),
    ):
        with pytest.raises(AuthorizationException):
            forbidden()
    kit.indices.delete(index="plays-raw")


def test_the_users_of_kafka_keep_to_their_rights(room: Room) -> None:
    def login(user: str, password: str = "") -> dict[str, Any]:
        return {
            "bootstrap_servers": f"127.0.0.1:{room.ports['WORKSHOP_KAFKA_PORT']}",
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_mechanism": "PLAIN",
            "sasl_plain_username": user,
            "sasl_plain_password": password or room.env[f"KAFKA_{user.upper()}_PASSWORD"],
        }

    def topics(user: str, password: str = "") -> set[str]:
        with closing(KafkaAdminClient(**login(user, password))) as admin:
            return set(admin.list_topics())

    def make(user: str) -> None:
        with closing(KafkaAdminClient(**login(user))) as admin:
            admin.create_topics([NewTopic("practice-containers", 1, 1)])

    def send(user: str) -> None:
        with closing(KafkaProducer(**login(user), max_block_ms=3_000)) as producer:
            producer.send("practice-containers", b"{}").get(10)

    make("kit")
    send("kit")
    assert "practice-containers" in topics("kit")
    assert "practice-containers" not in topics("reader"), "it sees its own topics only"
    for user in ("reader", "stream", "shipper"):
        with pytest.raises(KafkaError):
            send(user)
        with pytest.raises(KafkaError):
            make(user)
    with pytest.raises(KafkaError):
        topics("kit", "another password")
    with closing(KafkaAdminClient(**login("kit"))) as admin:
        admin.delete_topics(["practice-containers"])


def test_redis_asks_for_its_password(room: Room) -> None:
    port = room.ports["WORKSHOP_REDIS_PORT"]
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(port=port).ping()


def test_what_runs_inside_knows_its_servers(room: Room) -> None:
    services = json.loads(room.run("jupyter", "workshop", "status", "--json"))
    assert [(s["name"], s["host"], s["problem"]) for s in services] == [
        (name, name, "") for name in CORE
    ]


@pytest.mark.skipif(not ROOT_HERE, reason="only root may kill a container's first process")
def test_redis_that_was_killed_comes_back_with_its_data(room: Room) -> None:
    client = redis.from_url(redis_url(room))
    client.set("kept", "yes")
    client.waitaof(1, 0, 30_000)  # it is on disk: no more than a second's keys may be lost
    room.kill("redis")
    assert client.get("kept") == b"yes"


def test_down_keeps_data_and_passwords_and_clean_does_not(room: Room) -> None:
    password = room.env["REDIS_PASSWORD"]
    client = redis.from_url(redis_url(room))
    client.set("stays", "yes")
    room.workshop("down")
    assert not room.containers()
    room.up(1)
    assert room.env["REDIS_PASSWORD"] == password
    assert redis.from_url(redis_url(room)).get("stays") == b"yes"
    room.workshop("down", "--clean")
    room.up(1)
    assert room.env["REDIS_PASSWORD"] != password
    services = json.loads(room.workshop("status", "--json"))
    assert all(s["ok"] for s in services) and len(services) >= len(CORE) + 1
