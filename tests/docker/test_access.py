"""The roles of the Docker stack on a real Elasticsearch with security: enough, and no more."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from elasticsearch import ApiError, AuthenticationException, Elasticsearch
from elasticsearch.exceptions import AuthorizationException
from secured import ADMIN, PASSWORD, running

from workshop_lib.runtime import connections
from workshop_lib.runtime.wait import wait_until
from workshop_lib.schema.tables import INDICES
from workshop_lib.settings import Settings
from workshop_lib.stack import access
from workshop_lib.stack.elasticsearch import home as elasticsearch_home

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

#: Those with a role of the kit's own making; Kibana's are Elasticsearch's.
OWN = [name for name, user in access.USERS.items() if user.role]
PLAY = {
    "event_id": 17,
    "customer_id": 0,
    "track_id": 1,
    "played_at": "2026-03-01T12:00:00.000Z",
    "is_mobile": True,
    "zip": "01234",
}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("secured")
    try:
        with running(home) as address:
            client = Elasticsearch(address, basic_auth=(ADMIN, PASSWORD))

            def well() -> bool:
                try:
                    return bool(client.cluster.health(wait_for_status="yellow"))
                except ApiError:
                    return False

            wait_until(well, 120, "Elasticsearch to know its users")
            access.put_templates(client)
            client.indices.create(index="somebody-elses")
            client.close()
            yield address
    finally:
        shutil.rmtree(elasticsearch_home(Settings(home=home)), ignore_errors=True)


@pytest.fixture
def as_(address: str) -> Iterator[Callable[[str], Elasticsearch]]:
    clients: list[Elasticsearch] = []

    def client(name: str) -> Elasticsearch:
        clients.append(Elasticsearch(address, basic_auth=(name, PASSWORD)))
        return clients[-1]

    yield client
    for each in clients:
        each.close()


def test_without_a_password_nothing_is_answered(address: str) -> None:
    with Elasticsearch(address) as client, pytest.raises(AuthenticationException):
        client.cluster.health()


@pytest.mark.parametrize("namespace", ["", "room-"])
def test_the_kit_does_all_that_it_does_with_its_indices(
    as_: Callable[[str], Elasticsearch], settings: Settings, namespace: str
) -> None:
    client = as_("kit")
    settings = settings.model_copy(update={"namespace": namespace})
    assert client.cluster.health()["status"] in ("green", "yellow")
    for name in INDICES:
        connections.create_index(settings, client, name)
        connections.create_index(settings, client, name)  # one that exists stays
    index = settings.index("plays-raw")
    assert list(connections.bulk_index(client, index, [("17", PLAY)])) == []
    client.indices.refresh(index=index)
    assert client.count(index=index)["count"] == 1
    assert client.search(index=index, aggs={"z": {"terms": {"field": "zip"}}})["hits"]["hits"]
    assert client.indices.exists(index=index)
    client.field_caps(index=index, fields="*")
    client.indices.delete(index=[settings.index(name) for name in INDICES])


def test_logstash_writes_into_an_index_that_the_template_makes_and_reads_nothing(
    as_: Callable[[str], Elasticsearch],
) -> None:
    client = as_("logstash")
    assert list(connections.bulk_index(client, "plays-raw", [("17", PLAY)])) == []
    wrong = {**PLAY, "host": "x"}
    (refused,) = connections.bulk_index(client, "plays-raw", [("18", wrong)])
    assert "strict" in refused.reason, "made by the template, not by the first document"
    for forbidden in (
        lambda: client.search(index="plays-raw"),
        lambda: client.delete(index="plays-raw", id="17"),
        lambda: client.indices.delete(index="plays-raw"),
        lambda: client.index(index="plays", id="1", document=PLAY),
    ):
        with pytest.raises(AuthorizationException):
            forbidden()


@pytest.mark.parametrize("name", ["web", "learner"])
def test_who_looks_may_read_and_not_write(as_: Callable[[str], Elasticsearch], name: str) -> None:
    kit, client = as_("kit"), as_(name)
    kit.index(index="plays-raw", id="17", document=PLAY, refresh=True)
    assert client.search(index="plays-raw")["hits"]["hits"][0]["_source"] == PLAY
    with pytest.raises(AuthorizationException):
        client.index(index="plays-raw", id="18", document=PLAY)
    with pytest.raises(AuthorizationException):
        client.indices.delete(index="plays-raw")


FORBIDDEN: dict[str, Callable[[Elasticsearch], Any]] = {
    "read another's index": lambda c: c.search(index="somebody-elses"),
    "write into another's index": lambda c: c.index(index="somebody-elses", document={}),
    "make another index": lambda c: c.indices.create(index="mine"),
    "see users": lambda c: c.security.get_user(),
    "make a key": lambda c: c.security.create_api_key(name="more"),
    "change settings": lambda c: c.cluster.put_settings(transient={"x": 1}),
    "change a template": lambda c: c.indices.put_index_template(name="x", index_patterns=["x"]),
}


@pytest.mark.parametrize("what", FORBIDDEN)
@pytest.mark.parametrize("name", OWN)
def test_nobody_may(as_: Callable[[str], Elasticsearch], name: str, what: str) -> None:
    if (name, what) == ("setup", "change a template"):
        return  # its one right
    with pytest.raises(AuthorizationException):
        FORBIDDEN[what](as_(name))


def test_the_same_is_not_forbidden_to_everybody(as_: Callable[[str], Elasticsearch]) -> None:
    """The negative control: a superuser may."""
    client = as_(ADMIN)
    FORBIDDEN["read another's index"](client)
    FORBIDDEN["write into another's index"](client)
    FORBIDDEN["make another index"](client)
    client.indices.delete(index="mine")


def test_setup_puts_templates_and_does_nothing_else(as_: Callable[[str], Elasticsearch]) -> None:
    client = as_("setup")
    access.put_templates(client)
    with pytest.raises(AuthorizationException):
        client.search(index="plays-raw")


def test_the_health_check_sees_the_health_and_no_play(
    as_: Callable[[str], Elasticsearch],
) -> None:
    client = as_("health")
    assert client.cluster.health()["status"] in ("green", "yellow")
    with pytest.raises(AuthorizationException):
        client.search(index="plays-raw")


def test_a_file_holds_no_password_and_a_wrong_one_is_refused(address: str) -> None:
    files = access.files({"kit": "open-sesame"})
    assert "open-sesame" not in str(files) and files["users_roles"] == "kit:kit\n"
    assert access.hashed("open-sesame") != access.hashed("open-sesame"), "each has its own salt"
    with pytest.raises(AuthenticationException):
        Elasticsearch(address, basic_auth=("kit", "wrong")).cluster.health()
