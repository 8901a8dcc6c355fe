"""The names of topics, before a namespace is put before them."""

from __future__ import annotations

from typing import Final

PLAYS_TOPIC: Final = "plays"
DEAD_LETTER_TOPIC: Final = "plays.dlq"
#: Header names of a dead letter, as Kafka Connect writes them.
DEAD_LETTER_HEADER: Final = "__connect.errors."
DEAD_LETTER_HEADERS: Final = (
    "topic",
    "partition",
    "offset",
    "stage",
    "exception.class.name",
    "exception.message",
)
