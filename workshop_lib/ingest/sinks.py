"""Where a shipper delivers: index ``plays-raw`` (Stage 1) or topic ``plays`` (Stage 2).

In: plays and dead letters. Out: all of them delivered and acknowledged; or ``Unavailable``,
then the caller delivers the same batch again: at least once, and ids make duplicates harmless.
A sink connects, and creates its topic or index, when it first needs them and after each failure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple, Protocol

from kafka import KafkaProducer, errors

from workshop_lib.ingest import dead_letters
from workshop_lib.ingest.dead_letters import DeadLetter
from workshop_lib.runtime.connections import (
    create_index,
    create_topics,
    elasticsearch,
    write_documents,
)
from workshop_lib.runtime.connections import producer as connect
from workshop_lib.runtime.store_errors import StoreBusy, StoreUnavailable
from workshop_lib.schema.names import (
    DEAD_LETTER_TOPIC,
    PLAYS_RAW_INDEX,
    PLAYS_TOPIC,
)
from workshop_lib.schema.play import Play, to_document, to_json
from workshop_lib.settings import Settings
from workshop_lib.stack.kafka_users import SHIPPER_SERVICE

#: Seconds that a broker gets to acknowledge a batch.
DELIVERY_TIMEOUT: Final = 30.0

#: Errors of Kafka that are not retriable; all others are tried again.
_NOT_RETRIABLE: Final = (
    errors.AuthorizationError,
    errors.KafkaConfigurationError,
    errors.MessageSizeTooLargeError,
    errors.InvalidTopicError,
)


class Unavailable(Exception):
    """The server does not take the batch now, but may later. The message is one line."""


class RejectedPlay(NamedTuple):
    """Play number ``place`` of the batch, which the target will never take, and why."""

    place: int
    reason: str


class Sink(Protocol):
    """One of the two targets."""

    def deliver(self, plays: Sequence[Play]) -> list[RejectedPlay]:
        """Send ``plays`` and wait until all but those returned are acknowledged."""

    def send_to_dead_letter(self, letters: Sequence[DeadLetter]) -> None:
        """Write ``letters`` to this target's dead letters, and wait until they are stored."""

    def close(self) -> None:
        """Close the connection without waiting for acknowledgements."""


class KafkaSink:
    """Topic ``plays``, key customer id; dead letters in ``plays.dlq``."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer: KafkaProducer | None = None

    def deliver(self, plays: Sequence[Play]) -> list[RejectedPlay]:
        topic = self._settings.topic(PLAYS_TOPIC)
        self._send([(topic, str(p.customer_id).encode(), to_json(p), None) for p in plays])
        return []

    def send_to_dead_letter(self, letters: Sequence[DeadLetter]) -> None:
        topic = self._settings.topic(DEAD_LETTER_TOPIC)
        self._send([(topic, *dead_letters.to_record(x)) for x in letters])

    def _send(self, messages: list[tuple[str, bytes | None, bytes | None, Any]]) -> None:
        if not messages:
            return
        try:
            producer = self._connected()
            futures = [
                producer.send(topic, key=key, value=value, headers=headers)
                for topic, key, value, headers in messages
            ]
            # Longer than a record waits: none is in flight when the producer is closed.
            producer.flush(DELIVERY_TIMEOUT + 5)
            failed = next((f for f in futures if not f.succeeded()), None)
            if failed:
                raise failed.exception or errors.KafkaTimeoutError("no acknowledgement")
        except _NOT_RETRIABLE:
            raise
        except (errors.KafkaError, OSError) as error:
            self.close()
            where = self._settings.kafka_bootstrap
            raise Unavailable(f"Kafka at {where} does not answer ({_name(error)})") from error

    def _connected(self) -> KafkaProducer:
        if self._producer is None:
            milliseconds = {
                "bootstrap_timeout_ms": 5000,
                "max_block_ms": 10_000,
                "request_timeout_ms": 10_000,
                "delivery_timeout_ms": int(DELIVERY_TIMEOUT * 1000),
            }
            create_topics(self._settings)
            self._producer = connect(
                self._settings, SHIPPER_SERVICE, batch_size=1 << 17, **milliseconds
            )
        return self._producer

    def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            # It flushes first, which raises while a broker is away.
            with suppress(errors.KafkaError, OSError):
                producer.close(timeout=0)


class ElasticsearchSink:
    """Index ``plays-raw``, id = event id; dead letters in a file."""

    INDEX: Final = PLAYS_RAW_INDEX

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = elasticsearch(settings)
        self._made = False

    def deliver(self, plays: Sequence[Play]) -> list[RejectedPlay]:
        if not plays:
            return []
        places: dict[str, list[int]] = {}
        for place, play in enumerate(plays):
            places.setdefault(str(play.event_id), []).append(place)
        documents = ((str(play.event_id), to_document(play)) for play in plays)
        settings = self._settings
        try:
            if not self._made:
                create_index(settings, self._client, self.INDEX)
                self._made = True
            rejected = write_documents(settings, self._client, self.INDEX, documents)
        except StoreUnavailable as error:
            what = "does not take plays now" if isinstance(error, StoreBusy) else "does not answer"
            where = settings.elasticsearch_url
            raise Unavailable(f"Elasticsearch at {where} {what} ({error})") from error
        return [RejectedPlay(places[each.id].pop(0), each.reason) for each in rejected]

    def send_to_dead_letter(self, letters: Sequence[DeadLetter]) -> None:
        dead_letters.append_to_file(self._settings, letters)

    def close(self) -> None:
        self._client.close()


def _name(error: Exception) -> str:
    return type(error).__name__


#: Name of a target on the command line → how to make its sink.
SINKS: Final[dict[str, Callable[[Settings], Sink]]] = {
    "elasticsearch": ElasticsearchSink,
    "kafka": KafkaSink,
}
