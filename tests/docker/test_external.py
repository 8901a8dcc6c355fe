"""Servers that others started, as the containers have them: asked, not started, not stopped."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from workshop_lib import stack as servers
from workshop_lib.errors import WorkshopError
from workshop_lib.settings import Settings

pytestmark = pytest.mark.stack


@pytest.fixture
def given(stack: Settings) -> Settings:
    return stack.model_copy(update={"stack": "external"})


def test_all_are_well_and_up_starts_nothing(given: Settings) -> None:
    services = servers.up(given)
    assert [(s.name, s.problem, s.pid) for s in services] == [
        ("kafka", "", None),
        ("elasticsearch", "", None),
        ("redis", "", None),
    ]
    assert f"127.0.0.1:{services[0].port}" == given.kafka_bootstrap
    assert list(given.home.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "update"),
    [
        ("kafka", {"kafka_bootstrap": "127.0.0.1:1"}),
        ("elasticsearch", {"elasticsearch_url": "http://127.0.0.1:1"}),
        ("redis", {"redis_url": "redis://:hidden@127.0.0.1:1/0"}),
    ],
)
def test_one_that_is_away_is_named_with_its_address_and_without_its_password(
    given: Settings, name: str, update: dict[str, str]
) -> None:
    with pytest.raises(WorkshopError, match=f"{name} does not answer at .*127.0.0.1:1") as error:
        servers.up(given.model_copy(update=update))
    assert "hidden" not in str(error.value)
    well = {s.name for s in servers.status(given.model_copy(update=update)) if s.ok}
    assert well == {"kafka", "elasticsearch", "redis"} - {name}


def test_they_are_not_stopped_here(given: Settings) -> None:
    for stop in (servers.down, servers.remove):
        with pytest.raises(WorkshopError, match="started and stopped elsewhere"):
            stop(given)


def test_the_health_check_of_a_container_is_the_status_of_its_servers(given: Settings) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("WORKSHOP_")} | {
        "WORKSHOP_STACK": "given",
        "WORKSHOP_HOME": str(given.home),
        "WORKSHOP_KAFKA_BOOTSTRAP": given.kafka_bootstrap,
        "WORKSHOP_KAFKA_PASSWORD": given.kafka_password.get_secret_value(),
        "WORKSHOP_ELASTICSEARCH_URL": given.elasticsearch_url,
        "WORKSHOP_ELASTICSEARCH_PASSWORD": given.elasticsearch_password.get_secret_value(),
    }
    for redis, code in ((given.redis_url, 0), ("redis://127.0.0.1:1/0", 1)):
        done = subprocess.run(
            [sys.executable, "-m", "workshop_lib.cli", "status"],
            env=environment | {"WORKSHOP_REDIS_URL": redis},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr
