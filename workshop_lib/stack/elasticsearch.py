"""Elasticsearch as one local process on 127.0.0.1.

It is the official server with few modules (see docs/architecture.md). It refuses to run
as root, so root starts it as another user, from a folder that this user can reach.
"""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import shutil
import stat
import zipfile
from pathlib import Path

from elasticsearch import ApiError, AuthenticationException, Elasticsearch, TransportError

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime import artifacts, state_file
from workshop_lib.runtime.identity import cluster_name
from workshop_lib.runtime.java import FEW_ARENAS, FIRST_COMPILER, Java, compilers
from workshop_lib.runtime.process import Command
from workshop_lib.runtime.state_file import replacing
from workshop_lib.schema.tables import INDICES
from workshop_lib.settings import Settings
from workshop_lib.stack import access, passwords

VERSION = "8.19.20"
HEAP = "512m"
#: At each start it would try ten times to copy the roles of its own into an index, which needs
#: a module that is not there, and let no index of ours become ready meanwhile. Ours are in a file.
NO_ROLES_INDEX = "-Des.queryable_built_in_roles_enabled=false"


def yaml(folder: Path, port: int, transport_port: int, identity: str) -> str:
    values = {
        "cluster.name": cluster_name(identity),
        "node.name": "workshop",
        "discovery.type": "single-node",
        "network.host": "127.0.0.1",
        "http.port": port,
        "transport.port": transport_port,
        "path.data": str(folder / "data"),
        "path.logs": str(folder / "logs"),
        "xpack.security.enabled": True,
        # Whoever could listen on the loopback device is root, and TLS hides nothing from root.
        "xpack.security.http.ssl.enabled": False,
        # An index of ours is made by create_index only; a document never makes it by guessing.
        "action.auto_create_index": ",".join([*(f"-*{name}" for name in INDICES), "+*"]),
        # A laptop's disk is often nine tenths full; that must not make indices read-only.
        "cluster.routing.allocation.disk.threshold_enabled": False,
    }
    # A JSON value is a YAML value, whatever signs a path has.
    return "".join(f"{key}: {json.dumps(value)}\n" for key, value in values.items())


def reachable_by_others(path: Path) -> bool:
    """Whether a user without rights of his own can enter every folder on the way to ``path``."""
    existing = next(p for p in (path, *path.parents) if p.exists())
    return all(p.stat().st_mode & stat.S_IXOTH for p in (existing, *existing.parents))


def runs_as(settings: Settings) -> pwd.struct_passwd | None:
    """The user that root starts it as; None for everybody else."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(settings.elasticsearch_user)
    except KeyError:
        raise WorkshopError(
            "Elasticsearch refuses to run as root, and there is no user"
            f" {settings.elasticsearch_user!r} to run it as.",
            "Name one in WORKSHOP_ELASTICSEARCH_USER, or be an ordinary user.",
        ) from None


def home(settings: Settings) -> Path:
    """Program and data. Below HOME, or below /var/tmp where HOME is closed to the other user."""
    folder = settings.home / "elasticsearch"
    if os.geteuid() == 0 and not reachable_by_others(folder):
        name = hashlib.sha256(str(settings.home).encode()).hexdigest()[:12]
        return Path("/var/tmp") / f"workshop-elasticsearch-{name}"
    return folder


def prepare(
    settings: Settings, port: int, transport_port: int, java: Java, identity: str
) -> Command:
    """Unpack the program once, write the configuration, and say how to start.

    The other user owns only what the server writes: whatever that user could put in the
    place of a file would otherwise be followed by root at the next start.
    """
    user, folder = runs_as(settings), home(settings)
    if user and not reachable_by_others(java.home):
        raise WorkshopError(
            f"The user {user.pw_name}, who runs Elasticsearch, cannot reach {java.home}.",
            "Set JAVA_HOME to a Java outside of closed folders.",
        )
    own(folder)
    program = folder / f"elasticsearch-{VERSION}"
    if not program.exists():
        unpack(artifacts.elasticsearch_zip(), program)
    config = folder / "config"
    if not folder.is_relative_to(settings.home):
        remove_orphaned(folder, identity)
    if config.exists():
        shutil.rmtree(config)
    shutil.copytree(program / "config", config)
    (config / "elasticsearch.yml").write_text(yaml(folder, port, transport_port, identity))
    for name, text in access.files(_passwords(settings)).items():
        (config / name).unlink(missing_ok=True)
        state_file.write(config / name, text, 0o600)
    written = [config, *(folder / name for name in ("data", "logs", "tmp"))]
    for path in written:
        path.mkdir(exist_ok=True)
        if user:
            give(path, user)
    return Command(
        [str(program / "bin" / "elasticsearch")],
        {
            "ES_JAVA_HOME": str(java.home),
            # Of the program that starts the server, and then waits for its end.
            "CLI_JAVA_OPTS": " ".join(FIRST_COMPILER),
            # Neither heap dumps nor the collector's log, which may grow to 2 GB.
            "ES_JAVA_OPTS": " ".join((f"-Xms{HEAP} -Xmx{HEAP}", *compilers(settings.servers_long)))
            + f" -XX:-HeapDumpOnOutOfMemoryError {NO_ROLES_INDEX}"
            " -Xlog:disable -Xlog:all=warning:stderr:utctime,level,tags",
            "ES_PATH_CONF": str(config),
            "ES_TMPDIR": str(folder / "tmp"),
            **FEW_ARENAS,
        },
        user,
        folder / "logs",
    )


def remove_orphaned(folder: Path, identity: str) -> None:
    """Remove the data in ``folder`` that is of other servers, whose home was at this place.

    Outside of the home it outlives a home that was deleted without `workshop down --clean`.
    """
    last, data = folder / "config" / "elasticsearch.yml", folder / "data"
    if not last.exists() or json.dumps(cluster_name(identity)) in last.read_text():
        return
    if data.exists():
        shutil.rmtree(data)


def own(folder: Path) -> None:
    """Make ``folder``; refuse one that somebody else has put there before."""
    folder.mkdir(parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise WorkshopError(
            f"{folder} belongs to somebody else.",
            "`workshop down --clean` removes it, with the data; then run the same command again.",
        )
    if found.st_uid == 0:
        folder.chmod(0o755)  # whatever the umask: the other user has to pass


def unpack(archive: Path, program: Path) -> None:
    """Unpack ``archive``, which holds one folder of the name of ``program``, as that.

    Everybody may read it, as the archive means it, whatever the umask.
    """
    for interrupted in program.parent.glob(f".{program.name}.*.new"):
        shutil.rmtree(interrupted)
    with replacing(program) as draft, zipfile.ZipFile(archive) as file:
        draft.mkdir()
        draft.chmod(0o755)
        for member in file.infolist():
            member.filename = member.filename.partition("/")[2]
            if member.filename:
                path = Path(file.extract(member, draft))
                path.chmod(member.external_attr >> 16 & 0o755 | 0o644)
        for folder in (path for path in draft.rglob("*") if path.is_dir()):
            folder.chmod(0o755)  # also those that the archive does not list


def give(folder: Path, user: pwd.struct_passwd) -> None:
    """Make ``user`` the owner of ``folder`` and all in it, if it is not."""
    if folder.lstat().st_uid != user.pw_uid:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)


def _passwords(settings: Settings) -> dict[str, str]:
    """User of Elasticsearch → password."""
    return passwords.of(settings, "elasticsearch")


def secrets(settings: Settings) -> dict[str, str]:
    """Name of the setting → the password of the user who needs it."""
    known = _passwords(settings)
    return {"elasticsearch_password": known["kit"], "elasticsearch_password_web": known["web"]}


def health(settings: Settings, port: int) -> str:
    """ "" when it answers and is not red, else why not."""
    client = Elasticsearch(
        f"http://127.0.0.1:{port}",
        basic_auth=("health", _passwords(settings)["health"]),
        request_timeout=3,
        max_retries=0,
    )
    try:
        status = client.cluster.health()["status"]
    except AuthenticationException:
        return passwords.refuses("health")
    except (ApiError, TransportError) as error:
        return f"does not answer ({type(error).__name__})"
    finally:
        client.close()
    return "is red: some of its data cannot be read" if status == "red" else ""
