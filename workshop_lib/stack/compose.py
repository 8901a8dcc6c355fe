"""The Docker stack: the services of ``docker/compose.yaml``, driven by ``docker compose``.

In: Settings and a stage. Out: healthy containers, ``docker/.env`` (passwords, ports, folders;
for its owner only), the configuration files that hold passwords (``HOME/docker/``, for its owner
only), and what ``Settings`` of all other commands reads. All that is known of the services, their
ports, images and memory, is asked of compose itself. A file ``docker/compose.override.yaml`` of
one's own is read after ``compose.yaml``, as compose does by default.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import shutil
from collections.abc import Sequence
from contextlib import closing
from typing import Any, Final

from elasticsearch import Elasticsearch
from pydantic import SecretStr

from workshop_lib.runtime import state_file
from workshop_lib.runtime.lock import only_one
from workshop_lib.runtime.open_clients import open_kafka_admin
from workshop_lib.runtime.wait import CONTAINERS_SECONDS
from workshop_lib.settings import PROJECT, Settings
from workshop_lib.stack import access, docker_cli, kafka_users, kibana, record, reset
from workshop_lib.stack.docker_preflight import refuse
from workshop_lib.stack.status import ServiceStatus

logger = logging.getLogger(__name__)


CORE: Final = ("kafka", "elasticsearch", "redis")
#: A health check of the container asks for a port alone.
KAFKA_USERS: Final = tuple(user for user in kafka_users.ALL if user != "health")
#: Made once and kept; the variables of compose.yaml that are no addresses.
SECRETS: Final = (
    *(f"{user.upper()}_PASSWORD" for user in access.USERS),
    *(f"KAFKA_{user.upper()}_PASSWORD" for user in KAFKA_USERS),
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
MOUNTED: Final = ("", *reset.MOUNTED)
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
uiSettings.overrides:
  "dateFormat:tz": {WORKSHOP_TIMEZONE}
"""


def variables(settings: Settings, stage: int) -> dict[str, str]:
    """All that compose.yaml asks for: what is known, and new secrets where there are none."""
    known = docker_cli.read_env()
    made = {name: known.get(name) or secrets.token_hex(24) for name in SECRETS}
    ports = {name: os.environ.get(name) or str(port) for name, port in PORTS.items()}
    return {
        **made,
        **ports,
        "WORKSHOP_HOME": str(settings.home.resolve()),
        "WORKSHOP_TIMEZONE": settings.timezone,  # containers know nothing of this machine's
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


def write_configuration(settings: Settings, known: dict[str, str], everything: bool) -> None:
    """Write what is not there yet: a file that a container has mounted is not replaced.

    ``everything``: also what is there, as it was made with older passwords.
    """
    for name, text in configuration(known).items():
        path = settings.home / "docker" / name
        if everything or not path.exists():
            state_file.write(path, text, 0o600)


# Up and down ---------------------------------------------------------------------------


def up(
    settings: Settings,
    stage: int = 0,
    without: Sequence[str] = (),
) -> list[ServiceStatus]:
    """Start what ``stage`` needs and wait until it is well; what is already running stays as it is.

    ``without``: profiles that stay out, where their images cannot be had.

    The first time it makes passwords, keys, the index templates and Kibana's dashboards.
    Raises ``WorkshopError``, before anything is started, for whatever this machine lacks.
    """
    profiles = docker_cli.profiles(stage, without)
    with only_one(settings.model_copy(update={"namespace": ""}), "up"):
        refuse(settings, profiles)  # before any file is written
        new = not docker_cli.env_file().exists()
        known = variables(settings, stage)
        docker_cli.write_env(known)
        refuse(settings, profiles)
        write_configuration(settings, known, new)
        state_file.save(
            settings.home / "external.json",
            {"spark_master": SPARK_MASTER if "spark" in profiles else "local[*]"},
        )
        make_folders(settings, int(known["WORKSHOP_UID"]))
        logger.info("Building the image of the notebooks, if anything in it changed")
        docker_cli.do(("core",), "build", "jupyter")
        wait = ("--detach", "--wait", "--wait-timeout", str(CONTAINERS_SECONDS))
        logger.info("Starting Kafka, Elasticsearch and Redis")
        docker_cli.do(("core",), "up", *wait, *CORE)
        address = f"http://127.0.0.1:{known['WORKSHOP_ELASTICSEARCH_PORT']}"
        client = Elasticsearch(address, basic_auth=("setup", known["SETUP_PASSWORD"]))
        with closing(client):
            access.put_templates(client)
        admit_to_kafka(settings, known)
        logger.info("Starting %s", ", ".join(profiles))
        docker_cli.do(profiles, "up", *wait)
        if "kibana" in profiles:
            where = f"http://127.0.0.1:{known['WORKSHOP_KIBANA_PORT']}"
            kibana.import_all(where, known["IMPORTER_PASSWORD"], zone=settings.timezone)
        addresses, hidden = connections(known)
        record.remember(settings, "docker", addresses, hidden)
        return status(settings)


def connections(known: dict[str, str]) -> tuple[dict[str, str], dict[str, Any]]:
    """Addresses as this machine sees them, and those that hold a secret."""
    redis = f"127.0.0.1:{known['WORKSHOP_REDIS_PORT']}"
    return {
        "kafka_bootstrap": f"127.0.0.1:{known['WORKSHOP_KAFKA_PORT']}",
        "kafka_mechanism": "PLAIN",
        "elasticsearch_url": f"http://127.0.0.1:{known['WORKSHOP_ELASTICSEARCH_PORT']}",
    }, {
        "kafka_password": known["KAFKA_KIT_PASSWORD"],
        "kafka_passwords": {
            user: known[f"KAFKA_{user.upper()}_PASSWORD"] for user in kafka_users.SERVICES
        },
        "elasticsearch_password": known["KIT_PASSWORD"],
        "redis_url": f"redis://:{known['REDIS_PASSWORD']}@{redis}/0",
    }


def admit_to_kafka(settings: Settings, known: dict[str, str]) -> None:
    """Say what each of Kafka's users may do; the work of the one who may do all."""
    login = connections(known)[0] | {
        "kafka_username": kafka_users.ADMIN,
        "kafka_password": SecretStr(known["KAFKA_ADMIN_PASSWORD"]),
    }
    client = open_kafka_admin(settings.model_copy(update=login))
    with closing(client):
        kafka_users.put_rights(client)


def pages() -> dict[str, str]:
    """What a browser can open → its address."""
    known = docker_cli.read_env()
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
    ran = [each["Service"] for each in docker_cli.containers() if each["State"] == "running"]
    docker_cli.do(["*"], "down", "--remove-orphans")
    record.forget(settings)
    return sorted(ran)


def remove(settings: Settings) -> None:
    """Remove containers, volumes and passwords; the images stay."""
    docker_cli.do(["*"], "down", "--remove-orphans", "--volumes")
    docker_cli.env_file().unlink(missing_ok=True)
    shutil.rmtree(settings.home / "docker", ignore_errors=True)  # made with those passwords
    record.forget(settings)


def download(settings: Settings, without: Sequence[str] = ()) -> None:
    """Fetch all images, and build our own, before the room has no network; start nothing."""
    profiles = docker_cli.profiles(0, without)
    docker_cli.write_env(variables(settings, 0))
    docker_cli.answer(profiles, "version")  # in one line, if there is no Docker
    docker_cli.do(profiles, "pull", "--ignore-buildable")
    docker_cli.do(profiles, "build")


def status(settings: Settings) -> list[ServiceStatus]:
    """How each container is right now; the three servers, if there is none."""
    found = docker_cli.containers()
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
