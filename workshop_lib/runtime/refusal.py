"""A server that answers and does not let us in: whom it refuses, and what to do, in one line.

In: an error of a client and the Settings that it was made with. Out: ``Refused``, a
``WorkshopError``, or None for any other error. Waiting heals no wrong password, so whoever starts
asks first (``identity``) and ends with this line instead of "does not answer".
"""

from __future__ import annotations

import os
from typing import Final
from urllib.parse import urlsplit

import elasticsearch
import redis
from kafka.errors import (
    AuthorizationError,
    SaslAuthenticationFailedError,
    UnsupportedSaslMechanismError,
)

from workshop_lib.errors import WorkshopError
from workshop_lib.settings import Settings

#: Server → the settings that say who we are.
LOGIN: Final = {
    "Kafka": ("kafka_username", "kafka_password", "kafka_passwords", "kafka_mechanism"),
    "Elasticsearch": ("elasticsearch_username", "elasticsearch_password", "elasticsearch_api_key"),
    "Redis": ("redis_url",),
}
#: What Kafka answers to somebody whom it does not let in.
KAFKA_LOGIN_FAILED: Final = (SaslAuthenticationFailedError, UnsupportedSaslMechanismError)


class Refused(WorkshopError):
    """``predicate``: what ``server`` does, in words that follow its name."""

    def __init__(self, server: str, address: str, predicate: str, todo: str) -> None:
        super().__init__(f"{server} at {address} {predicate}.", todo)
        self.predicate = predicate

    @property
    def problem(self) -> str:
        """As the status of a server says it: what it does; what to do."""
        return f"{self.predicate}; {self.todo}"


def refused(settings: Settings, error: BaseException, service: str = "") -> Refused | None:
    """``error`` as the line to show, if a server has refused our user, password or right.

    ``service``: whose user of Kafka it was, as in ``Settings.kafka_login``.
    """
    found = (
        _by_kafka(settings, error, service)
        or _by_elasticsearch(settings, error)
        or _by_redis(settings, error)
    )
    if found is None:
        return None
    server, predicate, todo = found
    address = {
        "Kafka": settings.kafka_bootstrap,
        "Elasticsearch": settings.elasticsearch_url,
        "Redis": settings.redis_address,
    }[server]
    return Refused(server, address, predicate, todo or _todo(settings, server))


#: Server, predicate, and what to do where that is special.
_Found = tuple[str, str, str] | None
_RIGHTS: Final = "Use a user who may."


def _by_kafka(settings: Settings, error: BaseException, service: str) -> _Found:
    user = settings.kafka_login(service).get("sasl_plain_username", "nobody")
    if isinstance(error, SaslAuthenticationFailedError):
        return "Kafka", f"refuses the password of user {user}", ""
    if isinstance(error, UnsupportedSaslMechanismError):
        todo = "Set WORKSHOP_KAFKA_MECHANISM to one that it takes."
        return "Kafka", f"does not take passwords by {settings.kafka_mechanism}", todo
    if isinstance(error, AuthorizationError):
        return "Kafka", f"does not let user {user} do that ({type(error).__name__})", _RIGHTS
    return None


def _by_elasticsearch(settings: Settings, error: BaseException) -> _Found:
    if isinstance(error, elasticsearch.AuthenticationException):
        if settings.elasticsearch_api_key.get_secret_value():
            return "Elasticsearch", "refuses the API key", ""
        if not settings.elasticsearch_password.get_secret_value():
            return "Elasticsearch", "wants a user and a password", ""
        user = settings.elasticsearch_username
        return "Elasticsearch", f"refuses the password of user {user}", ""
    # A block of an index is a 403, too, and a matter of waiting.
    if isinstance(error, elasticsearch.AuthorizationException) and error.error == (
        "security_exception"
    ):
        user = settings.elasticsearch_username
        return "Elasticsearch", f"does not let user {user} do that", _RIGHTS
    return None


def _by_redis(settings: Settings, error: BaseException) -> _Found:
    parts = urlsplit(settings.redis_url)
    user = parts.username or "default"
    if isinstance(error, redis.AuthenticationError):
        if not parts.password:
            return "Redis", "wants a user and a password", ""
        return "Redis", f"refuses the password of user {user}", ""
    if isinstance(error, redis.exceptions.NoPermissionError):
        return "Redis", f"does not let user {user} do that ({error})", _RIGHTS
    return None


def _todo(settings: Settings, server: str) -> str:
    names = [f"WORKSHOP_{name.upper()}" for name in LOGIN[server]]
    if settings.stack == "external":
        return f"Correct {' or '.join(names)}."
    given = [name for name in names if os.environ.get(name)]
    if given:
        return f"Unset {' and '.join(given)}: this home knows its own servers' passwords."
    again = "workshop up --docker" if settings.stack == "docker" else "workshop up"
    return f"Run `workshop down`, then `{again}`."
