"""What cannot be processed → topic ``plays.dlq``, with its own key and bytes and the reason.

At least once: a batch that is written again sends its letters again; topic, partition and
offset in the headers tell that they are the same.
"""

from __future__ import annotations

from kafka.errors import KafkaError

from workshop_lib.errors import WorkshopError
from workshop_lib.ingest.dead_letters import DeadLetter, headers
from workshop_lib.runtime import connections
from workshop_lib.schema.names import DEAD_LETTER_TOPIC
from workshop_lib.settings import Settings
from workshop_lib.stream.sinks import Rows, Tally, Writer
from workshop_lib.stream.source import ORIGIN


def send(settings: Settings, letters: list[DeadLetter]) -> None:
    """Send ``letters`` and wait until Kafka has them all; ``WorkshopError`` if it has not."""
    if not letters:
        return
    topic = settings.topic(DEAD_LETTER_TOPIC)
    try:
        producer = connections.producer(settings)
        try:
            sent = [
                producer.send(topic, letter.value, letter.key, headers=headers(letter))
                for letter in letters
            ]
            for each in sent:
                each.get(timeout=settings.patience_seconds)
        finally:
            producer.close()
    except KafkaError as error:
        raise WorkshopError(
            f"Kafka did not take dead letters: {error}.", "See `workshop status`."
        ) from error


def dead_letters(settings: Settings, stage: str) -> Writer:
    """A writer of rows with the origin of a record and ``reason``."""

    def write(rows: Rows) -> Tally:
        send(
            settings,
            [
                DeadLetter(
                    **{name: row[name] for name in ORIGIN},
                    stage=stage,
                    error="MalformedPlay",
                    reason=row["reason"],
                )
                for row in rows
            ],
        )
        return Tally(0, len(rows))

    return write
