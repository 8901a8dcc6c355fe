"""Clients of the servers, made from ``Settings`` alone; both stacks use the same ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, Final, NamedTuple

import elastic_transport
import redis
from elasticsearch import ApiError, Elasticsearch
from elasticsearch.helpers import streaming_bulk
from elasticsearch.serializer import OrjsonSerializer
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import NewTopic
from kafka.errors import TopicAlreadyExistsError

from workshop_lib.schema.names import DEAD_LETTER_TOPIC, PLAYS_TOPIC
from workshop_lib.schema.tables import mapping
from workshop_lib.settings import Settings

#: What a client raises while its server is away; such a call can be repeated.
ELASTICSEARCH_UNREACHABLE: Final = (
    elastic_transport.ConnectionError,
    elastic_transport.ConnectionTimeout,
    ConnectionError,
)
REDIS_UNREACHABLE: Final = (redis.ConnectionError, redis.TimeoutError)


def elasticsearch(settings: Settings) -> Elasticsearch:
    # orjson: 40 % less time of ours per bulk than with the client's own serializer.
    return Elasticsearch(
        settings.elasticsearch_url,
        api_key=settings.elasticsearch_api_key.get_secret_value() or None,
        request_timeout=30,
        serializer=OrjsonSerializer(),
    )


def redis_client(settings: Settings) -> redis.Redis:
    # What is no UTF-8 is read as \xNN: nobody can write what ends every reader.
    return redis.Redis.from_url(
        settings.redis_url, decode_responses=True, encoding_errors="backslashreplace"
    )


def producer(settings: Settings, **options: Any) -> KafkaProducer:
    """A producer that loses nothing: all replicas acknowledge, retries do not reorder."""
    options = {"acks": "all", "enable_idempotence": True, "linger_ms": 20} | options
    return KafkaProducer(bootstrap_servers=settings.kafka_bootstrap, **options)


def consumer(settings: Settings, *topics: str, **options: Any) -> KafkaConsumer:
    """A consumer of ``topics`` (names without namespace), from the start by default."""
    options = {"auto_offset_reset": "earliest", "enable_auto_commit": False} | options
    return KafkaConsumer(
        *(settings.topic(name) for name in topics),
        bootstrap_servers=settings.kafka_bootstrap,
        **options,
    )


def kafka_admin(settings: Settings) -> KafkaAdminClient:
    """For topics; whoever starts something is to hear soon that Kafka is away."""
    return KafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap, bootstrap_timeout_ms=5000)


def create_topics(settings: Settings) -> None:
    """Make ``plays`` and its dead-letter topic; what exists stays."""
    admin = kafka_admin(settings)
    try:
        for name, partitions in (
            (PLAYS_TOPIC, settings.plays_partitions),
            (DEAD_LETTER_TOPIC, 1),
        ):
            topic = NewTopic(settings.topic(name), num_partitions=partitions, replication_factor=1)
            with suppress(TopicAlreadyExistsError):
                admin.create_topics([topic])
    finally:
        admin.close()


def create_index(settings: Settings, client: Elasticsearch, name: str) -> None:
    """Make index ``name`` (without namespace) with its mapping; one that exists stays."""
    try:
        client.indices.create(index=settings.index(name), **mapping(name))
    except ApiError as error:
        if error.status_code != 400 or "resource_already_exists" not in str(error):
            raise


class Refused(NamedTuple):
    """A document that Elasticsearch would not take, however often it is sent."""

    id: str
    document: dict[str, Any]
    reason: str


def bulk_index(
    client: Elasticsearch,
    index: str,
    documents: Iterable[tuple[str, dict[str, Any]]],
    chunk_size: int = 1000,
) -> Iterator[Refused]:
    """Index ``(id, document)`` pairs into ``index`` (its full name); yield the refused ones.

    Every item's own answer is read: 429 and 503 are sent again with backoff, any other
    error is yielded. Exhaust the iterator, or nothing is sent. An unreachable server
    raises, so that the caller's batch is tried again.
    """
    sent: dict[str, dict[str, Any]] = {}

    def actions() -> Iterator[dict[str, Any]]:
        for id_, document in documents:
            sent[id_] = document
            yield {"_op_type": "index", "_index": index, "_id": id_, "_source": document}

    for ok, item in streaming_bulk(
        client,
        actions(),
        chunk_size=chunk_size,
        raise_on_error=False,
        max_retries=8,
        initial_backoff=0.5,
        max_backoff=10,
        retry_on_status=(429, 503),
    ):
        answer = item["index"]
        document = sent.pop(answer["_id"], {})
        if not ok:
            error = answer.get("error")
            if answer.get("status") in (429, 503) or error is None:
                raise ConnectionError(f"Elasticsearch kept refusing {answer['_id']}: {error}")
            yield Refused(answer["_id"], document, _reason(error))


def _reason(error: Any) -> str:
    if not isinstance(error, dict):
        return str(error)
    cause = error.get("caused_by") or {}
    return f"{error.get('type')}: {error.get('reason')}" + (
        f" ({cause.get('reason')})" if cause.get("reason") else ""
    )
