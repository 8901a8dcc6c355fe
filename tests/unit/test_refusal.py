"""Errors of the three clients that mean "you do not get in", as one line with what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import redis
from elastic_transport import ApiResponseMeta, HttpHeaders, NodeConfig
from elasticsearch import AuthenticationException, AuthorizationException
from kafka.errors import (
    KafkaTimeoutError,
    SaslAuthenticationFailedError,
    TopicAuthorizationFailedError,
    UnsupportedSaslMechanismError,
)
from pydantic import SecretStr

from workshop_lib.runtime.refusal import LOGIN, refused
from workshop_lib.runtime.store_errors import redis_unavailable
from workshop_lib.settings import Settings


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for names in LOGIN.values():
        for name in names:
            monkeypatch.delenv(f"WORKSHOP_{name.upper()}", raising=False)
    return Settings(
        home=tmp_path,
        kafka_bootstrap="127.0.0.1:9092",
        kafka_password=SecretStr("guess"),
        kafka_passwords={"stream": SecretStr("guess")},
        elasticsearch_url="http://127.0.0.1:9200",
        elasticsearch_password=SecretStr("guess"),
        redis_url="redis://kit:guess@127.0.0.1:6379/0",
    )


def of_elasticsearch(status: int, kind: str) -> Any:
    meta = ApiResponseMeta(status, "1.1", HttpHeaders(), 0.1, NodeConfig("http", "127.0.0.1", 9200))
    error = AuthenticationException if status == 401 else AuthorizationException
    return error(kind, meta, {"error": {"type": kind}})


REFUSALS = [
    (SaslAuthenticationFailedError(), "Kafka at 127.0.0.1:9092 refuses the password of user kit."),
    (
        UnsupportedSaslMechanismError(),
        "Kafka at 127.0.0.1:9092 does not take passwords by SCRAM-SHA-256.",
    ),
    (
        TopicAuthorizationFailedError(),
        "Kafka at 127.0.0.1:9092 does not let user kit do that (TopicAuthorizationFailedError).",
    ),
    (
        of_elasticsearch(401, "security_exception"),
        "Elasticsearch at http://127.0.0.1:9200 refuses the password of user kit.",
    ),
    (
        of_elasticsearch(403, "security_exception"),
        "Elasticsearch at http://127.0.0.1:9200 does not let user kit do that.",
    ),
    (
        redis.AuthenticationError("invalid username-password pair or user is disabled."),
        "Redis at redis://127.0.0.1:6379/0 refuses the password of user kit.",
    ),
    (
        redis.exceptions.NoPermissionError("no permissions to run the 'config' command"),
        "Redis at redis://127.0.0.1:6379/0 does not let user kit do that"
        " (no permissions to run the 'config' command).",
    ),
]


@pytest.mark.parametrize(("error", "line"), REFUSALS, ids=lambda value: type(value).__name__)
def test_who_is_refused_reads_by_whom_and_what_to_do(
    home: Settings, error: Exception, line: str
) -> None:
    found = refused(home, error)
    assert found and found.message == line and found.todo
    assert "guess" not in str(found) and "\n" not in str(found)


@pytest.mark.parametrize(
    "error",
    [
        KafkaTimeoutError("Unable to bootstrap"),
        of_elasticsearch(403, "cluster_block_exception"),  # an index that is read-only
        redis.ConnectionError("Connection refused"),
        redis.ResponseError("WRONGTYPE"),
        OSError("no route"),
        ValueError("x"),
    ],
)
def test_other_errors_are_no_refusals(home: Settings, error: Exception) -> None:
    assert refused(home, error) is None


def test_what_to_do_depends_on_where_the_password_came_from(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def todo(settings: Settings) -> str:
        found = refused(settings, SaslAuthenticationFailedError())
        assert found
        return found.todo

    assert todo(home) == "Run `workshop down`, then `workshop up`."
    external = home.model_copy(update={"stack": "external"})
    assert todo(external).startswith("Correct WORKSHOP_KAFKA_USERNAME or WORKSHOP_KAFKA_PASSWORD")
    monkeypatch.setenv("WORKSHOP_KAFKA_PASSWORD", "guess")
    assert todo(home).startswith("Unset WORKSHOP_KAFKA_PASSWORD: ")


def test_a_service_and_who_has_no_password_are_named(home: Settings) -> None:
    service = refused(home, SaslAuthenticationFailedError(), "stream")
    assert service and service.message.endswith("the password of user stream.")
    update = {"elasticsearch_password": SecretStr(""), "redis_url": "redis://127.0.0.1:6379/0"}
    nobody = home.model_copy(update=update)
    for error in (of_elasticsearch(401, "security_exception"), redis.AuthenticationError("NOAUTH")):
        found = refused(nobody, error)
        assert found and found.predicate == "wants a user and a password"
    key = home.model_copy(update={"elasticsearch_api_key": SecretStr("guess")})
    found = refused(key, of_elasticsearch(401, "security_exception"))
    assert found and found.predicate == "refuses the API key"


def test_no_password_is_waited_for_and_a_full_disk_of_redis_is() -> None:
    full = "MISCONF Errors writing to the AOF file: No space left on device"
    assert redis_unavailable(redis.ResponseError(full))
    assert redis_unavailable(redis.ConnectionError("Connection refused"))
    assert not redis_unavailable(redis.AuthenticationError("invalid username-password pair"))
    assert not redis_unavailable(redis.ResponseError("WRONGTYPE"))
    assert not redis_unavailable(ValueError("MISCONF"))
