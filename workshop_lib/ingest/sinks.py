"""Where a shipper delivers: index ``plays-raw`` (Stage 1) or topic ``plays`` (Stage 2).

In: plays and dead letters. Out: all of them delivered and acknowledged, or ``Unavailable``,
and the same batch is delivered again; keys and ids make what arrives twice harmless. A sink
makes its topic or index, and connects, when it first needs them and after each failure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, Protocol

from elasticsearch import ApiError, TransportError
from kafka import KafkaProducer, errors

from workshop_lib.ingest import dead_letters
from workshop_lib.ingest.dead_letters import DeadLetter
from workshop_lib.runtime.connections import bulk_index, create_index, create_topics, elasticsearch
from workshop_lib.runtime.connections import producer as connect
from workshop_lib.schema.names import DEAD_LETTER_TOPIC, PLAYS_RAW_INDEX, PLAYS_TOPIC
from workshop_lib.schema.play import Play, to_document, to_json
from workshop_lib.settings import Settings

#: Seconds that the servers get to acknowledge a batch.
PATIENCE: Final = 30.0

#: Failures of Kafka that no waiting heals; all others are tried again.
_HOPELESS: Final = (
    errors.AuthorizationError,
    errors.KafkaConfigurationError,
    errors.MessageSizeTooLargeError,
    errors.InvalidTopicError,
)


class Unavailable(Exception):
    """The server does not take the batch now; it may later. The message is one line."""


class RejectedPlay(NamedTuple):
    """Play number ``place`` of the batch, which will never be taken, and why."""

    place: int
    reason: str


class Sink(Protocol):
    """One of the two targets."""

    def deliver(self, plays: Sequence[Play]) -> list[RejectedPlay]:
        """Send ``plays`` and wait until all but those returned are acknowledged."""

    def send_to_dead_letter(self, letters: Sequence[DeadLetter]) -> None:
        """Put ``letters`` where this target's dead letters lie, and wait likewise."""

    def close(self) -> None:
        """Let go of the connection; what is not acknowledged is not waited for."""


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
        self._send([(topic, x.key, x.value, dead_letters.headers(x)) for x in letters])

    def _send(self, messages: list[tuple[str, bytes | None, bytes, Any]]) -> None:
        if not messages:
            return
        try:
            producer = self._connected()
            futures = [
                producer.send(topic, key=key, value=value, headers=headers)
                for topic, key, value, headers in messages
            ]
            producer.flush(PATIENCE)
            failed = next((f for f in futures if not f.succeeded()), None)
            if failed:
                raise failed.exception or errors.KafkaTimeoutError("no acknowledgement")
        except _HOPELESS:
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
                "delivery_timeout_ms": int(PATIENCE * 1000),
            }
            create_topics(self._settings)
            self._producer = connect(self._settings, batch_size=1 << 17, **milliseconds)
        return self._producer

    def close(self) -> None:
        if self._producer is not None:
            self._producer.close(timeout=0)
            self._producer = None


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
            index = settings.index(self.INDEX)
            return [
                RejectedPlay(places[refused.id].pop(0), refused.reason)
                for refused in bulk_index(self._client, index, documents, settings.bulk_size)
            ]
        except ApiError as error:
            if error.status_code not in (429, 502, 503, 504):
                raise
            raise self._unavailable(error) from error
        except (TransportError, ConnectionError) as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: Exception) -> Unavailable:
        where = self._settings.elasticsearch_url
        return Unavailable(f"Elasticsearch at {where} does not answer ({_name(error)})")

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
