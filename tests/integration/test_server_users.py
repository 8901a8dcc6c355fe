"""Users of the embedded stack: what each must not do is refused, what it must do works."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest
from elasticsearch import ApiError, AuthenticationException, AuthorizationException, Elasticsearch
from pydantic import SecretStr

from workshop_lib.runtime import connections
from workshop_lib.settings import Settings
from workshop_lib.stack.passwords import passwords, path

pytestmark = pytest.mark.stack

Call = Callable[[Elasticsearch, str], Any]
DOCUMENT = {"event_id": 1}


@pytest.fixture(scope="module")
def words(running_stack: Settings) -> dict[str, str]:
    if not path(running_stack).exists():
        pytest.skip("these servers were started without passwords")
    return passwords(running_stack)


@pytest.fixture
def index(stack: Settings, words: dict[str, str]) -> Iterator[str]:
    """An index with a document, made by the kit."""
    client = connections.elasticsearch(stack)
    connections.create_index(stack, client, "plays-raw")
    name = stack.index("plays-raw")
    client.index(index=name, id="1", document=DOCUMENT, refresh=True)
    yield name
    client.indices.delete(index=name)


def as_(stack: Settings, words: dict[str, str], user: str) -> Elasticsearch:
    update = {
        "elasticsearch_username": user,
        "elasticsearch_password": SecretStr(words[f"elasticsearch.{user}"]),
    }
    return connections.elasticsearch(stack.model_copy(update=update))


READ: dict[str, Call] = {
    "read": lambda c, index: c.get(index=index, id="1"),
    "search": lambda c, index: c.search(index=index),
}
WRITE: dict[str, Call] = {
    "write": lambda c, index: c.index(index=index, id="2", document={"event_id": 2}),
    "delete a document": lambda c, index: c.delete(index=index, id="1"),
}
ADMINISTER: dict[str, Call] = {
    "make another index": lambda c, index: c.indices.create(index="somebody-elses"),
    "make an index read-only": lambda c, index: c.indices.put_settings(
        index=index, settings={"index.blocks.write": True}
    ),
    "change a setting": lambda c, index: c.cluster.put_settings(transient={"x": 1}),
    "make a user": lambda c, index: c.security.put_user(
        username="me", password="of-my-own", roles=["superuser"]
    ),
    "make a template": lambda c, index: c.indices.put_index_template(
        name="x", index_patterns=["x"]
    ),
}
#: User → what it may do, and what it may not.
RIGHTS: dict[str, tuple[dict[str, Call], dict[str, Call]]] = {
    "kit": (READ | WRITE, ADMINISTER),
    "web": (READ, WRITE | ADMINISTER),
    "health": ({"health": lambda c, index: c.cluster.health()}, READ | WRITE | ADMINISTER),
}


@pytest.mark.parametrize("user", RIGHTS)
def test_each_user_may_do_what_it_must_and_nothing_else(
    stack: Settings, words: dict[str, str], index: str, user: str
) -> None:
    allowed, refused = RIGHTS[user]
    client = as_(stack, words, user)
    for what, call in refused.items():
        with pytest.raises(AuthorizationException):
            call(client, index)
            pytest.fail(f"{user} may {what}")
    for call in allowed.values():
        call(client, index)


@pytest.mark.parametrize("credentials", [None, ("kit", "guess"), ("elastic", "changeme")])
def test_without_the_password_nobody_reads_a_play(
    stack: Settings, index: str, credentials: tuple[str, str] | None
) -> None:
    client = Elasticsearch(stack.elasticsearch_url, basic_auth=credentials)
    calls: dict[str, Call] = READ | WRITE | {"health": lambda c, index: c.cluster.health()}
    for call in calls.values():
        with pytest.raises(AuthenticationException):
            call(client, index)


def test_the_control_administers(admin: Settings, index: str) -> None:
    client = connections.elasticsearch(admin)
    for call in (ADMINISTER["make an index read-only"], ADMINISTER["make a template"]):
        call(client, index)
    client.indices.delete_index_template(name="x")
    client.indices.put_settings(index=index, settings={"index.blocks.write": None})


def test_elasticsearch_makes_no_index_of_its_own_roles(running_stack: Settings) -> None:
    log = (running_stack.logs / "elasticsearch.log").read_text()
    assert "] started {" in log, "it is that log"
    # It cannot, and each of ten attempts would keep our indices from being ready.
    assert "built-in roles" not in log and ".security-7" not in log


def test_no_password_is_in_an_argument_or_a_log(
    running_stack: Settings, words: dict[str, str]
) -> None:
    shown = "".join(p.read_text(errors="replace") for p in running_stack.logs.glob("*.log*"))
    for process in psutil.process_iter(["cmdline"]):
        shown += " ".join(process.info["cmdline"] or ())
    assert not [user for user, word in words.items() if word in shown]
    assert repr(running_stack).count(words["elasticsearch.kit"]) == 0


def test_an_error_of_elasticsearch_names_no_password(
    stack: Settings, words: dict[str, str], index: str
) -> None:
    with pytest.raises(ApiError) as error:
        as_(stack, words, "web").index(index=index, document=DOCUMENT)
    assert not any(word in str(error.value) for word in words.values())
