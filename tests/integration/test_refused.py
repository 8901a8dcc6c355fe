"""A wrong password: each command says in one line which server refuses whom, and what to do."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from elasticsearch import dsl
from pydantic import SecretStr
from redis.exceptions import NoPermissionError
from ship_world import play, write

from workshop_lib import stack as servers
from workshop_lib.charts.ask import send
from workshop_lib.charts.search import Search
from workshop_lib.errors import WorkshopError
from workshop_lib.ingest.ship import read_ship_state, ship
from workshop_lib.lessons import begin
from workshop_lib.marketing.sms_server import serve
from workshop_lib.page import pipeline
from workshop_lib.page import server as page
from workshop_lib.runtime import connections, identity
from workshop_lib.runtime.refusal import LOGIN, Refused, refused
from workshop_lib.schema.play import to_line
from workshop_lib.settings import Settings
from workshop_lib.stream.run import run
from workshop_lib.verify.score import stages

pytestmark = pytest.mark.stack

GUESS = SecretStr("guess")


def with_guess(settings: Settings, server: str) -> Settings:
    """``settings`` with a wrong password of ``server``'s user."""
    if server == "Redis":
        parts = urlsplit(settings.redis_url)
        wrong = parts._replace(netloc=f"kit:guess@127.0.0.1:{parts.port}").geturl()
        return settings.model_copy(update={"redis_url": wrong})
    update: dict[str, Any] = {f"{server.lower()}_password": GUESS, "kafka_passwords": {}}
    return settings.model_copy(update=update)


@pytest.fixture
def external(stack: Settings) -> Settings:
    """The same servers as somebody who did not start them sees them."""
    return stack.model_copy(update={"stack": "external", "identity": ""})


@pytest.fixture
def own(running_stack: Settings) -> Settings:
    """The home that has started them, whose identity they carry."""
    if not running_stack.identity or not running_stack.kafka_password:
        pytest.skip("these servers were started without an identity or passwords")
    return running_stack


def line(server: str) -> str:
    return f"^{server} at .*127.0.0.1:[0-9/]+ refuses the password of user kit\\. .+"


@pytest.mark.parametrize("server", identity.ADDRESS)
@pytest.mark.parametrize("kind", ["own", "external"])
def test_who_asks_first_is_told(request: pytest.FixtureRequest, kind: str, server: str) -> None:
    settings = request.getfixturevalue(kind)
    identity.require_own_servers(settings.model_copy(update={"home": settings.home / "x"}))
    with pytest.raises(Refused, match=line(server)) as error:
        identity.require_own_server(with_guess(settings, server), server)
    assert "guess" not in str(error.value) and "\n" not in str(error.value)


Work = Callable[[Settings], Any]
WORKS: dict[str, Work] = {
    "ship to kafka": lambda s: ship(s, "kafka", once=True),
    "ship to elasticsearch": lambda s: ship(s, "elasticsearch", once=True),
    "stream": lambda s: run(s, ["plays"], available_now=True),
    "sms-server": lambda s: serve(s, once=True),
    "verify": stages,
    "the beginning of a notebook": lambda s: begin(1, s, lambda text: None),
}


@pytest.mark.parametrize("server", identity.ADDRESS)
@pytest.mark.parametrize("work", WORKS)
def test_every_work_ends_with_the_line(external: Settings, work: str, server: str) -> None:
    with pytest.raises(Refused, match=line(server)):
        WORKS[work](with_guess(external, server))


@pytest.mark.parametrize("server", identity.ADDRESS)
@pytest.mark.parametrize("command", ["status", "up"])
def test_the_servers_own_home_says_it_and_where_the_password_came_from(
    own: Settings, command: str, server: str
) -> None:
    wrong = with_guess(own, server)
    name = next(n for n in LOGIN[server] if getattr(wrong, n) != getattr(own, n))
    value = getattr(wrong, name)
    variable = f"WORKSHOP_{name.upper()}"
    done = subprocess.run(
        [sys.executable, "-m", "workshop_lib.cli", command],
        env={k: v for k, v in os.environ.items() if not k.startswith("WORKSHOP_")}
        | {"WORKSHOP_HOME": str(own.home), "COLUMNS": "200"}
        | {variable: getattr(value, "get_secret_value", lambda: value)()},
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    wanted = f"{server.lower()} refuses the password of user kit; Unset {variable}"
    assert done.returncode == 1 and wanted in said, said
    assert said.count("refuses the password") == 2, "in the table, and as a line"
    assert "Traceback" not in said


@pytest.mark.parametrize("server", identity.ADDRESS)
def test_status_and_up_of_servers_of_others_say_it(external: Settings, server: str) -> None:
    wrong = with_guess(external, server)
    problems = {each.name: each.problem for each in servers.status(wrong) if each.problem}
    assert list(problems) == [server.lower()]
    assert problems[server.lower()].startswith("refuses the password of user kit; Correct ")
    with pytest.raises(WorkshopError, match=f"^{server.lower()} refuses .* Correct WORKSHOP_"):
        servers.up(wrong)


def test_a_service_has_a_password_of_its_own(own: Settings) -> None:
    wrong = own.model_copy(update={"kafka_passwords": {"shipper": GUESS, "reader": GUESS}})
    connections.kafka_admin(wrong).close()
    with pytest.raises(Refused, match="refuses the password of user shipper"):
        connections.producer(wrong, "shipper")
    with pytest.raises(Refused, match="refuses the password of user reader"):
        connections.consumer(wrong, "plays", service="reader")
    with closing(connections.producer(own, "shipper")) as control:
        assert control.bootstrap_connected() is not None


def test_the_shipper_says_whose_password_is_wrong(own: Settings, tmp_path: Path) -> None:
    wrong = own.model_copy(
        update={"home": tmp_path, "kafka_passwords": {"shipper": GUESS}, "identity": ""}
    )
    write(wrong, [to_line(play(1))])
    with pytest.raises(Refused, match=r"^Kafka at .* refuses the password of user shipper\. "):
        ship(wrong, "kafka", once=True)
    assert read_ship_state(wrong, "kafka") is None, "nothing was delivered"


def test_another_mechanism_is_named(external: Settings) -> None:
    other = external.model_copy(update={"kafka_mechanism": "SCRAM-SHA-512"})
    with pytest.raises(Refused, match=r"does not take passwords by SCRAM-SHA-512\. Set WORKSHOP_"):
        connections.kafka_admin(other)


def test_what_reads_for_people_says_it_too(stack: Settings) -> None:
    with pytest.raises(Refused, match=line("Elasticsearch")):
        send(with_guess(stack, "Elasticsearch"), Search(), [dsl.Search()])
    with pytest.raises(Refused, match=line("Redis")):
        pipeline.read(with_guess(stack, "Redis"))
    with pytest.raises(Refused, match=line("Redis")):
        page.require_own_stores(with_guess(stack.model_copy(update={"stack": "external"}), "Redis"))


def test_redis_says_what_a_user_may_not_do(own: Settings, external: Settings) -> None:
    reader = external.model_copy(update={"redis_url": own.redis_url_web})
    with (
        closing(connections.redis_client(reader)) as client,
        pytest.raises(NoPermissionError) as error,
    ):
        client.set(reader.key("x"), "1")
    found = refused(reader, error.value)
    assert found and "does not let user web do that" in found.message
