"""What drives Docker: the calls it makes, the files it leaves, and one line for what is wrong."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from docker_machine import WELL, Docker
from elasticsearch import Elasticsearch

from workshop_lib import stack
from workshop_lib.errors import WorkshopError
from workshop_lib.runtime.progress import messages_to
from workshop_lib.settings import Settings
from workshop_lib.stack import access, compose, docker_cli, docker_preflight, kibana

SOCKET = "unix:///var/run/docker.sock"


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """In place of Elasticsearch and Kibana, which no container runs here: whom they let in."""
    asked: list[tuple[str, str]] = []

    def put_templates(client: Elasticsearch) -> None:
        (node,) = client.transport.node_pool.all()
        asked.append((node.base_url, client._headers["authorization"]))

    monkeypatch.setattr(access, "put_templates", put_templates)
    monkeypatch.setattr(compose, "admit_to_kafka", lambda settings, known: None)
    monkeypatch.setattr(
        kibana,
        "import_all",
        lambda url, password, zone: compose.logger.info("import %s %s", url, zone),
    )
    return asked


@pytest.fixture
def docker_settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"stack": "docker", "namespace": ""})


def test_up_starts_the_servers_makes_the_keys_and_starts_the_rest(
    docker: Docker, docker_settings: Settings, keys: list[Any]
) -> None:
    said: list[str] = []
    with messages_to(said.append):
        stack.up(docker_settings, stage=1)
    starts = [call for call in docker.calls if {"up", "build"} & set(call)]
    wait = ["up", "--detach", "--wait", "--wait-timeout", "600"]
    assert starts == [
        ["--profile", "core", "build", "jupyter"],
        ["--profile", "core", *wait, "kafka", "elasticsearch", "redis"],
        ["--profile", "core", "--profile", "logstash", "--profile", "kibana", *wait],
    ]
    password = docker_cli.read_env()["SETUP_PASSWORD"]
    basic = base64.b64encode(f"setup:{password}".encode()).decode()
    assert keys == [("http://127.0.0.1:20001", f"Basic {basic}")]
    assert f"import http://127.0.0.1:20005 {docker_settings.timezone}" in said
    configuration = (docker_settings.home / "docker" / "kibana.yml").read_text()
    overrides = yaml.safe_load(configuration)["uiSettings.overrides"]
    assert overrides == {"dateFormat:tz": docker_settings.timezone}


def test_without_logstash_and_kibana_the_rest_starts_and_nothing_else_can_stay_out(
    docker: Docker, docker_settings: Settings, keys: list[Any]
) -> None:
    stack.up(docker_settings, stage=1, without=["kibana", "logstash"])
    last = [call for call in docker.calls if "up" in call][-1]
    assert last[:3] == ["--profile", "core", "up"], "no profile but this one"
    before = len(docker.calls)
    with pytest.raises(WorkshopError, match="without spark"):
        stack.up(docker_settings, stage=2, without=["spark"])
    assert len(docker.calls) == before, "nothing was started"


def test_its_secrets_are_for_their_owner_only_and_never_beside_the_addresses(
    docker: Docker, docker_settings: Settings, keys: list[Any]
) -> None:
    stack.up(docker_settings)
    known = docker_cli.read_env()
    hidden = [known[name] for name in compose.SECRETS]
    assert len(set(hidden)) == len(hidden) and min(map(len, hidden[:6])) == 48
    home = docker_settings.home
    files = [home / "docker" / name for name in compose.configuration(known)]
    for path in (docker_cli.env_file(), home / "secrets.json", *files):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not any(secret in (home / "stack.json").read_text() for secret in hidden)
    told = json.dumps(docker.calls)
    assert not any(secret in told for secret in hidden), "what is on a command line is seen by all"


def test_all_other_commands_know_its_addresses_and_keys(
    docker: Docker, docker_settings: Settings, keys: list[Any]
) -> None:
    stack.up(docker_settings)
    found = Settings(home=docker_settings.home)
    assert found.stack == "docker"
    assert found.kafka_bootstrap == "127.0.0.1:20000"
    assert found.elasticsearch_password.get_secret_value() == docker_cli.read_env()["KIT_PASSWORD"]
    password = docker_cli.read_env()["REDIS_PASSWORD"]
    assert found.redis_url == f"redis://:{password}@127.0.0.1:20002/0"
    assert found.redis_address == "redis://127.0.0.1:20002/0"
    assert docker_cli.read_env()["KIT_PASSWORD"] not in repr(found)


def test_a_second_up_keeps_passwords_and_recreates_no_container(
    docker: Docker, docker_settings: Settings, keys: list[Any]
) -> None:
    stack.up(docker_settings)
    before, inside = docker_cli.read_env(), docker_settings.home / "external.json"
    users = (docker_settings.home / "docker" / "elasticsearch" / "users").read_text()
    assert json.loads(inside.read_text()) == {"spark_master": "spark://spark-master:7077"}
    stack.up(docker_settings, stage=4)
    # What a container is made of is the same, so another stage ends no notebook's kernel.
    assert docker_cli.read_env() == before
    assert (docker_settings.home / "docker" / "elasticsearch" / "users").read_text() == users
    assert json.loads(inside.read_text()) == {"spark_master": "local[*]"}


def test_users_files_fit_the_passwords_also_after_these_were_made_anew(
    docker: Docker, docker_settings: Settings, keys: list[Any]
) -> None:
    def users() -> str:
        return (docker_settings.home / "docker" / "elasticsearch" / "users").read_text()

    stack.up(docker_settings, stage=2)
    first = users()
    stack.up(docker_settings, stage=2)
    assert users() == first, "a container has it mounted"
    docker_cli.env_file().unlink()
    stack.up(docker_settings, stage=2)
    assert users() != first
    stack.remove(docker_settings)
    assert not (docker_settings.home / "docker").exists()


def test_a_value_with_signs_of_the_shell_comes_back_from_the_file(docker: Docker) -> None:
    values = {"A": "a$b #c d=e==", "B": "/home/me and you/.workshop", "C": ""}
    docker_cli.write_env(values)
    assert docker_cli.read_env() == values


def test_what_is_mounted_is_made_before(
    docker: Docker, docker_settings: Settings, keys: list[Any]
) -> None:
    stack.up(docker_settings)
    uid = os.geteuid() or compose.UID_OF_ROOT
    for name in compose.MOUNTED:
        assert (docker_settings.home / name).stat().st_uid == uid
    assert docker_cli.read_env()["WORKSHOP_UID"] == str(uid) != "0"


def test_down_removes_containers_and_keeps_data_unless_asked(
    docker: Docker, docker_settings: Settings, keys: list[Any]
) -> None:
    stack.up(docker_settings)
    docker.says(ps={"out": "\n".join(map(json.dumps, CONTAINERS))})
    assert stack.down(docker_settings) == ["kafka", "kibana"]
    assert docker.calls[-1] == ["--profile", "*", "down", "--remove-orphans"]
    assert not (docker_settings.home / "stack.json").exists()
    assert not (docker_settings.home / "secrets.json").exists()
    assert docker_cli.env_file().exists()
    stack.remove(docker_settings)
    assert docker.calls[-1] == ["--profile", "*", "down", "--remove-orphans", "--volumes"]
    assert not docker_cli.env_file().exists()


CONTAINERS: list[dict[str, Any]] = [
    {
        "Service": "kafka",
        "Image": "apache/kafka:4.3.1",
        "State": "running",
        "Health": "healthy",
        "Publishers": [{"PublishedPort": 0}, {"PublishedPort": 20_000}],
    },
    {
        "Service": "kibana",
        "Image": "docker.elastic.co/kibana/kibana:8.19.20@sha256:0",
        "State": "running",
        "Health": "starting",
        "Publishers": [],
    },
    {
        "Service": "redis",
        "Image": "valkey/valkey:9.1.2-alpine",
        "State": "exited",
        "Health": "",
        "ExitCode": 137,
    },
]


@pytest.mark.parametrize("whole", [True, False], ids=["a list", "an object a line"])
def test_status_says_how_each_container_is(
    docker: Docker, docker_settings: Settings, whole: bool
) -> None:
    out = json.dumps(CONTAINERS) if whole else "\n".join(map(json.dumps, CONTAINERS))
    docker.says(ps={"out": out})
    assert [(s.name, s.version, s.port, s.problem) for s in stack.status(docker_settings)] == [
        ("kafka", "4.3.1", 20_000, ""),
        ("kibana", "8.19.20", None, "starting"),
        ("redis", "9.1.2-alpine", None, "exited, with exit code 137"),
    ]


def test_without_a_container_the_servers_are_not_well(
    docker: Docker, docker_settings: Settings
) -> None:
    assert {s.problem for s in stack.status(docker_settings)} == {"not started"}


def test_download_fetches_all_images_and_builds_ours(
    docker: Docker, docker_settings: Settings
) -> None:
    compose.download(docker_settings)
    every = [word for profile in docker_cli.STAGES[0] for word in ("--profile", profile)]
    assert docker.calls[-2:] == [[*every, "pull", "--ignore-buildable"], [*every, "build"]]


# What is wrong, in one line ----------------------------------------------------------

CASES: dict[str, tuple[dict[str, Any], str, str]] = {
    "no daemon": (
        {"info": {"error": f"Cannot connect to the Docker daemon at {SOCKET}. Is the docker"
                  " daemon running?\n", "code": 1}},
        "The Docker daemon is not running.",
        "Start Docker Desktop",
    ),
    "no daemon, and a client that says so in its answer": (
        {"info": {"out": json.dumps({"ServerVersion": "", "ServerErrors": [
            f"Cannot connect to the Docker daemon at {SOCKET}."]})}},
        "The Docker daemon is not running.",
        "Start Docker Desktop",
    ),
    "no right to it": (
        {"info": {"error": "permission denied while trying to connect to the Docker daemon socket"
                  f" at {SOCKET}\n", "code": 1}},
        "You may not talk to the Docker daemon.",
        "usermod -aG docker",
    ),
    "no compose": (
        {"version": {"error": "docker: unknown command: docker compose\n\nRun 'docker --help' for"
                     " more information\n", "code": 1}},
        "Docker has no `compose` of version 2.",
        "docker-compose-plugin",
    ),
    "an old compose": (
        {"version": {"out": "v2.10.1\n"}},
        "Docker Compose is v2.10.1.",
        "2.20 or newer is needed",
    ),
    "too little memory": (
        {"info": {"out": json.dumps({**json.loads(WELL["info"]["out"]), "MemTotal": 2 * 2**30})}},
        r"Docker has 2.0 GiB of memory, and \d+ containers want \d.\d.",
        "--stage 2",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("answers", "found", "todo"), CASES.values(), ids=CASES)
def test_what_is_wrong_is_said_in_one_line_and_nothing_is_started(
    docker: Docker,
    docker_settings: Settings,
    keys: list[Any],
    answers: dict[str, Any],
    found: str,
    todo: str,
) -> None:
    docker.says(**answers)
    with pytest.raises(WorkshopError) as error:
        stack.up(docker_settings)
    assert re.fullmatch(found, error.value.message) and todo in error.value.todo
    assert not any("up" in call for call in docker.calls) and keys == []


def test_no_docker_at_all(
    docker_settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(docker_cli, "env_file", lambda: tmp_path / "docker.env")
    with pytest.raises(WorkshopError, match="There is no `docker` on this machine"):
        stack.up(docker_settings)
    assert not docker_cli.env_file().exists()


def test_too_few_memory_maps_are_said_and_not_refused(
    docker: Docker, docker_settings: Settings, keys: list[Any]
) -> None:
    docker_preflight.MAPS.write_text("65530\n")
    (maps,) = (f for f in docker_preflight.examine(docker_settings) if f.name == "memory maps")
    assert "65,530, which is little" in maps.found
    assert "sudo sysctl -w vm.max_map_count=262144" in maps.todo
    stack.up(docker_settings)
    desktop = {**json.loads(WELL["info"]["out"]), "OperatingSystem": "Docker Desktop"}
    docker.says(info={"out": json.dumps(desktop)})
    assert all(finding.ok for finding in docker_preflight.examine(docker_settings))


def test_a_taken_port_is_named_and_one_of_ours_is_not_taken(
    docker: Docker, docker_settings: Settings, keys: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        monkeypatch.setenv("WORKSHOP_KAFKA_PORT", str(port))
        with pytest.raises(WorkshopError, match=rf"port {port} \(kafka\)\.") as error:
            stack.up(docker_settings)
        assert "WORKSHOP_<KAFKA" in error.value.todo
        assert not any("up" in call for call in docker.calls)
        # One of ours, be it that it crashes and is started again: then it publishes nothing.
        for publishers in ([{"PublishedPort": port}], []):
            container = {**CONTAINERS[0], "Publishers": publishers}
            docker.says(ps={"out": json.dumps(container)})
            stack.up(docker_settings)


def test_doctor_finds_nothing_wrong_on_a_machine_that_will_do(
    docker: Docker, docker_settings: Settings
) -> None:
    docker_cli.write_env(compose.variables(docker_settings, 0))
    found = {finding.name: finding for finding in docker_preflight.examine(docker_settings)}
    assert list(found) == ["Docker", "Docker Compose", "memory maps", "memory", "ports"]
    assert all(finding.ok for finding in found.values())


def test_a_failing_start_points_to_the_logs(
    docker: Docker, docker_settings: Settings, keys: list[Any]
) -> None:
    docker.says(up={"error": "container workshop-kafka-1 is unhealthy\n", "code": 1})
    with pytest.raises(WorkshopError, match="`docker compose up` ended with 1") as error:
        stack.up(docker_settings)
    assert "logs SERVICE" in error.value.todo
    assert not (docker_settings.home / "stack.json").exists()


def test_the_real_client_of_this_machine_gets_one_line(tmp_path: Path) -> None:
    if shutil.which("docker"):
        done = subprocess.run(["docker", "info"], capture_output=True, check=False)
        if done.returncode == 0:
            pytest.skip("a Docker daemon runs here")
        says = "The Docker daemon is not running.|You may not talk to the Docker daemon."
    else:
        says = "There is no `docker` on this machine."
    environment = {k: v for k, v in os.environ.items() if not k.startswith("WORKSHOP_")}
    done = subprocess.run(
        [sys.executable, "-m", "workshop_lib.cli", "up", "--docker"],
        env=environment | {"WORKSHOP_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1 and done.stdout == ""
    assert re.match(says, done.stderr) and len(done.stderr.splitlines()) == 1


def test_while_the_embedded_stack_is_up_docker_s_is_not_started(
    docker: Docker, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workshop_lib.commands.stack import settings_of
    from workshop_lib.stack import record

    monkeypatch.setenv("WORKSHOP_HOME", str(settings.home))
    assert settings_of(docker=True).stack == "docker"
    record.remember(settings, "embedded", {})
    with pytest.raises(WorkshopError, match="The embedded stack is up"):
        settings_of(docker=True)
    assert settings_of(docker=False).stack == "embedded"


def test_a_change_of_stack_is_noticed_once(settings: Settings) -> None:
    from workshop_lib.stack import record

    docker_settings = settings.model_copy(update={"stack": "docker"})
    assert not record.changed(settings), "the first up changes nothing"
    assert record.changed(docker_settings)
    assert not record.changed(docker_settings)
    assert record.changed(settings)


def test_in_a_container_what_its_host_recorded_is_not_read(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workshop_lib.stack import record

    record.remember(settings, "docker", {"kafka_bootstrap": "127.0.0.1:1"}, {"redis_url": "x"})
    assert Settings(home=settings.home).kafka_bootstrap == "127.0.0.1:1"
    monkeypatch.setenv("WORKSHOP_STACK", "given")
    inside = Settings(home=settings.home)
    assert inside.kafka_bootstrap == Settings.model_fields["kafka_bootstrap"].default
    assert inside.redis_url == Settings.model_fields["redis_url"].default
