"""Dead letters of every kind fit into their topic, and `dlq replay` delivers them."""

from __future__ import annotations

import json

import pytest
from sms_orders import dead_letters as dead_messages
from sms_orders import empty, order, quick
from stream_world import documents

from workshop_lib.ingest.dead_letters import MAX_VALUE, DeadLetter, original, read_topic
from workshop_lib.ingest.dlq_replay import replay_dead_letters, stored_letters
from workshop_lib.marketing.sms_gateway import Phone, serving
from workshop_lib.marketing.sms_server import serve
from workshop_lib.runtime import connections
from workshop_lib.runtime.connections import redis_client
from workshop_lib.schema.names import PLAYS_TOPIC, SMS_INDEX, SMS_OUTBOX, TARGETS_INDEX
from workshop_lib.settings import Settings
from workshop_lib.stream.sinks.dead_letters import send

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures("nothing_left")]

TARGET = {
    "target_id": "GOLD1DAY-1-7",
    "campaign": "GOLD1DAY",
    "customer_id": 1,
    "event_id": 7,
    "decided_at": "2026-01-31T12:00:00.000Z",
}


def letter(value: bytes, **other: object) -> DeadLetter:
    fields = {
        "topic": "plays",
        "partition": 0,
        "offset": 3,
        "stage": "stream",
        "error": "MalformedPlay",
        "reason": "why",
        "value": value,
        "key": b"1",
    }
    return DeadLetter(**(fields | other))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "large",
    [
        letter(b"x" * 1_048_000),
        letter(b"x", key=b"k" * 1_048_000),
        letter(b"x" * 1_000_000, key=b"k" * 1_000_000, reason="r" * 1_000_000),
        letter(b"", key=None),
    ],
    ids=["value", "key", "all", "nothing"],
)
def test_a_letter_fits_whatever_it_holds(stack: Settings, large: DeadLetter) -> None:
    connections.create_topics(stack)
    send(stack, [large, letter(b"small", offset=4)])
    found, small = read_topic(stack)
    assert small.value == b"small" and small.value_bytes is None
    assert found.value == large.value[:MAX_VALUE]
    assert (found.topic, found.partition, found.offset) == ("plays", 0, 3)
    assert found.value_bytes == (len(large.value) if len(large.value) > MAX_VALUE else None)


def test_a_letter_that_was_cut_points_to_its_original(stack: Settings) -> None:
    """The longest record that the topic takes: its letter has the beginning, its topic the rest."""
    connections.create_topics(stack)
    topic = stack.topic(PLAYS_TOPIC)
    whole = b" " * 1_048_000 + json.dumps({"event_id": 1}).encode()
    producer = connections.producer(stack)
    at = producer.send(topic, whole, b"1").get(10)
    producer.close()
    send(stack, [letter(whole, topic=topic, partition=at.partition, offset=at.offset)])
    (found,) = read_topic(stack)
    assert len(found.value) == MAX_VALUE
    assert original(stack, found) == whole
    assert original(stack, DeadLetter(**(vars(found) | {"offset": at.offset + 1}))) is None
    outcome = replay_dead_letters(stack)  # read whole: what is wrong with it is named
    assert outcome.replayed == 0
    (reason,) = outcome.left
    assert reason.startswith("not the fields")


def test_a_document_of_the_stream_goes_into_the_index_that_refused_it(stack: Settings) -> None:
    """Such as a target: its SMS was sent, only its document is missing."""
    connections.create_topics(stack)
    documents_ = [
        letter(
            value,
            topic=stack.index(TARGETS_INDEX),
            offset=-1,
            stage="elasticsearch",
            key=key,
        )
        for key, value in (
            (b"GOLD1DAY-1-7", json.dumps(TARGET).encode()),
            (b"GOLD1DAY-2-8", b'{"customer_id": "no number"}'),
        )
    ]
    send(stack, documents_)
    outcome = replay_dead_letters(stack)
    assert (outcome.replayed, dict(outcome.left)) == (1, {"document_parsing_exception": 1})
    assert documents(stack, TARGETS_INDEX) == {"GOLD1DAY-1-7": TARGET}
    assert replay_dead_letters(stack).before == 1
    (bad,) = (item for item in stored_letters(stack) if not item.replayed)
    mended = {bad.id: '{"customer_id": 2}'}
    assert replay_dead_letters(stack, mended).replayed == 1
    assert documents(stack, TARGETS_INDEX)["GOLD1DAY-2-8"] == {"customer_id": 2}


def test_a_message_goes_into_the_outbox_again(stack: Settings) -> None:
    (id_,) = order(stack, 1)
    redis_client(stack).xadd(stack.key(SMS_OUTBOX), {"nonsense": "1"})
    phone = Phone(fail_first=1)
    with serving(phone) as url:
        settings = quick(stack, url, sms_tries=1)
        assert serve(settings, once=True)["dead"] == 2
        assert documents(stack, SMS_INDEX)[id_]["status"] == "dead"
        outcome = replay_dead_letters(settings)
        assert (outcome.replayed, dict(outcome.left)) == (1, {"no message": 1})
        assert serve(settings, once=True) == {"sent": 1, "suppressed": 0, "dead": 0}
    assert list(phone.messages) == [id_]
    assert documents(stack, SMS_INDEX)[id_]["status"] == "sent"
    assert len(dead_messages(stack)) == 2, "a letter is never deleted"
    assert replay_dead_letters(stack).replayed == 0
    assert empty(stack)
