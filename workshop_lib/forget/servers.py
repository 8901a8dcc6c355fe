"""A listener in the servers: documents, keys and entries of the outbox, records of topics.

In: Settings and a customer id. Out: how many there are, or were erased.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from elasticsearch import Elasticsearch
from elasticsearch.helpers import bulk, scan
from kafka import TopicPartition
from kafka.admin import NewTopic

from workshop_lib.forget.mention import mentions
from workshop_lib.runtime import state_file
from workshop_lib.runtime.connections import (
    consumer,
    create_topics,
    elasticsearch,
    kafka_admin,
    producer,
    redis_client,
)
from workshop_lib.schema import names
from workshop_lib.schema.tables import INDICES
from workshop_lib.settings import Settings
from workshop_lib.stack.reset import delete_topics
from workshop_lib.stream.progress import start_over

#: What learners make begins so; see ``stack.access``.
BY_LEARNERS: Final = ("practice-", "scratch-", "capstone-", "by-hand")

# Elasticsearch ----------------------------------------------------------------------------


def _indices(settings: Settings, client: Elasticsearch) -> list[str]:
    """Indices of this name space with a field customer_id, learners' own too."""
    mine = []
    for name, found in client.indices.get_mapping(index=f"{settings.namespace}*").items():
        own = name.removeprefix(settings.namespace)
        fields = found["mappings"].get("properties", {})
        if "customer_id" in fields and (own in INDICES or own.startswith(BY_LEARNERS)):
            mine.append(name)
    return sorted(mine)


def documents(settings: Settings, customer: int, erase: bool) -> int:
    """Documents of ``customer``; deleted by their ids, as there is no deleting by query here."""
    found = 0
    with closing(elasticsearch(settings)) as client:
        for index in _indices(settings, client):
            client.indices.refresh(index=index)
            query = {"query": {"term": {"customer_id": customer}}, "_source": False}
            ids = [hit["_id"] for hit in scan(client, index=index, query=query)]
            found += len(ids)
            if erase and ids:
                bulk(client, ({"_op_type": "delete", "_index": index, "_id": i} for i in ids))
                client.indices.refresh(index=index)
    return found


# Redis ------------------------------------------------------------------------------------


def keys(settings: Settings, customer: int, erase: bool) -> int:
    """Keys of ``customer``, and the opt-out: nobody is left to whom it could apply."""
    client = redis_client(settings)
    patterns = (
        names.interests_key(customer),
        names.last_target_key(customer),
        names.cooldown_key("*", customer),
        names.sent_key(f"*-{customer}-*"),
    )
    found = [
        key
        for pattern in patterns
        for key in client.scan_iter(match=settings.key(pattern), count=1000)
    ]
    opted_out = int(client.sismember(settings.key(names.OPTOUTS), str(customer)))
    if erase:
        if found:
            client.unlink(*found)
        client.srem(settings.key(names.OPTOUTS), str(customer))
    return len(found) + opted_out


def messages(settings: Settings, customer: int, erase: bool) -> int:
    """Entries of the outbox and of its dead letters, with their claims and tries."""
    client, count = redis_client(settings), 0
    about = mentions(customer)
    for name in (names.SMS_OUTBOX, names.SMS_DEAD):
        stream = settings.key(name)
        entries: Any = client.xrange(stream) if client.exists(stream) else []
        ids = [id_ for id_, fields in entries if about(json.dumps(fields).encode())]
        count += len(ids)
        if not (erase and ids):
            continue
        for group in client.xinfo_groups(stream):
            client.xack(stream, group["name"], *ids)
        client.xdel(stream, *ids)
        client.hdel(settings.key(names.SMS_TRIES), *ids)
    return count


# Kafka ------------------------------------------------------------------------------------


def _topics(settings: Settings, admin: Any) -> list[str]:
    known = {names.PLAYS_TOPIC, names.DEAD_LETTER_TOPIC}
    return sorted(
        topic
        for topic in admin.list_topics()
        if topic.startswith(settings.namespace)
        and (
            (own := topic.removeprefix(settings.namespace)) in known or own.startswith(BY_LEARNERS)
        )
    )


def _read(settings: Settings, topic: str) -> Iterator[Any]:
    with closing(consumer(settings, group_id=None)) as reader:
        places = [TopicPartition(topic, n) for n in reader.partitions_for_topic(topic) or ()]
        ends = reader.end_offsets(places)
        reader.assign(places)
        reader.seek_to_beginning(*places)
        while any(reader.position(place) < ends[place] for place in places):
            for batch in reader.poll(1000).values():
                yield from batch


def records(settings: Settings, customer: int, erase: bool) -> int:
    """Records of ``customer``. A topic that has some is created again with all the others.

    They are in a file before the topic is deleted, so that a crash loses none: the next run puts
    them back first. Checkpoints go, as their offsets are of the old topic: the next
    `workshop stream` reads all of it again, and writes the same documents.
    """
    about, own_key = mentions(customer), str(customer).encode()
    count = 0
    with closing(kafka_admin(settings)) as admin:
        for topic in _topics(settings, admin):
            all_ = list(_read(settings, topic))
            others = [r for r in all_ if r.key != own_key and not about(r.value or b"")]
            count += len(all_) - len(others)
            if not erase or len(all_) == len(others):
                continue
            (described,) = admin.describe_topics([topic])
            content = {
                "topic": topic,
                "partitions": len(described["partitions"]),
                "records": [
                    [
                        r.partition,
                        _text(r.key),
                        _text(r.value),
                        [(name, _text(value)) for name, value in r.headers],
                    ]
                    for r in others
                ],
            }
            state_file.save(_spool(settings, topic), content, 0o600)
    if erase:
        put_back(settings)
    return count


def put_back(settings: Settings) -> None:
    """Create the topics again whose records wait in files."""
    for spool in sorted((settings.home / "forget").glob("*.json")):
        content = state_file.load(spool) or {}
        topic = content["topic"]
        with closing(kafka_admin(settings)) as admin:
            delete_topics(admin, topic.__eq__)
            if topic not in (
                settings.topic(n) for n in (names.PLAYS_TOPIC, names.DEAD_LETTER_TOPIC)
            ):
                admin.create_topics([NewTopic(topic, content["partitions"], 1)])
        create_topics(settings.model_copy(update={"plays_partitions": content["partitions"]}))
        with closing(producer(settings)) as sender:
            sent = [
                sender.send(
                    topic,
                    key=_bytes(key),
                    value=_bytes(value),
                    headers=[(name, _bytes(text) or b"") for name, text in headers],
                    partition=partition,
                )
                for partition, key, value, headers in content["records"]
            ]
            for each in sent:
                each.get(60)
        if topic == settings.topic(names.PLAYS_TOPIC):
            for query in names.INDEX_OF_QUERY:
                start_over(settings, query)
        spool.unlink()


def _spool(settings: Settings, topic: str) -> Path:
    folder = settings.home / "forget"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / f"{topic}.json"


def _text(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)
