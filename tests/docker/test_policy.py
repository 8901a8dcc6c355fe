"""docker/compose.yaml and its image keep to what docs/docker.md promises of them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from composed import FILE, services
from pytest import param

from workshop_lib.runtime import node
from workshop_lib.settings import PROJECT, Settings
from workshop_lib.stack import compose, docker_cli, elasticsearch, kafka, redis
from workshop_lib.stack.docker_preflight import GIB, SHARE

DOCKER = PROJECT / "docker"
VARIABLES = {
    **{name: f"secret-{name}" for name in (*compose.SECRETS,)},
    **{name: str(port) for name, port in compose.PORTS.items()},
    "WORKSHOP_HOME": "/home/me/.workshop",
    "WORKSHOP_UID": "1234",
    "WORKSHOP_TIMEZONE": "Asia/Seoul",
    "WORKSHOP_PROJECT": "workshop-abcdef",
}
ALL = services("*", VARIABLES)
each = pytest.mark.parametrize("name", ALL)


@each
def test_ports_are_published_on_this_machine_only(name: str) -> None:
    assert all(port["host_ip"] == "127.0.0.1" for port in ALL[name]["ports"])


#: Those that write into their own program's folders cannot be read-only.
WRITING = {"kafka", "elasticsearch", "kibana", "logstash"}
#: What would take a container out of its own name spaces, or give it something of the machine.
OPENINGS = ("cap_add", "privileged", "devices", "pid", "ipc", "userns_mode", "cgroup_parent")


def too_much(name: str, service: dict[str, Any]) -> list[str]:
    """What the container of ``service`` may do beyond what docs/docker.md promises."""
    faults = {
        "keeps capabilities": service.get("cap_drop") != ["ALL"],
        "gains privileges": service.get("security_opt") != ["no-new-privileges:true"],
        "is root": str(service.get("user", "1")).split(":")[0] in ("0", "root"),
        "has the engine's socket": "docker.sock" in str(service.get("volumes")),
        "is on the machine's network": service.get("network_mode", "service:")[:8] != "service:",
        "can be written": not service.get("read_only") and name not in WRITING,
        **{f"has {key}": bool(service.get(key)) for key in OPENINGS},
    }
    return [fault for fault, found in faults.items() if found]


@each
def test_it_has_the_least_privileges(name: str) -> None:
    assert too_much(name, ALL[name]) == []
    assert bool(ALL[name].get("read_only")) is (name not in WRITING)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"cap_drop": ["NET_RAW"]}, "keeps capabilities"),
        ({"cap_add": ["SYS_ADMIN"]}, "has cap_add"),
        ({"security_opt": []}, "gains privileges"),
        ({"user": "0:0"}, "is root"),
        ({"read_only": False}, "can be written"),
        ({"network_mode": "host"}, "is on the machine's network"),
        ({"volumes": ["/var/run/docker.sock:/s"]}, "has the engine's socket"),
        ({"pid": "host"}, "has pid"),
    ],
)
def test_a_privilege_too_many_is_found(change: dict[str, Any], fault: str) -> None:
    assert too_much("web", ALL["web"] | change) == [fault]


@each
def test_its_image_is_pinned(name: str) -> None:
    image = ALL[name]["image"]
    assert re.fullmatch(r"[a-z./-]+:\d+\.\d+\.\d+(-[a-z0-9]+)?(@sha256:[0-9a-f]{64})?", image)


@each
def test_it_is_watched_limited_and_waited_for(name: str) -> None:
    service = ALL[name]
    assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")
    assert 128 * 2**20 <= int(service["mem_limit"]) <= 2.75 * GIB
    assert service["logging"]["options"]["max-size"]
    for other, how in service.get("depends_on", {}).items():
        assert how == {"condition": "service_healthy"} and other in ALL


@each
def test_what_it_depends_on_starts_with_it_in_every_stage(name: str) -> None:
    for stage, profiles in docker_cli.STAGES.items():
        chosen = services(profiles, VARIABLES)
        if name in chosen:
            assert set(ALL[name].get("depends_on", {})) <= set(chosen), f"stage {stage}"


def test_versions_are_those_of_the_embedded_servers() -> None:
    tags = {name: service["image"].rpartition(":")[2] for name, service in ALL.items()}
    assert tags["kafka"] == kafka.VERSION
    assert {tags[n] for n in ("elasticsearch", "kibana", "logstash")} == {elasticsearch.VERSION}
    assert tags["redis"].split("-")[0] == redis.VERSION
    version = re.search(r'^version = "(.+)"', (PROJECT / "pyproject.toml").read_text(), re.M)
    assert version and tags["jupyter"] == version[1]


@pytest.mark.parametrize("stage", [1, 2, 3, 4])
def test_a_laptop_with_8_gb_holds_a_stage(stage: int) -> None:
    wanted = services(docker_cli.STAGES[stage], VARIABLES).values()
    needed = sum(int(service["mem_limit"]) for service in wanted)
    # Docker Desktop leaves some to the system.
    assert needed * SHARE < 6 * GIB
    assert needed < 8 * GIB


def test_every_profile_belongs_to_a_stage_and_all_to_stage_0() -> None:
    profiles = {profile for service in ALL.values() for profile in service["profiles"]}
    assert profiles == set(docker_cli.STAGES[0])
    assert set(services(docker_cli.STAGES[0], VARIABLES)) == set(ALL)
    assert all(set(chosen) < profiles for stage, chosen in docker_cli.STAGES.items() if stage)


def test_data_lies_in_named_volumes_and_nothing_else_of_this_machine_is_mounted() -> None:
    named = yaml.safe_load(FILE.read_text())["volumes"]
    sources = {
        volume.rsplit(":ro", 1)[0].rpartition(":")[0]
        for service in ALL.values()
        for volume in service.get("volumes", ())
    }
    home = VARIABLES["WORKSHOP_HOME"]
    # What holds passwords is read from files: no container gets one on its command line.
    secret = {f"{home}/docker/{name}" for name in compose.configuration(VARIABLES)}
    ours = {home, f"{home}/log", f"{home}/dead-letters"} | secret
    files = sources - set(named) - ours
    assert set(named) | ours <= sources
    assert all((DOCKER / path).exists() for path in files), files
    assert {f"{home}/{name}".rstrip("/") for name in compose.MOUNTED} == ours - secret


def test_there_is_no_secret_in_the_file_and_each_one_is_asked_for() -> None:
    text = FILE.read_text()
    asked = set(re.findall(r"\$\{(\w+)", text))
    by_file = {f"{name}_PASSWORD" for name in ("HEALTH", "KIBANA")} | {"KIBANA_KEY"}
    outside = {f"{name}_PASSWORD" for name in ("LEARNER", "IMPORTER", "SETUP")}
    assert set(VARIABLES) - asked == by_file | outside
    assert asked <= set(VARIABLES)
    # A value of a password, key or token is a variable, or the name of one inside.
    for line in text.splitlines():
        if re.search(r"(PASSWORD|TOKEN|KEY|AUTH)(?!ORIZER)\w*: ", line):
            assert "${" in line, line
    for name in set(compose.SECRETS) & asked:
        assert f"{name}:?" in text, "without it, Compose says what to do"
    ignored = subprocess.run(
        ["git", "check-ignore", "-q", "docker/.env"], cwd=PROJECT, check=False
    ).returncode
    assert ignored in (0, 128)  # 128: not a git checkout


def test_secrets_reach_only_those_who_need_them() -> None:
    got = {
        name: {s for s in compose.SECRETS if f"secret-{s}" in json.dumps(service)}
        for name, service in ALL.items()
    }  # fmt: skip
    kit = {"KIT_PASSWORD", "REDIS_PASSWORD", "KAFKA_KIT_PASSWORD"}
    of_kafka = {f"KAFKA_{user}_PASSWORD" for user in ("ADMIN", "SHIPPER", "STREAM", "READER")}
    assert got == {
        "kafka": of_kafka | {"KAFKA_KIT_PASSWORD"},
        "elasticsearch": set(),
        "redis": {"REDIS_PASSWORD"},
        "jupyter": {*kit, *of_kafka, "JUPYTER_TOKEN"} - {"KAFKA_ADMIN_PASSWORD"},
        "spark-master": set(),
        "spark-worker": set(),
        "kibana": set(),
        "logstash": {"LOGSTASH_PASSWORD", "KAFKA_SHIPPER_PASSWORD"},
        "sms-gateway": set(),
        "sms-server": kit,
        "web": {"WEB_PASSWORD", "REDIS_PASSWORD"},
    }


@pytest.mark.parametrize("name", ["jupyter", "sms-server"])
def test_the_kit_s_containers_get_settings_that_there_are(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment = ALL[name]["environment"]
    fields = {f"WORKSHOP_{field.upper()}" for field in Settings.model_fields}
    assert {v for v in environment if v.startswith("WORKSHOP_")} <= fields
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    settings = Settings(home=tmp_path)
    assert settings.stack == "external" and settings.kafka_bootstrap == "kafka:9094"
    assert settings.elasticsearch_url == "http://elasticsearch:9200"
    assert settings.elasticsearch_username == "kit"
    assert settings.elasticsearch_password.get_secret_value() == "secret-KIT_PASSWORD"
    assert settings.redis_url == "redis://:secret-REDIS_PASSWORD@redis:6379/0"


def test_the_stage_s_sms_server_gives_way_to_notebook_07() -> None:
    # Without it that notebook would find its outbox empty, and its group made.
    assert ALL["sms-server"]["command"] == ["workshop", "sms-server", "--give-way"]
    assert f"{VARIABLES['WORKSHOP_HOME']}:/workshop/.workshop" in ALL["sms-server"]["volumes"]
    assert f"{VARIABLES['WORKSHOP_HOME']}:/workshop/.workshop" in ALL["jupyter"]["volumes"]


def test_the_page_gets_what_its_server_reads() -> None:
    config = PROJECT / "web" / "server" / "config.js"
    if not config.exists():
        pytest.skip("the page's server is not here")
    read = set(re.findall(r"WORKSHOP_\w+", config.read_text()))
    assert set(ALL["web"]["environment"]) <= read
    program = ALL["web"]["command"]
    assert program[0] == "node" and (PROJECT / program[1]).exists()


def test_kafka_tells_each_side_an_address_that_it_can_reach() -> None:
    kafka_ = ALL["kafka"]
    advertised = dict(
        a.split("://") for a in kafka_["environment"]["KAFKA_ADVERTISED_LISTENERS"].split(",")
    )
    published = kafka_["ports"][0]
    assert advertised["HOST"] == f"127.0.0.1:{published['published']}"
    listens = dict(a.split("://") for a in kafka_["environment"]["KAFKA_LISTENERS"].split(","))
    assert listens["HOST"] == f":{published['target']}"
    assert ALL["jupyter"]["environment"]["WORKSHOP_KAFKA_BOOTSTRAP"] == advertised["INSIDE"]


def test_kafka_is_configured_as_the_embedded_one() -> None:
    text = kafka.properties(1, 2, {"admin": "word"})
    ours = dict(line.split("=", 1) for line in text.splitlines() if line)
    theirs = ALL["kafka"]["environment"]
    differ = ("listener", "voters", "log.dirs", "inter.broker", "node.id", "recovery.threads")
    differ = (*differ, "sasl")  # PLAIN instead of SCRAM
    for name, value in ours.items():
        if not any(word in name for word in differ):
            assert str(theirs[f"KAFKA_{name.replace('.', '_').upper()}"]) == value, name


# The image -----------------------------------------------------------------------------

DOCKERFILE = (DOCKER / "Dockerfile").read_text()


def test_the_image_is_pinned_has_the_lock_s_packages_and_does_not_run_as_root() -> None:
    assert re.findall(r"^FROM (.+)", DOCKERFILE, re.M) == ["python:3.12.12-slim-bookworm"]
    assert "--require-hashes -r requirements.lock" in DOCKERFILE
    assert "COPY docker/requirements.lock" in DOCKERFILE
    assert re.findall(r"^USER (.+)", DOCKERFILE, re.M)[-1] == "${UID}"
    assert "curl " not in DOCKERFILE and "ADD " not in DOCKERFILE


def test_what_the_image_copies_is_there_and_sent_to_the_builder() -> None:
    sent = [
        line[1:]
        for line in (PROJECT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    ]
    copied = [
        source
        for words in re.findall(r"^COPY (.+)", DOCKERFILE, re.M)
        for source in words.split()[:-1]
    ]
    assert copied
    for source in copied:
        assert source in sent or source.split("/")[0] in sent
        if source.split("/")[0] != "web" or (PROJECT / "web").exists():
            assert (PROJECT / source).exists(), source


def test_the_rooms_that_are_copied_first_import_from_no_other() -> None:
    # Only these are there when Spark's classes are written down.
    first = DOCKERFILE[: DOCKERFILE.index("class_archive.make()")]
    rooms = set(re.findall(r"^COPY workshop_lib/(\w+) workshop_lib/\1$", first, re.M))
    assert {"runtime", "stream", "spark_startup"} <= rooms
    imported = {
        name
        for room in rooms
        for path in (PROJECT / "workshop_lib" / room).rglob("*.py")
        for name in re.findall(
            r"^(?:from|import) workshop_lib\.(\w+)", path.read_text(encoding="utf-8"), re.M
        )
    }
    assert imported <= rooms | {"errors", "settings"}


def test_hadolint_finds_nothing() -> None:
    if not shutil.which("hadolint"):
        pytest.skip("hadolint is not installed: `make setup` brings it")
    done = subprocess.run(["hadolint", DOCKER / "Dockerfile"], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, b"")
    bad = subprocess.run(
        ["hadolint", "-"], input=b"FROM python\nRUN sudo ls\n", capture_output=True, check=False
    )
    assert bad.returncode != 0, "the negative control"


def test_the_image_has_the_versions_of_the_lock_and_no_test_tools() -> None:
    def pins(path: Path) -> set[str]:
        return set(re.findall(r"^([\w.-]+==[^ \\]+)", path.read_text(), re.M))

    whole, image = pins(PROJECT / "requirements.lock"), pins(DOCKER / "requirements.lock")
    assert image < whole, "run `make lock`"
    names = {pin.split("==")[0] for pin in image}
    assert {"pyspark", "jupyterlab", "setuptools"} <= names
    assert not {"pytest", "mypy", "ruff", "playwright"} & names


# Compose's own rules ---------------------------------------------------------------------


def with_a_fault(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new, 1)


@pytest.fixture(scope="module")
def dclint(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The linter, which has the schema of the Compose specification, at its locked version."""
    folder = tmp_path_factory.mktemp("lint")
    for name in ("package.json", "package-lock.json", ".dclintrc.json"):
        shutil.copy(DOCKER / "lint" / name, folder)
    done = subprocess.run(
        [node.NODE, node.NPM, "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"npm could not fetch the linter: {done.stderr[-200:]}")

    def lint(text: str) -> tuple[int, str]:
        (folder / "compose.yaml").write_text(text)
        found = subprocess.run(
            [
                node.NODE,
                "node_modules/dclint/bin/dclint.cjs",
                "--max-warnings",
                "0",
                "compose.yaml",
            ],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        return found.returncode, found.stdout + found.stderr

    return lint


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        param("", "", "", id="as it is"),
        param("mem_limit: 768m", "mem_limt: 768m", "invalid-schema", id="a key that there is not"),
        param("retries: 24", "retries: [24]", "invalid-schema", id="a value of another kind"),
        param('"127.0.0.1:${WORKSHOP_KAFKA', '"${WORKSHOP_KAFKA', "unbound", id="a port for all"),
    ],
)
def test_the_compose_file_keeps_to_the_specification(
    dclint: Any, old: str, new: str, rule: str
) -> None:
    text = FILE.read_text()
    code, said = dclint(with_a_fault(text, old, new) if old else text)
    assert (code == 0) is (not rule), said
    assert rule in said


def test_compose_itself_reads_the_file_as_these_tests_do(tmp_path: Path) -> None:
    done = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False) if (
        shutil.which("docker")
    ) else None  # fmt: skip
    if done is None or done.returncode:
        pytest.skip("no Docker Compose on this machine")
    env = tmp_path / "env"
    env.write_text("".join(f"{name}='{value}'\n" for name, value in VARIABLES.items()))
    words = ["docker", "compose", "--file", str(FILE), "--env-file", str(env)]
    text = subprocess.run(
        [*words, "--profile", "*", "config", "--format", "json"],
        env={n: v for n, v in os.environ.items() if not n.startswith("WORKSHOP_")},
        capture_output=True,
        check=True,
    ).stdout
    theirs = json.loads(text)["services"]
    assert set(theirs) == set(ALL)
    for name, service in ALL.items():
        assert theirs[name]["mem_limit"] == service["mem_limit"]
        assert [p["published"] for p in theirs[name].get("ports", ())] == [
            p["published"] for p in service["ports"]
        ]
