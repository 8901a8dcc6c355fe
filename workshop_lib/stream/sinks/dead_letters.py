"""What cannot be processed → topic ``plays.dlq``, with its own key and bytes and the reason.

At least once: a batch that is written again sends its letters again; topic, partition and
offset in the headers tell that they are the same.
"""

from __future__ import annotations

from typing import NamedTuple

from kafka.errors import KafkaError

from workshop_lib import connections
from workshop_lib.contracts import DEAD_LETTER_HEADER, DEAD_LETTER_HEADERS, DEAD_LETTER_TOPIC
from workshop_lib.errors import WorkshopError
from workshop_lib.settings import Settings
from workshop_lib.stream.sinks import Rows, Tally, Writer


class DeadLetter(NamedTuple):
    """A record as it was, where it was, and why it could not be processed."""

    key: bytes | None
    value: bytes | None
    topic: str
    partition: int
    offset: int
    error: str
    reason: str

    def headers(self, stage: str) -> list[tuple[str, bytes]]:
        """The six headers of ``contracts.DEAD_LETTER_HEADERS``."""
        values = (self.topic, self.partition, self.offset, stage, self.error, self.reason)
        return [
            (DEAD_LETTER_HEADER + name, str(value).encode())
            for name, value in zip(DEAD_LETTER_HEADERS, values, strict=True)
        ]


def send(settings: Settings, stage: str, letters: list[DeadLetter]) -> None:
    """Send ``letters`` and wait until Kafka has them all; ``WorkshopError`` if it has not."""
    if not letters:
        return
    topic = settings.topic(DEAD_LETTER_TOPIC)
    try:
        producer = connections.producer(settings)
        try:
            sent = [
                producer.send(topic, letter.value, letter.key, headers=letter.headers(stage))
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
        send(settings, stage, [DeadLetter(error="MalformedPlay", **row) for row in rows])
        return Tally(0, len(rows))

    return write
