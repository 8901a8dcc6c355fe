"""The Docker stack: the services of ``docker/compose.yaml``, driven by ``docker compose``.

In: Settings and a stage. Out: healthy containers, ``docker/.env`` (passwords, ports, folders;
for its owner only), the configuration files that hold passwords (``HOME/docker/``, for its owner
only), and what ``Settings`` of all other commands reads. All that is known of the services, their
ports, images and memory, is asked of compose itself. A file ``docker/compose.override.yaml`` of
one's own is read after ``compose.yaml``, as compose does by default.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import secrets
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from elasticsearch import Elasticsearch

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime import state_file
from workshop_lib.runtime.lock import only_one
from workshop_lib.runtime.wait import CONTAINERS_SECONDS
from workshop_lib.settings import PROJECT, Settings
from workshop_lib.stack import access, kibana, record
from workshop_lib.stack.status import Finding, ServiceStatus

logger = logging.getLogger(__name__)

FOLDER: Final = PROJECT / "docker"

#: What a stage needs of the profiles in compose.yaml; 0: all there is.
STAGES: Final[dict[int, tuple[str, ...]]] = {
    0: ("core", "spark", "logstash", "kibana", "sms", "web"),
    1: ("core", "logstash", "kibana"),
    2: ("core", "spark"),
    3: ("core", "spark", "sms"),
    4: ("core", "sms", "web"),
}
CORE: Final = ("kafka", "elasticsearch", "redis")
#: Made once and kept; the variables of compose.yaml that are no addresses.
SECRETS: Final = (
    *(f"{user.upper()}_PASSWORD" for user in access.USERS),
    "KIBANA_KEY",
    "REDIS_PASSWORD",
    "JUPYTER_TOKEN",
)
#: Where the stage's Spark is, for the containers: HOME/external.json, read by ``Settings``.
SPARK_MASTER: Final = "spark://spark-master:7077"
#: Ports of this machine; each may be set in the environment.
PORTS: Final = {
    "WORKSHOP_KAFKA_PORT": 9092,
    "WORKSHOP_ELASTICSEARCH_PORT": 9200,
    "WORKSHOP_REDIS_PORT": 6379,
    "WORKSHOP_JUPYTER_PORT": 8888,
    "WORKSHOP_SPARK_PORT": 8081,
    "WORKSHOP_KIBANA_PORT": 5601,
    "WORKSHOP_WEB_PORT": 8080,
    "WORKSHOP_SMS_PORT": 8025,
}
#: What root's containers run as: root itself is not let into them.
UID_OF_ROOT: Final = 1000
#: Folders below HOME that are mounted; Docker would make missing ones as root's.
MOUNTED: Final = ("", "log", "dead-letters")
KIBANA: Final = """\
server.name: workshop
server.host: 0.0.0.0
server.publicBaseUrl: http://127.0.0.1:{WORKSHOP_KIBANA_PORT}
elasticsearch.hosts: ["http://elasticsearch:9200"]
elasticsearch.username: kibana
elasticsearch.password: {KIBANA_PASSWORD}
xpack.encryptedSavedObjects.encryptionKey: {KIBANA_KEY}
xpack.security.encryptionKey: {KIBANA_KEY}
telemetry.optIn: false
telemetry.allowChangingOptInStatus: false
newsfeed.enabled: false
map.includeElasticMapsService: false
"""


def env_file() -> Path:
    return FOLDER / ".env"


def read_env() -> dict[str, str]:
    """The variables of docker/.env; none before the first ``up``."""
    if not env_file().exists():
        return {}
    lines = env_file().read_text().splitlines()
    pairs = (line.split("=", 1) for line in lines if "=" in line and line[:1] != "#")
    return {name: value.strip("'") for name, value in pairs}


def write_env(variables: dict[str, str]) -> None:
    """In single quotes: to compose, nothing in such a value has a meaning."""
    head = "# Written by `workshop up --docker`. Passwords and keys: not for git, not for others.\n"
    lines = (f"{name}='{value}'\n" for name, value in sorted(variables.items()))
    state_file.write(env_file(), head + "".join(lines), 0o600)


def variables(settings: Settings, stage: int) -> dict[str, str]:
    """All that compose.yaml asks for: what is known, and new secrets where there are none."""
    known = read_env()
    made = {name: known.get(name) or secrets.token_hex(24) for name in SECRETS}
    ports = {name: os.environ.get(name) or str(port) for name, port in PORTS.items()}
    return {
        **made,
        **ports,
        "WORKSHOP_HOME": str(settings.home.resolve()),
        "WORKSHOP_UID": str(os.geteuid() or UID_OF_ROOT),
        # Two checkouts on one machine are two projects: containers, volumes and network.
        "WORKSHOP_PROJECT": f"workshop-{hashlib.sha256(str(PROJECT).encode()).hexdigest()[:6]}",
    }


def configuration(known: dict[str, str]) -> dict[str, str]:
    """File below HOME/docker → its text: what holds passwords and must not be an argument."""
    passwords = {user: known[f"{user.upper()}_PASSWORD"] for user in access.USERS}
    return {
        **{f"elasticsearch/{name}": text for name, text in access.files(passwords).items()},
        "elasticsearch/health.curl": f'user = "health:{passwords["health"]}"\n',
        "kibana.yml": KIBANA.format_map(known),
    }


def write_configuration(settings: Settings, known: dict[str, str]) -> None:
    """Write what is not there yet: a file that a container has mounted is not replaced."""
    for name, text in configuration(known).items():
        path = settings.home / "docker" / name
        if not path.exists():
            state_file.write(path, text, 0o600)


# Asking Docker ------------------------------------------------------------------------


def words(profiles: Sequence[str], *command: str) -> list[str]:
    """``docker compose`` with our files and ``profiles``, whatever folder we are in."""
    chosen = (word for profile in profiles for word in ("--profile", profile))
    paths = (FOLDER / "compose.yaml", FOLDER / "compose.override.yaml")
    files = [word for path in paths if path.exists() for word in ("--file", str(path))]
    return ["docker", "compose", *files, "--env-file", str(env_file()), *chosen, *command]


def ask(*command: str) -> subprocess.CompletedProcess[str]:
    """Run ``command`` and keep what it says. ``WorkshopError`` if there is no such program."""
    try:
        return subprocess.run(
            command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
        )
    except FileNotFoundError:
        raise WorkshopError(NO_DOCKER.found + ".", NO_DOCKER.todo) from None


def answer(profiles: Sequence[str], *command: str) -> str:
    """What ``docker compose`` answers. ``WorkshopError`` in one line when it fails."""
    done = ask(*words(profiles, *command))
    if done.returncode:
        finding = diagnose(done.stderr)
        raise WorkshopError(finding.found + ".", finding.todo)
    return done.stdout


def do(profiles: Sequence[str], *command: str) -> None:
    """Let ``docker compose`` work, with its own progress on our standard error."""
    done = subprocess.run(
        words(profiles, *command), stdin=subprocess.DEVNULL, stdout=2, check=False
    )
    if done.returncode:
        raise WorkshopError(
            f"`docker compose {command[0]}` ended with {done.returncode}; it says why above.",
            f"`docker compose --file {FOLDER / 'compose.yaml'} logs SERVICE` says more;"
            " `workshop doctor --docker` checks this machine.",
        )


NO_DOCKER: Final = Finding(
    "Docker",
    "There is no `docker` on this machine",
    False,
    "Install Docker Desktop or Docker Engine; the stack without --docker needs none.",
)
#: What docker says, as a pattern → what that means and what to do.
DIAGNOSES: Final = (
    (
        r"permission denied",
        "You may not talk to the Docker daemon",
        "`sudo usermod -aG docker $USER`, then sign in anew.",
    ),
    (
        r"cannot connect to the docker daemon|is the docker daemon running|error during connect",
        "The Docker daemon is not running",
        "Start Docker Desktop, or `sudo systemctl start docker`.",
    ),
    (
        r"unknown command: docker compose|'compose' is not a docker command|unknown flag: --file"
        r"|unknown shorthand flag",
        "Docker has no `compose` of version 2",
        "Install its plugin: `sudo apt-get install -y docker-compose-plugin`, or Docker Desktop.",
    ),
)


def diagnose(said: str) -> Finding:
    """What an error of docker's means, in one line."""
    for pattern, found, todo in DIAGNOSES:
        if re.search(pattern, said, re.IGNORECASE):
            return Finding("Docker", found, False, todo)
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    last = lines[-1] if lines else "Docker failed and did not say why"
    return Finding("Docker", last.rstrip("."), False, "`workshop doctor --docker` checks more.")


def services(profiles: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Name → definition of each service of ``profiles``, as compose itself understands it."""
    config = json.loads(answer(profiles, "config", "--format", "json"))
    found: dict[str, dict[str, Any]] = config["services"]
    return found


def containers() -> list[dict[str, Any]]:
    """Our containers, running or not, as ``docker compose ps`` shows them."""
    text = answer(["*"], "ps", "--all", "--format", "json").strip()
    # Before 2.21 one list, since then an object a line.
    return list(json.loads(text)) if text[:1] == "[" else [*map(json.loads, text.splitlines())]


# Up and down ---------------------------------------------------------------------------


def up(
    settings: Settings,
    stage: int = 0,
) -> list[ServiceStatus]:
    """Start what ``stage`` needs and wait until it is well; what runs already is left alone.

    The first time it makes passwords, keys, the index templates and Kibana's dashboards.
    Raises ``WorkshopError``, before anything is started, for whatever this machine lacks.
    """
    from workshop_lib.stack.docker_preflight import refuse

    with only_one(settings.model_copy(update={"namespace": ""}), "up"):
        refuse(settings, STAGES[stage])  # before any file is written
        known = variables(settings, stage)
        write_env(known)
        refuse(settings, STAGES[stage])
        write_configuration(settings, known)
        state_file.save(
            settings.home / "external.json",
            {"spark_master": SPARK_MASTER if "spark" in STAGES[stage] else "local[*]"},
        )
        make_folders(settings, int(known["WORKSHOP_UID"]))
        logger.info("Building the image of the notebooks, if anything in it changed")
        do(("core",), "build", "jupyter")
        wait = ("--detach", "--wait", "--wait-timeout", str(CONTAINERS_SECONDS))
        logger.info("Starting Kafka, Elasticsearch and Redis")
        do(("core",), "up", *wait, *CORE)
        address = f"http://127.0.0.1:{known['WORKSHOP_ELASTICSEARCH_PORT']}"
        client = Elasticsearch(address, basic_auth=("setup", known["SETUP_PASSWORD"]))
        with closing(client):
            access.put_templates(client)
        logger.info("Starting %s", ", ".join(STAGES[stage]))
        do(STAGES[stage], "up", *wait)
        if "kibana" in STAGES[stage]:
            where = f"http://127.0.0.1:{known['WORKSHOP_KIBANA_PORT']}"
            kibana.import_all(where, known["IMPORTER_PASSWORD"])
        addresses, hidden = connections(known)
        record.remember(settings, "docker", addresses, hidden)
        return status(settings)


def connections(known: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Addresses as this machine sees them, and those that hold a secret."""
    redis = f"127.0.0.1:{known['WORKSHOP_REDIS_PORT']}"
    return {
        "kafka_bootstrap": f"127.0.0.1:{known['WORKSHOP_KAFKA_PORT']}",
        "elasticsearch_url": f"http://127.0.0.1:{known['WORKSHOP_ELASTICSEARCH_PORT']}",
    }, {
        "elasticsearch_password": known["KIT_PASSWORD"],
        "redis_url": f"redis://:{known['REDIS_PASSWORD']}@{redis}/0",
    }


def pages() -> dict[str, str]:
    """What a browser can open → its address."""
    known = read_env()
    names = {"notebooks": "JUPYTER", "Kibana": "KIBANA", "Spark": "SPARK", "live page": "WEB"}
    found = {
        name: f"http://127.0.0.1:{known[f'WORKSHOP_{variable}_PORT']}"
        for name, variable in (names | {"phone": "SMS"}).items()
    }
    return {**found, "notebooks": f"{found['notebooks']}/lab?token={known['JUPYTER_TOKEN']}"}


def make_folders(settings: Settings, uid: int) -> None:
    """What is mounted is there and belongs to whom the containers run as."""
    for name in MOUNTED:
        (settings.home / name).mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        # The embedded servers' folders have owners of their own.
        keep = {"elasticsearch", "kafka", "redis", "secrets.json"}
        os.chown(settings.home, uid, uid)
        for top in settings.home.iterdir():
            if top.name not in keep:
                for path in (top, *top.rglob("*")):
                    os.chown(path, uid, uid, follow_symlinks=False)


def down(settings: Settings) -> list[str]:
    """Stop and remove the containers; the names of those that ran. Data stays in its volumes."""
    ran = [each["Service"] for each in containers() if each["State"] == "running"]
    do(["*"], "down", "--remove-orphans")
    record.forget(settings)
    return sorted(ran)


def remove(settings: Settings) -> None:
    """Remove containers, volumes and passwords; the images stay."""
    do(["*"], "down", "--remove-orphans", "--volumes")
    env_file().unlink(missing_ok=True)
    record.forget(settings)


def download(settings: Settings) -> None:
    """Fetch all images, and build our own, before the room has no network; start nothing."""
    write_env(variables(settings, 0))
    answer(STAGES[0], "version")  # in one line, if there is no Docker
    do(STAGES[0], "pull", "--ignore-buildable")
    do(STAGES[0], "build")


def status(settings: Settings) -> list[ServiceStatus]:
    """How each container is right now; the three servers, if there is none."""
    found = containers()
    if not found:
        return [ServiceStatus(name, "–", None, None, 0, "not started") for name in CORE]
    return sorted(map(status_of, found), key=lambda service: service.name)


def status_of(container: dict[str, Any]) -> ServiceStatus:
    state, health = container["State"], container.get("Health", "")
    ports = [p["PublishedPort"] for p in container.get("Publishers") or () if p["PublishedPort"]]
    problem = ""
    if state != "running":
        problem = f"{state}, with exit code {container.get('ExitCode', '?')}"
    elif health not in ("", "healthy"):
        problem = health
    tag = container["Image"].split("@")[0].rpartition(":")[2]
    return ServiceStatus(container["Service"], tag, ports[0] if ports else None, None, 0, problem)


def resident(settings: Settings) -> int:
    """Containers are no processes of ours; Docker's own limits hold for their memory."""
    return 0
