"""The shipper's way into Kafka: topic ``plays``, key customer id; dead letters in ``plays.dlq``.

In: plays and dead letters. Out: all acknowledged by all replicas, or ``Unavailable``. Everything
else in Python speaks to Kafka with kafka-python, all of which a learner can read; a million lines
go through librdkafka, which is written in C.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from kafka import errors

from workshop_lib.ingest import dead_letters
from workshop_lib.ingest.dead_letters import DeadLetter, Record
from workshop_lib.ingest.sinks.sink import RejectedPlay, Unavailable
from workshop_lib.runtime.connections import create_topics
from workshop_lib.runtime.refusal import refused
from workshop_lib.schema.names import DEAD_LETTER_TOPIC, PLAYS_TOPIC
from workshop_lib.schema.play import Play, to_json
from workshop_lib.settings import Settings
from workshop_lib.stack.kafka_users import SHIPPER_SERVICE

logger = logging.getLogger(__name__)

#: Seconds that a broker gets to acknowledge a batch.
DELIVERY_TIMEOUT: Final = 30.0
#: Seconds between two looks at whether Kafka has refused us.
LOOK_EVERY: Final = 0.2
#: Errors of Kafka that are not retriable; all others are tried again.
NOT_RETRIABLE: Final = (
    errors.AuthorizationError,
    errors.KafkaConfigurationError,
    errors.MessageSizeTooLargeError,
    errors.InvalidTopicError,
)
#: Errors of librdkafka's own as kafka-python has them.
AS_KAFKA_PYTHON: Final = {
    KafkaError._AUTHENTICATION: errors.SaslAuthenticationFailedError,
    KafkaError._INVALID_ARG: errors.KafkaConfigurationError,
}


def options(settings: Settings) -> dict[str, Any]:
    """What librdkafka is configured with: nothing is lost, and order stays through retries."""
    return {
        "bootstrap.servers": settings.kafka_bootstrap,
        **settings.librdkafka_login(SHIPPER_SERVICE),
        "acks": "all",
        "enable.idempotence": True,
        "message.timeout.ms": int(DELIVERY_TIMEOUT * 1000),
        "socket.timeout.ms": 10_000,
        "reconnect.backoff.max.ms": 1000,
        "linger.ms": 20,
        # A batch of ours fits, whatever its lines are.
        "queue.buffering.max.messages": 0,
        # That of Java's clients: a customer's plays stay in one partition, whoever writes them.
        "partitioner": "murmur2_random",
        "delivery.report.only.error": True,
        # It says the same to error_cb.
        "log_level": 0,
    }


class KafkaSink:
    """Delivers to Kafka. It connects when it first needs to, and after each failure."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer: Producer | None = None
        #: What Kafka says to our password.
        self._refusal: KafkaError | None = None

    def deliver(self, plays: Sequence[Play]) -> list[RejectedPlay]:
        records = [Record(b"%d" % play.customer_id, to_json(play), []) for play in plays]
        self._send(PLAYS_TOPIC, records)
        return []

    def send_to_dead_letter(self, letters: Sequence[DeadLetter]) -> None:
        self._send(DEAD_LETTER_TOPIC, [dead_letters.to_record(letter) for letter in letters])

    def _send(self, name: str, records: list[Record]) -> None:
        if not records:
            return
        topic = self._settings.topic(name)
        failed: list[KafkaError] = []

        def not_delivered(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                failed.append(error)

        try:
            producer = self._connected()
            for key, value, headers in records:
                producer.produce(
                    topic,
                    value,
                    key,
                    headers=headers,  # type: ignore[arg-type]  # wants a list of a wider type
                    on_delivery=not_delivered,
                )
            self._wait_for_acknowledgements(producer)
            if failed:
                raise KafkaException(failed[0])
        except (KafkaException, errors.KafkaError, OSError) as error:
            raise self._failure(error) from error

    def _connected(self) -> Producer:
        if self._producer is None:
            # First: it takes half a second to get its number, which makes it idempotent.
            self._producer = Producer(options(self._settings) | {"error_cb": self._note})
            create_topics(self._settings)
        return self._producer

    def _note(self, error: KafkaError) -> None:
        logger.debug("%s", error)
        if error.code() == KafkaError._AUTHENTICATION:
            self._refusal = error

    def _wait_for_acknowledgements(self, producer: Producer) -> None:
        """Longer than a record waits: none is in flight when the producer is closed."""
        deadline = time.monotonic() + DELIVERY_TIMEOUT + 5
        while producer.flush(LOOK_EVERY):
            if self._refusal is not None:
                raise KafkaException(self._refusal)
            if time.monotonic() > deadline:
                raise errors.KafkaTimeoutError("no acknowledgement")

    def _failure(self, error: Exception) -> Exception:
        """What to raise for ``error``; the next attempt connects again."""
        self.close()
        why = type(error).__name__
        if isinstance(error, KafkaException):  # of the shipper's own connection
            why = error.args[0].str()
            error = _as_kafka_python(error)
            refusal = refused(self._settings, error, SHIPPER_SERVICE)
            if refusal is not None:
                return refusal
        if isinstance(error, NOT_RETRIABLE):
            return error
        where = self._settings.kafka_bootstrap
        return Unavailable(f"Kafka at {where} does not answer ({why})")

    def close(self) -> None:
        producer, self._producer, self._refusal = self._producer, None, None
        if producer is not None:
            producer.purge(blocking=False)


def _as_kafka_python(error: KafkaException) -> Exception:
    """An error of librdkafka as the one that the rest of the program knows, if it knows it."""
    code = error.args[0].code()
    # Those that a broker answers with have the protocol's numbers; its own are negative.
    known = errors.for_code(code) if code > 0 else AS_KAFKA_PYTHON.get(code)
    return known(str(error)) if known else error
