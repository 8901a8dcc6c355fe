"""What cannot be processed → topic ``plays.dlq``, with its own key and bytes and the reason.

At least once: a batch that is written again sends its letters again; topic, partition and
offset in the headers tell that they are the same.
"""

from __future__ import annotations

from contextlib import closing

import pyarrow as pa
from kafka.errors import KafkaError

from workshop_lib.ingest.dead_letters import DeadLetter, to_record
from workshop_lib.runtime import connections
from workshop_lib.runtime.retry import retry_with_backoff
from workshop_lib.schema.names import DEAD_LETTER_TOPIC
from workshop_lib.settings import Settings
from workshop_lib.stack.kafka_users import STREAM_SERVICE
from workshop_lib.stream.sinks import Sink, WriteResult
from workshop_lib.stream.source import ORIGIN


def send(settings: Settings, letters: list[DeadLetter]) -> None:
    """Send ``letters`` and wait until Kafka has them all; ``WorkshopError`` if it has not.

    A Kafka that is away is waited for; letters that were sent twice are known by their ids.
    """
    if not letters:
        return
    topic = settings.topic(DEAD_LETTER_TOPIC)

    def attempt() -> None:
        with closing(connections.producer(settings, STREAM_SERVICE)) as producer:
            sent = [producer.send(topic, **to_record(letter)._asdict()) for letter in letters]
            for each in sent:
                each.get(timeout=settings.patience_seconds)

    retry_with_backoff(attempt, KafkaError, server="Kafka", seconds=settings.patience_seconds)


def send_to_dead_letter(settings: Settings, stage: str) -> Sink:
    """A sink of rows with the origin of a record and ``reason``."""

    def write(batch: pa.RecordBatch) -> WriteResult:
        rows = batch.select([*ORIGIN, "reason"]).to_pylist()
        send(settings, [DeadLetter(**row, stage=stage, error="MalformedPlay") for row in rows])
        return WriteResult(0, len(rows))

    return write
