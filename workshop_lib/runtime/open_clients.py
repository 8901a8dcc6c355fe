"""Clients of whatever answers at the addresses of ``Settings``; ``identity`` asks it whose it is.

All others take the clients of ``connections``, which belong to this home's servers.
"""

from __future__ import annotations

from typing import Any

import redis
from elasticsearch import Elasticsearch
from elasticsearch.serializer import OrjsonSerializer
from kafka import KafkaAdminClient
from kafka.net.compat import KafkaNetClient
from kafka.net.connection import KafkaConnection
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector

from workshop_lib.runtime.refusal import KAFKA_LOGIN_FAILED
from workshop_lib.settings import Settings


def open_elasticsearch(settings: Settings) -> Elasticsearch:
    """With the user and password, or the API key, of the settings."""
    # orjson: 40 % less time of ours per bulk than with the client's own serializer.
    password = settings.elasticsearch_password.get_secret_value()
    return Elasticsearch(
        settings.elasticsearch_url,
        api_key=settings.elasticsearch_api_key.get_secret_value() or None,
        basic_auth=(settings.elasticsearch_username, password) if password else None,
        request_timeout=30,
        serializer=OrjsonSerializer(),
    )


def open_redis(settings: Settings, **options: Any) -> redis.Redis:
    """With the user and password in the address."""
    # What is no UTF-8 is read as \xNN: nobody can write what ends every reader.
    return redis.Redis.from_url(
        settings.redis_url, decode_responses=True, encoding_errors="backslashreplace", **options
    )


def open_kafka_admin(settings: Settings, **options: Any) -> KafkaAdminClient:
    """With the user and password of the settings; ``options``: those of the client.

    Raises one of ``KAFKA_LOGIN_FAILED`` at once when Kafka refuses them.
    """
    return KafkaAdminClient(**kafka_options(settings), **options)


def kafka_options(settings: Settings, service: str = "") -> dict[str, Any]:
    """Options of each client of kafka-python: the address, the user, and how to connect."""
    return {
        "bootstrap_servers": settings.kafka_bootstrap,
        "kafka_client": _RefusalEndsIt,
        **settings.kafka_login(service),
    }


class _Connections(KafkaConnectionManager):
    """A refused login is an error of the client, as it is in Java's.

    The library means to keep such an error and to raise it at the next attempt. But (3.0.12) what a
    broker says last before it hangs up is often thrown away, and what arrives is not kept: a client
    with a wrong password tries on until its time is up, and says that there is no answer.
    """

    def __init__(self, net: NetworkSelector, **options: Any) -> None:
        super().__init__(net, **options)
        self._refusals: dict[Any, Exception] = {}

    async def _build_transport(self, node: Any, timeout_at: float | None = None) -> Any:
        transport = await super()._build_transport(node, timeout_at=timeout_at)
        receive = transport._sock_recv

        def receive_first() -> tuple[bytes, Exception | None]:
            data, error = receive()
            # The end comes again with the next attempt to read.
            return (data, None) if data else (data, error)

        transport._sock_recv = receive_first
        return transport

    def get_connection(self, node_id: Any, *arguments: Any, **options: Any) -> KafkaConnection:
        connection = super().get_connection(node_id, *arguments, **options)
        if not connection.init_future.is_done:
            connection.init_future.add_errback(lambda error: self._note(node_id, error))
        return connection

    def maybe_raise_auth_failure(self, node_id: Any) -> None:
        if node_id in self._refusals:
            raise self._refusals[node_id]

    def _note(self, node_id: Any, error: Exception) -> None:
        if isinstance(error, KAFKA_LOGIN_FAILED):
            self._refusals[node_id] = error


class _RefusalEndsIt(KafkaNetClient):
    """What a client of kafka-python takes as its ``kafka_client``."""

    def __init__(self, **options: Any) -> None:
        net = NetworkSelector(**options)
        super().__init__(net=net, manager=_Connections(net, **options), **options)
