"""Servers that somebody else starts: those of a cluster, or of the containers beside this one.

``WORKSHOP_STACK=external``. Nothing is started and nothing stopped here; the addresses of the
settings are asked whether they answer, with the same keys that all other steps use.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn
from urllib.parse import urlsplit

from elasticsearch import ApiError, TransportError
from kafka.errors import KafkaError
from redis import RedisError

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime import connections
from workshop_lib.runtime.refusal import Refused, refused
from workshop_lib.settings import Settings
from workshop_lib.stack.status import ServiceStatus


def _kafka(settings: Settings) -> str:
    admin = connections.kafka_admin(settings)
    try:
        admin.list_topics()
    finally:
        admin.close()
    return settings.kafka_bootstrap


def _elasticsearch(settings: Settings) -> str:
    client = connections.elasticsearch(settings).options(request_timeout=5, max_retries=0)
    try:
        client.cluster.health()
    finally:
        client.close()
    return urlsplit(settings.elasticsearch_url).netloc


def _redis(settings: Settings) -> str:
    client = connections.redis_client(settings)
    try:
        client.ping()
    finally:
        client.close()
    return urlsplit(settings.redis_address).netloc


#: Asks a server; returns its address, or raises what its client raises.
ASK: dict[str, Callable[[Settings], str]] = {
    "kafka": _kafka,
    "elasticsearch": _elasticsearch,
    "redis": _redis,
}
ADDRESS = {
    "kafka": "kafka_bootstrap",
    "elasticsearch": "elasticsearch_url",
    "redis": "redis_address",
}


def status(settings: Settings) -> list[ServiceStatus]:
    """How each server is right now."""
    return [_status_of(settings, name) for name in ASK]


def _status_of(settings: Settings, name: str) -> ServiceStatus:
    problem = ""
    try:
        ASK[name](settings)
    except Refused as error:
        problem = error.problem
    except (ApiError, TransportError, KafkaError, RedisError, OSError, ValueError) as error:
        refusal = refused(settings, error)
        problem = (
            refusal.problem
            if refusal
            else f"does not answer at {getattr(settings, ADDRESS[name])} ({type(error).__name__})"
        )
    address = str(getattr(settings, ADDRESS[name]))
    parts = urlsplit(address if "://" in address else f"//{address.split(',')[0]}")
    return ServiceStatus(name, "external", parts.port, None, 0, problem, parts.hostname or "")


def up(
    settings: Settings,
) -> list[ServiceStatus]:
    """All of them, if they are well. Raises ``WorkshopError`` naming the first that is not."""
    services = status(settings)
    for service in services:
        if service.problem:
            problem, _, todo = service.problem.partition("; ")
            raise WorkshopError(
                f"{service.name} {problem}.",
                todo
                or "It is started elsewhere: WORKSHOP_STACK=external. Start it there, or correct"
                " the address.",
            )
    return services


def down(settings: Settings) -> NoReturn:
    raise WorkshopError(
        "These servers are started and stopped elsewhere.",
        "See who started them, or Docker's host.",
    )


def remove(settings: Settings) -> NoReturn:
    down(settings)


def resident(settings: Settings) -> int:
    """They are not processes of this machine, so they hold none of its memory."""
    return 0
