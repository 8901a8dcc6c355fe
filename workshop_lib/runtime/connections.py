"""Clients of the servers, made from ``Settings`` alone; both stacks use the same ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, NamedTuple

import redis
from elasticsearch import ApiError, Elasticsearch
from elasticsearch.helpers import streaming_bulk
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import NewTopic
from kafka.errors import KafkaError, TopicAlreadyExistsError

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime.identity import require_own_server
from workshop_lib.runtime.open_clients import (
    kafka_options,
    open_elasticsearch,
    open_kafka_admin,
    open_redis,
)
from workshop_lib.runtime.refusal import KAFKA_LOGIN_FAILED, refused
from workshop_lib.runtime.retry import retry_with_backoff
from workshop_lib.runtime.store_errors import (
    IndexMissing,
    StoreBusy,
    StoreUnavailable,
    elasticsearch_error,
    elasticsearch_errors,
)
from workshop_lib.schema.names import DEAD_LETTER_TOPIC, PLAYS_TOPIC
from workshop_lib.schema.retention import DAY_SECONDS, TOPIC_DAYS
from workshop_lib.schema.tables import mapping
from workshop_lib.settings import Settings

#: Elasticsearch takes no longer ids.
MAX_ID_BYTES: Final = 512


def elasticsearch(settings: Settings) -> Elasticsearch:
    require_own_server(settings, "Elasticsearch")
    return open_elasticsearch(settings)


def redis_client(settings: Settings) -> redis.Redis:
    require_own_server(settings, "Redis")
    return open_redis(settings)


def producer(settings: Settings, service: str = "", **options: Any) -> KafkaProducer:
    """A producer that loses nothing: all replicas acknowledge, retries do not reorder.

    ``service``: with that one's user, who may do less than the kit's.
    """
    require_own_server(settings, "Kafka")
    options = {"acks": "all", "enable_idempotence": True, "linger_ms": 20} | options
    with _refusal(settings, service):
        return KafkaProducer(**kafka_options(settings, service), **options)


def consumer(settings: Settings, *topics: str, service: str = "", **options: Any) -> KafkaConsumer:
    """A consumer of ``topics`` (names without namespace), from the start by default.

    ``service``: with that one's user, who may do less than the kit's.
    """
    require_own_server(settings, "Kafka")
    options = {"auto_offset_reset": "earliest", "enable_auto_commit": False} | options
    names = [settings.topic(name) for name in topics]
    with _refusal(settings, service):
        return KafkaConsumer(*names, **kafka_options(settings, service), **options)


def kafka_admin(settings: Settings) -> KafkaAdminClient:
    """For topics. It fails within seconds when Kafka does not answer."""
    require_own_server(settings, "Kafka")
    with _refusal(settings):
        return open_kafka_admin(settings, bootstrap_timeout_ms=5000)


@contextmanager
def _refusal(settings: Settings, service: str = "") -> Iterator[None]:
    """In the body: Kafka does not let us in, which is one line."""
    try:
        yield
    except KAFKA_LOGIN_FAILED as error:
        refusal = refused(settings, error, service)
        if refusal is None:
            raise
        raise refusal from error


def create_topics(settings: Settings) -> None:
    """Make ``plays`` and its dead-letter topic; what exists stays."""
    admin = kafka_admin(settings)
    try:
        for name, partitions in (
            (PLAYS_TOPIC, settings.plays_partitions),
            (DEAD_LETTER_TOPIC, 1),
        ):
            topic = NewTopic(
                settings.topic(name),
                num_partitions=partitions,
                replication_factor=1,
                # The broker's clock: a producer's could lie about what is in the future.
                topic_configs={
                    "message.timestamp.type": "LogAppendTime",
                    "retention.ms": str(TOPIC_DAYS[name] * DAY_SECONDS * 1000),
                },
            )
            with suppress(TopicAlreadyExistsError):
                admin.create_topics([topic])
    finally:
        admin.close()


def prepare(settings: Settings, *indices: str, topics: bool = False) -> None:
    """The indices (and topics) are there and Redis answers.

    Waits for a server that answers and is busy; ``WorkshopError`` names one that is away.
    """
    client = elasticsearch(settings)

    def attempt() -> None:
        if topics:
            create_topics(settings)
        for name in indices:
            create_index(settings, client, name)
        with elasticsearch_errors():
            client.cluster.health()
        redis_client(settings).ping()

    busy = (StoreBusy, redis.BusyLoadingError)
    try:
        retry_with_backoff(attempt, busy, server="A server", seconds=settings.patience_seconds)
    except (KafkaError, StoreUnavailable, redis.RedisError) as error:
        server, address = (
            ("Kafka", settings.kafka_bootstrap)
            if isinstance(error, KafkaError)
            else ("Redis", settings.redis_address)
            if isinstance(error, redis.RedisError)
            else ("Elasticsearch", settings.elasticsearch_url)
        )
        raise WorkshopError(
            f"{server} does not answer at {address}.",
            "Run `workshop up`, or see `workshop status`.",
        ) from error
    finally:
        client.close()


def create_index(settings: Settings, client: Elasticsearch, name: str) -> None:
    """Make index ``name`` (without namespace) with its mapping; one that has it stays.

    Raises ``WorkshopError`` for one with another mapping, ``StoreUnavailable`` when
    Elasticsearch cannot do it now.
    """
    with elasticsearch_errors():
        try:
            client.indices.create(index=settings.index(name), **mapping(name))
        except ApiError as error:
            if error.status_code != 400 or "resource_already_exists" not in str(error):
                raise
            check_mapping(settings, client, name)


def check_mapping(settings: Settings, client: Elasticsearch, name: str) -> None:
    """``WorkshopError`` unless the fields of index ``name`` are those of the schema."""
    index, expected = settings.index(name), mapping(name)["mappings"]
    (found,) = (each["mappings"] for each in client.indices.get_mapping(index=index).values())
    fields, known = expected["properties"], found.get("properties", {})
    wrong = sorted(f for f in fields.keys() | known.keys() if fields.get(f) != known.get(f))
    if wrong or found.get("dynamic") != expected["dynamic"]:
        what = f"field {wrong[0]}" if wrong else "its setting `dynamic`"
        raise WorkshopError(
            f"Index {index} has another mapping than it should: {what} differs.",
            "Something else made it. `workshop reset` deletes it, and all that flowed with it.",
        )


class RejectedDocument(NamedTuple):
    """A document that Elasticsearch would not take, however often it is sent."""

    id: str
    document: dict[str, Any]
    reason: str


def write_documents(
    settings: Settings,
    client: Elasticsearch,
    name: str,
    documents: Iterable[tuple[str, Any]],
) -> list[RejectedDocument]:
    """``bulk_index`` into index ``name`` (without namespace); one that is missing is made first."""
    pairs, index = list(documents), settings.index(name)
    try:
        return list(bulk_index(client, index, pairs, settings.bulk_size))
    except IndexMissing:
        # Deleted while we run: it comes back with the schema's mapping, not a guessed one.
        create_index(settings, client, name)
        return list(bulk_index(client, index, pairs, settings.bulk_size))


def bulk_index(
    client: Elasticsearch,
    index: str,
    documents: Iterable[tuple[str, Any]],
    chunk_size: int = 1000,
) -> Iterator[RejectedDocument]:
    """Index ``(id, document)`` pairs into ``index`` (its full name); yield the rejected ones.

    Every item's own answer is read. Exhaust the iterator, or nothing is sent. Raises
    ``StoreUnavailable`` for what is the store's trouble, so that the caller's batch is tried again.
    """
    sent: dict[str, Any] = {}
    rejected: list[RejectedDocument] = []

    def actions() -> Iterator[dict[str, Any]]:
        for id_, document in documents:
            if len(id_.encode("utf-8", "replace")) > MAX_ID_BYTES:
                # Sent, it would be the whole request that Elasticsearch refuses.
                rejected.append(RejectedDocument(id_, document, f"id of over {MAX_ID_BYTES} bytes"))
                continue
            sent[id_] = document
            yield {"_op_type": "index", "_index": index, "_id": id_, "_source": document}

    with elasticsearch_errors():
        for ok, item in streaming_bulk(
            client,
            actions(),
            chunk_size=chunk_size,
            raise_on_error=False,
            max_retries=3,
            initial_backoff=0.5,
            retry_on_status=(429, 503),
        ):
            answer = item["index"]
            document = sent.pop(answer["_id"], {})
            if not ok:
                error = answer.get("error")
                trouble = elasticsearch_error(answer.get("status", 503), error)
                if trouble:
                    raise trouble
                yield RejectedDocument(answer["_id"], document, bulk_reason(error))
    yield from rejected


def bulk_reason(error: Any) -> str:
    """The reason in one line, from the error of an item of a bulk answer."""
    if not isinstance(error, dict):
        return str(error)
    cause = error.get("caused_by") or {}
    return f"{error.get('type')}: {error.get('reason')}" + (
        f" ({cause.get('reason')})" if cause.get("reason") else ""
    )
