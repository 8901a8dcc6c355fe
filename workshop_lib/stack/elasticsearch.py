"""Elasticsearch as one local process on 127.0.0.1.

It is the official server with few modules (see docs/architecture.md). It refuses to run
as root, so root starts it as another user, from a folder that this user can reach.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import stat
import zipfile
from pathlib import Path

from elasticsearch import ApiError, Elasticsearch, TransportError

from workshop_lib.settings import Settings
from workshop_lib.stack import artifacts
from workshop_lib.stack.java import Java
from workshop_lib.stack.process import Command

VERSION = "8.19.20"
HEAP = "512m"


def yaml(folder: Path, port: int, transport_port: int) -> str:
    values = {
        "cluster.name": "workshop",
        "node.name": "workshop",
        "discovery.type": "single-node",
        "network.host": "127.0.0.1",
        "http.port": port,
        "transport.port": transport_port,
        "path.data": folder / "data",
        "path.logs": folder / "logs",
        "xpack.security.enabled": "false",
        # A laptop's disk is often nine tenths full; that must not make indices read-only.
        "cluster.routing.allocation.disk.threshold_enabled": "false",
    }
    return "".join(f"{key}: {value}\n" for key, value in values.items())


def reachable_by_others(path: Path) -> bool:
    """Whether a user without rights of his own can enter every folder on the way to ``path``."""
    existing = next(p for p in (path, *path.parents) if p.exists())
    return all(p.stat().st_mode & stat.S_IXOTH for p in (existing, *existing.parents))


def runs_as(settings: Settings) -> str | None:
    """The user that root starts it as; None for everybody else."""
    return settings.elasticsearch_user if os.geteuid() == 0 else None


def home(settings: Settings) -> Path:
    """Program and data. Below HOME, or below /var/tmp where HOME is closed to the other user."""
    folder = settings.home / "elasticsearch"
    if runs_as(settings) and not reachable_by_others(folder):
        name = hashlib.sha256(str(settings.home).encode()).hexdigest()[:12]
        return Path("/var/tmp") / f"workshop-elasticsearch-{name}"
    return folder


def prepare(settings: Settings, port: int, transport_port: int, java: Java) -> Command:
    """Unpack the program once, write the configuration, and say how to start."""
    folder = home(settings)
    program = folder / f"elasticsearch-{VERSION}"
    if not program.exists():
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / "unpacking"
        shutil.rmtree(partial, ignore_errors=True)
        with zipfile.ZipFile(artifacts.elasticsearch_zip()) as archive:
            archive.extractall(partial)
        for file in (partial / program.name / "bin").iterdir():
            file.chmod(0o755)
        os.replace(partial / program.name, program)
        shutil.rmtree(partial)
    config = folder / "config"
    if not config.exists():
        shutil.copytree(program / "config", config)
    (config / "elasticsearch.yml").write_text(yaml(folder, port, transport_port))
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    user = runs_as(settings)
    if user:
        give(folder, user)
    return Command(
        [str(program / "bin" / "elasticsearch")],
        {
            "ES_JAVA_HOME": str(java.home),
            "ES_JAVA_OPTS": f"-Xms{HEAP} -Xmx{HEAP}",
            "ES_PATH_CONF": str(config),
            "ES_TMPDIR": str(temporary),
        },
        user,
        folder,
    )


def give(folder: Path, user: str) -> None:
    """Make ``user`` the owner of ``folder`` and all in it."""
    owner = pwd.getpwnam(user)
    for path in (folder, *folder.rglob("*")):
        if path.lstat().st_uid != owner.pw_uid:
            os.chown(path, owner.pw_uid, owner.pw_gid, follow_symlinks=False)


def health(port: int) -> str:
    """ "" when it answers and is not red, else why not."""
    client = Elasticsearch(f"http://127.0.0.1:{port}", request_timeout=3, max_retries=0)
    try:
        status = client.cluster.health()["status"]
    except (ApiError, TransportError) as error:
        return f"does not answer ({type(error).__name__})"
    finally:
        client.close()
    return "is red: some of its data cannot be read" if status == "red" else ""
