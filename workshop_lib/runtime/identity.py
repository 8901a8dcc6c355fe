"""A home talks to its own servers only.

In: Settings with the identity that ``workshop up`` recorded. Out: nothing, or ``WorkshopError`` in
one line. The servers of a home carry its identity: Kafka as its cluster id, Elasticsearch in its
cluster name, Redis in a key. ``connections`` asks before it makes a client, so no command and no
notebook can forget it. Positions and checkpoints are the home's, and ``servers.json`` beside them
says of which servers they are.

External servers have no identity that is known here: the settings name them explicitly. They are
asked whether they let us in, where there is a password to ask with. A server that refuses it says
so at the start of whatever needs it, in one line (``refusal``).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

import elastic_transport
import elasticsearch
import redis
from kafka.errors import KafkaError

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime import process, state_file
from workshop_lib.runtime.open_clients import open_elasticsearch, open_kafka_admin, open_redis
from workshop_lib.runtime.refusal import KAFKA_LOGIN_FAILED, refused
from workshop_lib.schema.names import IDENTITY_KEY
from workshop_lib.settings import Settings

#: Seconds for which an answer is remembered: a server may be replaced while a notebook is open.
REMEMBERED: Final = 30.0
#: Server → the setting that holds its address.
ADDRESS: Final = {
    "Kafka": "kafka_bootstrap",
    "Elasticsearch": "elasticsearch_url",
    "Redis": "redis_url",
}
#: What a server answers to whom it does not let in.
_LOGIN_FAILED: Final = (
    *KAFKA_LOGIN_FAILED,
    elasticsearch.AuthenticationException,
    redis.AuthenticationError,
)
#: (server, address, identity, user and password) → until when the answer holds.
_known: dict[tuple[str, str, str, tuple[str, ...]], float] = {}


def cluster_name(identity: str) -> str:
    """The name of the Elasticsearch cluster of the home with this identity."""
    return f"workshop-{identity}" if identity else "workshop"


def require_own_servers(settings: Settings) -> None:
    """All three servers are those of this home, and its positions and checkpoints are of them.

    A server that does not answer is not refused here: its user reports that, or waits.
    """
    for server in ADDRESS:
        require_own_server(settings, server)
    _require_state_of(settings)


def require_own_server(settings: Settings, server: str) -> None:
    """``server`` is that of this home and lets us in; see ``require_own_servers``."""
    address = getattr(settings, ADDRESS[server])
    if not address:
        raise _no_address(settings, server)
    embedded = settings.stack == "embedded"
    login = _login(settings, server)
    # Without an identity or a password there is nothing to ask.
    if not (settings.identity if embedded else login):
        return
    question = (server, address, settings.identity, login)
    if time.monotonic() < _known.get(question, 0):
        return
    found: Any = None
    try:
        found = _ASK[server](settings)
    except _LOGIN_FAILED as error:
        # Ours knows the passwords of this home: one that is not ours is another home's.
        if not embedded or process.find(server.lower(), settings.home / "pids"):
            refusal = refused(settings, error)
            if refusal is None:
                raise
            raise refusal from error
    except (
        KafkaError,
        OSError,
        ValueError,
        elastic_transport.TransportError,
        elasticsearch.ApiError,
        redis.RedisError,
    ):
        return
    if embedded and found != settings.identity:
        raise WorkshopError(
            f"The {server} at {_shown(settings, server)} does not belong to {settings.home}.",
            "Run `workshop down`, then `workshop up`: it starts servers on free ports.",
        )
    _known[question] = time.monotonic() + REMEMBERED


def _login(settings: Settings, server: str) -> tuple[str, ...]:
    """Who we are to ``server``, and the proof; empty where there is none."""
    if server == "Kafka":
        return tuple(settings.kafka_login().values())
    if server == "Redis":
        return (settings.redis_url,) if urlsplit(settings.redis_url).password else ()
    password = settings.elasticsearch_api_key or settings.elasticsearch_password
    proof = password.get_secret_value()
    return (settings.elasticsearch_username, proof) if proof else ()


def _shown(settings: Settings, server: str) -> str:
    return settings.redis_address if server == "Redis" else str(getattr(settings, ADDRESS[server]))


def _no_address(settings: Settings, server: str) -> WorkshopError:
    if settings.stack == "external":
        return WorkshopError(
            f"The address of {server} is not known.",
            f"Set WORKSHOP_{ADDRESS[server].upper()}: with WORKSHOP_STACK=external there is no"
            " default.",
        )
    return WorkshopError(f"The servers of {settings.home} are not running.", "Run `workshop up`.")


# Asking ---------------------------------------------------------------------------------


def _kafka(settings: Settings) -> Any:
    admin = open_kafka_admin(settings, bootstrap_timeout_ms=2000, request_timeout_ms=2000)
    try:
        return admin.describe_cluster()["cluster_id"]
    finally:
        admin.close()


def _elasticsearch(settings: Settings) -> Any:
    client = open_elasticsearch(settings).options(request_timeout=2, max_retries=0)
    try:
        return client.cluster.health()["cluster_name"].removeprefix("workshop-")
    finally:
        client.close()


def _redis(settings: Settings) -> Any:
    client = open_redis(settings, socket_timeout=2)
    try:
        return client.get(IDENTITY_KEY)
    finally:
        client.close()


_ASK: Final[dict[str, Callable[[Settings], Any]]] = {
    "Kafka": _kafka,
    "Elasticsearch": _elasticsearch,
    "Redis": _redis,
}


def mark_redis(settings: Settings) -> None:
    """Write the identity into the Redis of ``settings``, which this home has just started."""
    client = open_redis(settings)
    try:
        client.set(IDENTITY_KEY, settings.identity)
    finally:
        client.close()


# Positions and checkpoints ------------------------------------------------------------------


def _require_state_of(settings: Settings) -> None:
    """The positions and checkpoints of this home are of its present servers."""
    if not settings.identity:
        return
    path = settings.home / "servers.json"
    before = state_file.load(path, "Delete it, then run `workshop reset`.")
    if before is None:
        state_file.save(path, {"identity": settings.identity})
    elif before.get("identity") != settings.identity:
        raise WorkshopError(
            f"The positions and checkpoints in {settings.home} are of other servers.",
            "Run `workshop reset`: it clears them, and what is in the present servers.",
        )
