"""Two homes on one machine: a home never touches the servers of the other one.

The first home has servers with plays, a message and a name space; the second has none, or has
a ``stack.json`` that names the first one's servers. Every command of the second refuses or
starts its own, and the first stays as it is: every document, record and key.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from elasticsearch.helpers import scan
from pydantic import SecretStr

from workshop_lib import stack as stacks
from workshop_lib.cli import app
from workshop_lib.errors import WorkshopError
from workshop_lib.ingest.ship import ship
from workshop_lib.runtime import connections, identity, process, state_file
from workshop_lib.schema.names import IDENTITY_KEY
from workshop_lib.settings import Settings
from workshop_lib.stack.reset import reset

#: Commands that read or write servers.
COMMANDS = (
    ("ship", "--to", "kafka", "--once"),
    ("ship", "--to", "elasticsearch", "--once"),
    ("stream", "--available-now"),
    ("sms-server", "--once"),
    ("verify",),
    ("trace", "0"),
    ("dlq", "replay"),
    ("reset", "--yes"),
    ("optout", "add", "1"),
    ("optout", "list"),
    ("models", "index"),
    ("web",),
)


@pytest.fixture(scope="module")
def first(running_stack: Settings) -> Settings:
    """The shared servers. Those of an older kit, without an identity, prove nothing."""
    if not running_stack.identity:
        pytest.skip("these servers were started without an identity")
    return running_stack


@pytest.fixture
def filled(first: Settings, stack: Settings) -> Settings:
    """A name space of the first home's servers with one of each."""
    mine = stack.model_copy(update={"identity": first.identity})
    connections.create_topics(mine)
    producer = connections.producer(mine)
    producer.send(mine.topic("plays"), b"{}").get(30)
    producer.close()
    client = connections.elasticsearch(mine)
    connections.create_index(mine, client, "plays-raw")
    client.index(index=mine.index("plays-raw"), id="1", document={"event_id": 1}, refresh=True)
    connections.redis_client(mine).set(mine.key("live:x"), "1")
    return mine


def everything(settings: Settings) -> dict[str, Any]:
    """All that the servers of the name space hold."""
    admin = connections.kafka_admin(settings)
    client, redis = connections.elasticsearch(settings), connections.redis_client(settings)
    mark = settings.namespace
    consumer = connections.consumer(settings, "plays", consumer_timeout_ms=3000)
    try:
        return {
            "topics": sorted(t for t in admin.list_topics() if t.startswith(mark)),
            "records": sorted(r.value for r in consumer),
            "documents": sorted(
                (hit["_index"], hit["_id"], json.dumps(hit["_source"]))
                for hit in scan(client, index=f"{mark}*")
            ),
            "keys": sorted(redis.scan_iter(match=settings.key("*"))),
            "identity": redis.get(IDENTITY_KEY),
        }
    finally:
        consumer.close()
        admin.close()


@pytest.fixture
def refusal(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """The line with which a command of a home ends; a command that ends well is a failure."""
    for name in [name for name in os.environ if name.startswith("WORKSHOP_")]:
        monkeypatch.delenv(name)

    def run(home: Path, *words: str) -> str:
        monkeypatch.setenv("WORKSHOP_HOME", str(home))
        with pytest.raises(WorkshopError) as error:
            app(list(words), standalone_mode=False)
        assert "\n" not in str(error.value)
        return str(error.value)

    return run


def remember(home: Path, first: Settings, own: str) -> None:
    """A ``stack.json`` of a home with identity ``own`` that names the first home's servers."""
    addresses = {name: getattr(first, name) for name in identity.ADDRESS.values()}
    content = {"stack": "embedded", "identity": own, "addresses": addresses}
    state_file.save(home / "stack.json", content)
    names = ("elasticsearch_password", "kafka_password")
    words = {name: getattr(first, name).get_secret_value() for name in names}
    state_file.save(home / "secrets.json", words)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_home_without_servers_refuses_in_one_line(
    tmp_path: Path, refusal: Callable[..., str], words: tuple[str, ...]
) -> None:
    wanted = f"The servers of {tmp_path} are not running. Run `workshop up`."
    assert refusal(tmp_path, *words) == wanted


@pytest.mark.stack
def test_a_home_that_finds_the_servers_of_another_touches_nothing(
    tmp_path: Path, first: Settings, filled: Settings, refusal: Callable[..., str]
) -> None:
    before = everything(filled)
    assert all(before.values())
    other = tmp_path / "other"
    (other / "log").mkdir(parents=True)
    (other / "log" / "plays.log").write_text('1,2,3,"2026-01-01 00:00:00",0,"12345"\n')
    remember(other, first, "another-home")
    for words in COMMANDS:
        assert f"does not belong to {other}" in refusal(other, *words), words
    assert everything(filled) == before
    # The control: with the right identity the same is accepted.
    remember(other, first, first.identity)
    (other / "servers.json").unlink(missing_ok=True)
    right = Settings(home=other, namespace=filled.namespace)
    assert ship(right, "kafka", once=True).lines == 1


@pytest.mark.stack
@pytest.mark.parametrize("server", identity.ADDRESS)
def test_each_server_alone_is_known(filled: Settings, server: str) -> None:
    identity.require_own_server(filled, server)
    with pytest.raises(WorkshopError, match=f"The {server} at .* does not belong to"):
        identity.require_own_server(filled.model_copy(update={"identity": "x"}), server)


@pytest.mark.stack
@pytest.mark.parametrize("server", identity.ADDRESS)
def test_a_server_with_other_passwords_is_another_homes(filled: Settings, server: str) -> None:
    url = urlsplit(filled.redis_url)._replace(netloc=f"kit:guess@127.0.0.1:{port_of(filled)}")
    wrong = SecretStr("guess")
    guess = {
        **{"elasticsearch_password": wrong, "kafka_password": wrong},
        "redis_url": url.geturl(),
    }
    if not urlsplit(filled.redis_url).password or not filled.kafka_password:
        pytest.skip("these servers were started without passwords")
    other = filled.model_copy(update={**guess, "identity": f"{filled.identity}x"})
    with pytest.raises(WorkshopError, match=f"The {server} at .* does not belong to"):
        identity.require_own_server(other, server)


def port_of(settings: Settings) -> int:
    return urlsplit(settings.redis_url).port or 0


@pytest.mark.stack
def test_positions_of_other_servers_are_refused_until_a_reset(
    first: Settings, filled: Settings
) -> None:
    state_file.save(filled.home / "servers.json", {"identity": "servers-of-before"})
    with pytest.raises(WorkshopError, match=r"are of other servers\. Run `workshop reset`"):
        ship(filled, "kafka", once=True)
    reset(filled)
    assert not (filled.home / "servers.json").exists()
    ship(filled, "kafka", once=True)


@pytest.mark.stack
def test_an_empty_namespace_resets_its_own_keys_only(
    filled: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = f"{filled.redis_prefix}{filled.namespace}"
    empty = filled.model_copy(update={"namespace": "", "redis_prefix": prefix})
    redis = connections.redis_client(filled)
    own = [empty.key(name) for name in ("live:m", "targets:1", "sms:outbox", "optouts")]
    theirs = [f"{prefix}lab-live:m", f"{prefix}lab-sms:outbox", f"{prefix}somebody"]
    for key in (*own, *theirs):
        redis.set(key, "1")
    monkeypatch.setattr("workshop_lib.stack.reset._delete_topics", lambda settings: 0)
    monkeypatch.setattr("workshop_lib.stack.reset._delete_indices", lambda settings: 0)
    assert reset(empty)["keys"] == len(own) + 1  # and that of the fixture
    assert redis.exists(*theirs) == len(theirs) and redis.get(IDENTITY_KEY)
    redis.delete(*theirs)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}"])
@pytest.mark.parametrize("name", ["stack.json", "secrets.json", "ports.json"])
def test_a_broken_file_of_the_home_is_named_with_what_to_do(
    tmp_path: Path, refusal: Callable[..., str], name: str, content: str
) -> None:
    if name == "secrets.json":
        content = content if content != "{}" else "null"
        whole = {"stack": "embedded", "addresses": {}}
        (tmp_path / "stack.json").write_text(json.dumps(whole))
    if (name, content) == ("ports.json", "{}"):
        pytest.skip("no ports are known: the next start chooses some")
    (tmp_path / name).write_text(content)
    text = refusal(tmp_path, "status")
    assert f"{tmp_path / name} is damaged" in text and "elete" in text


def test_a_port_is_kept_and_a_taken_one_gives_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from workshop_lib.stack import embedded

    port = process.free_port(0)
    assert embedded._port("kafka", 9092, port, set()) == port
    monkeypatch.setattr(embedded, "PORT_SECONDS", 0.1)
    monkeypatch.setattr(process, "can_listen", lambda number: number != port)
    other = embedded._port("kafka", 9092, port, set())
    assert other != port and f"Port {port} of kafka is taken" in caplog.messages[0]


def test_down_with_clean_takes_positions_along(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    for name in ("ship-kafka.json", "servers.json", "checkpoints/plays/metadata"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    (tmp_path / "log").mkdir()
    settings.live_log.write_text("line\n")
    stacks.remove(settings)
    assert not (tmp_path / "ship-kafka.json").exists()
    assert not list(tmp_path.glob("checkpoints/*")) and not (tmp_path / "servers.json").exists()
    assert settings.live_log.exists()
