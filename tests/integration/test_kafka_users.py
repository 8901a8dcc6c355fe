"""Kafka's users in the embedded stack: what each must not do is refused, what it must do works.

The services' users know the topics of the home without a name space, so these tests use those.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ConfigResource,
    ConfigResourceType,
    NewTopic,
    ResourcePattern,
    ResourceType,
    UserScramCredentialUpsertion,
)
from kafka.errors import KafkaError, KafkaTimeoutError
from pydantic import SecretStr

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime import connections, java
from workshop_lib.runtime.wait import wait_until
from workshop_lib.schema.names import DEAD_LETTER_TOPIC, PLAYS_TOPIC
from workshop_lib.settings import Settings
from workshop_lib.stack import kafka, kafka_users, passwords

pytestmark = pytest.mark.stack

Login = dict[str, Any]
Call = Callable[[Login], Any]


@pytest.fixture(scope="module")
def words(running_stack: Settings) -> dict[str, str]:
    if not running_stack.kafka_password:
        pytest.skip("these servers were started before Kafka had users")
    return passwords.of(running_stack, "kafka")


@pytest.fixture(scope="module")
def topics(running_stack: Settings, words: dict[str, str]) -> Iterator[None]:
    """The topics of the home without a name space, if nobody has them."""
    home = running_stack.model_copy(update={"namespace": ""})
    with closing(connections.kafka_admin(home)) as admin:
        mine = not {PLAYS_TOPIC, DEAD_LETTER_TOPIC} & set(admin.list_topics())
        connections.create_topics(home)
        for topic in (PLAYS_TOPIC, DEAD_LETTER_TOPIC):
            send(topic)(login(home, "kit", words["kit"]))
        yield
        if mine:
            admin.delete_topics([PLAYS_TOPIC, DEAD_LETTER_TOPIC])


def login(settings: Settings, user: str, password: str) -> Login:
    update = {"kafka_username": user, "kafka_password": SecretStr(password), "kafka_passwords": {}}
    as_user = settings.model_copy(update=update)
    return {"bootstrap_servers": settings.kafka_bootstrap, **as_user.kafka_login()}


def send(topic: str) -> Call:
    def call(as_user: Login) -> None:
        with closing(KafkaProducer(**as_user)) as producer:
            producer.send(topic, b"{}", partition=0).get(20)

    return call


def read(topic: str) -> Call:
    def call(as_user: Login) -> None:
        with closing(KafkaConsumer(**as_user, group_id=None)) as consumer:
            place = TopicPartition(topic, 0)
            consumer.assign([place])
            consumer.seek(place, 0)
            consumer.end_offsets([place])  # refused to who may not even describe it
            wait_until(lambda: consumer.poll(200), 20, "a record")

    return call


def commit(as_user: Login) -> None:
    with closing(KafkaConsumer(**as_user, group_id="practice-group")) as consumer:
        consumer.committed(TopicPartition(PLAYS_TOPIC, 0))


def administer(ask: Callable[[KafkaAdminClient], Any]) -> Call:
    def call(as_user: Login) -> None:
        with closing(KafkaAdminClient(**as_user)) as admin:
            try:
                answer = ask(admin)
            except ValueError as unseen:  # it asks first what may be altered, and sees nothing
                answer = f"AuthorizationFailed: {unseen}"
        # Some say it in the answer: an error for each of what was asked.
        if any(word in str(answer) for word in ("AuthorizationFailed", "Request Request(")):
            raise KafkaError(str(answer))

    return call


def make_and_delete(admin: KafkaAdminClient) -> None:
    name = f"practice-{uuid.uuid4().hex[:8]}"
    admin.create_topics([NewTopic(name, num_partitions=1, replication_factor=1)])
    admin.delete_topics([name])


EVERYTHING = ACL(
    principal="User:kit",
    host="*",
    operation=ACLOperation.ALL,
    permission_type=ACLPermissionType.ALLOW,
    resource_pattern=ResourcePattern(ResourceType.CLUSTER, "kafka-cluster"),
)
FIRST_PLAY = ConfigResource(ConfigResourceType.TOPIC, PLAYS_TOPIC, {"retention.ms": "1"})
CALLS: dict[str, Call] = {
    "send plays": send(PLAYS_TOPIC),
    "send dead letters": send(DEAD_LETTER_TOPIC),
    "read plays": read(PLAYS_TOPIC),
    "read dead letters": read(DEAD_LETTER_TOPIC),
    "use a group": commit,
    "make a topic": administer(make_and_delete),
    "let plays expire": administer(lambda a: a.alter_configs([FIRST_PLAY])),
    "take a right": administer(lambda a: a.create_acls([EVERYTHING])),
    "take a user": administer(
        lambda a: a.alter_user_scram_credentials(
            [UserScramCredentialUpsertion("health", kafka_users.MECHANISM, "mine")]
        )
    ),
}
#: What each user may do; all other calls are refused.
MAY = {
    "kit": {
        *("send plays", "send dead letters", "read plays", "read dead letters"),
        *("use a group", "make a topic"),
    },
    "shipper": {"send plays", "send dead letters"},
    "stream": {"read plays", "send dead letters"},
    "reader": {"read plays", "read dead letters"},
    "health": set(),
}


@pytest.mark.parametrize("user", MAY)
def test_each_user_may_do_what_it_must_and_nothing_else(
    running_stack: Settings, words: dict[str, str], topics: None, user: str
) -> None:
    as_user = login(running_stack, user, words[user])
    for what, call in CALLS.items():
        if what in MAY[user]:
            call(as_user)
            continue
        with pytest.raises(KafkaError, match=r"AuthorizationFailed|Request Request"):
            call(as_user)
            pytest.fail(f"{user} may {what}")


def test_every_user_is_tried_and_has_the_rights_of_the_table_alone(
    running_stack: Settings, words: dict[str, str]
) -> None:
    assert set(MAY) | {kafka_users.ADMIN} == set(words) == set(kafka_users.ALL)
    as_admin = login(running_stack, kafka_users.ADMIN, words[kafka_users.ADMIN])
    with closing(KafkaAdminClient(**as_admin)) as admin:
        try:
            assert admin.create_acls([EVERYTHING])["succeeded"], "the control may"
        finally:
            kafka_users.put_rights(admin)
        assert admin.describe_acls(kafka_users.ANY)[0]
        assert set(admin.describe_acls(kafka_users.ANY)[0]) == kafka_users.acls()


@pytest.mark.parametrize("listener", ["kafka", "kafka-controller"])
@pytest.mark.parametrize("as_whom", ["nobody", "a guess"])
def test_without_the_password_nobody_gets_in(
    running_stack: Settings, words: dict[str, str], listener: str, as_whom: str
) -> None:
    port = kafka_ports(running_stack)[listener]
    guess = login(running_stack, "kit", "guess") if as_whom == "a guess" else {}
    with pytest.raises(KafkaTimeoutError):
        address = {"bootstrap_servers": f"127.0.0.1:{port}"}
        KafkaAdminClient(**(guess | address), bootstrap_timeout_ms=1000)


def kafka_ports(running: Settings) -> dict[str, int]:
    import json

    found: dict[str, int] = json.loads((running.home / "ports.json").read_text())
    return found


def data_of_kafka(home: Path) -> Iterator[bytes]:
    """Each of its files; other tests delete topics of theirs meanwhile."""
    for folder, _, names in os.walk(home / "kafka" / "data"):
        for name in names:
            with suppress(FileNotFoundError), (Path(folder) / name).open("rb") as file:
                # An index is 10 MB of which only the beginning is on the disk, yet.
                yield file.read(os.fstat(file.fileno()).st_blocks * 512)


def test_no_password_is_in_an_argument_a_log_or_the_data(
    running_stack: Settings, words: dict[str, str]
) -> None:
    home = running_stack.home
    secret = {user: word.encode() for user, word in words.items()}
    plays = False
    for data in data_of_kafka(home):
        plays |= b"plays" in data
        assert not [user for user, word in secret.items() if word in data]
    assert plays, "it is read"
    shown = "".join(p.read_text(errors="replace") for p in home.glob("logs/*.log*"))
    for process in psutil.process_iter(["cmdline"]):
        shown += " ".join(process.info["cmdline"] or ())
    shown += repr(running_stack)
    assert not [user for user, word in words.items() if word in shown]
    for name in ("passwords.json", "secrets.json", "kafka/server.properties"):
        assert (home / name).stat().st_mode & 0o077 == 0, name
    assert not (home / "kafka" / "format.arguments").exists()


def test_data_made_without_users_are_refused_with_what_to_do(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    data = tmp_path / "kafka" / "data"
    data.mkdir(parents=True)
    (data / "meta.properties").write_text("cluster.id=x\n")
    for made_with in (None, "another password"):
        if made_with:
            (tmp_path / "kafka" / kafka.USERS).write_text(made_with)
        with pytest.raises(WorkshopError, match=r"without users.*`workshop down --clean`"):
            kafka.prepare(settings, 1, 2, java.find(), "x")
    # The control: without such data they are made, with users.
    shutil.rmtree(tmp_path / "kafka")
    kafka.prepare(settings, 1, 2, java.find(), kafka.new_cluster_id())
    kafka.prepare(settings, 1, 2, java.find(), "again")


def test_sparks_plan_and_the_settings_show_no_password(stack: Settings, spark: Any) -> None:
    from workshop_lib.stream.source import records

    connections.create_topics(stack)
    word = stack.kafka_password.get_secret_value()
    if not word:
        pytest.skip("these servers were started before Kafka had users")
    plan = records(spark, stack)._jdf.queryExecution().toString()
    assert "StreamingRelation" in plan and word not in plan
    assert word not in str(records(spark, stack))
