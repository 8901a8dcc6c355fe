"""Dead letters: records that could not be processed, with their origin and the reason.

In: lines that a shipper (or messages that a stream) could not process. Out, in Stage 2: topic
``plays.dlq``, original key and bytes, headers as Kafka Connect writes them. In Stage 1,
which has no Kafka: ``dead-letters/plays-raw.jsonl``, one JSON object a line.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kafka import TopicPartition

from workshop_lib.runtime.connections import consumer
from workshop_lib.schema.names import DEAD_LETTER_HEADER, DEAD_LETTER_HEADERS, DEAD_LETTER_TOPIC
from workshop_lib.settings import Settings


@dataclass(frozen=True)
class DeadLetter:
    """One dead letter.

    ``topic``, ``partition``, ``offset``: where it came from; of a line of a log, the file's
    name, the number of the file (from 0, one more after each rotation) and the byte offset.
    """

    topic: str
    partition: int
    offset: int
    stage: str  # "ship", "index", or that of a stream
    error: str  # class of the exception
    reason: str
    value: bytes
    key: bytes | None = None

    @property
    def source(self) -> str:
        return f"{self.topic}:{self.partition}"

    @property
    def id(self) -> str:
        """Equal for equal letters, so that a letter written twice is recognised."""
        digest = hashlib.sha256(self.value).hexdigest()[:8]
        return f"{self.source}:{self.offset}:{self.stage}:{digest}"

    @property
    def text(self) -> str:
        """The value as text; bytes that are not UTF-8 as ``\\xNN``."""
        return self.value.decode("utf-8", "backslashreplace")


_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")


def reason_kind(reason: str) -> str:
    """The reason without values, positions and numbers, to count equal faults together."""
    general = re.split(r": | at | \(", reason, maxsplit=1)[0]
    return re.sub(r"\d{2,}", "N", _QUOTED.sub("…", general))[:80]


def headers(letter: DeadLetter) -> list[tuple[str, bytes]]:
    """``letter`` as the headers of its record in the topic."""
    values = (
        letter.topic,
        letter.partition,
        letter.offset,
        letter.stage,
        letter.error,
        letter.reason,
    )
    return [
        (DEAD_LETTER_HEADER + name, str(value).encode("utf-8", "backslashreplace"))
        for name, value in zip(DEAD_LETTER_HEADERS, values, strict=True)
    ]


def from_message(message: Any) -> DeadLetter:
    """The dead letter in a record of the topic; missing headers stay empty."""
    found = {
        name.removeprefix(DEAD_LETTER_HEADER): (value or b"").decode("utf-8", "replace")
        for name, value in message.headers or ()
    }
    return DeadLetter(
        topic=found.get("topic") or message.topic,
        partition=_number(found.get("partition"), message.partition),
        offset=_number(found.get("offset"), message.offset),
        stage=found.get("stage", ""),
        error=found.get("exception.class.name", ""),
        reason=found.get("exception.message", ""),
        value=message.value or b"",
        key=message.key,
    )


def _number(text: str | None, otherwise: int) -> int:
    return int(text) if text and text.isdecimal() else otherwise


def read_topic(settings: Settings) -> Iterator[DeadLetter]:
    """Every letter of the topic, oldest first, each once, even if it was written twice."""
    reader = consumer(settings, bootstrap_timeout_ms=5000)
    try:
        topic = settings.topic(DEAD_LETTER_TOPIC)
        partitions = [TopicPartition(topic, n) for n in reader.partitions_for_topic(topic) or ()]
        reader.assign(partitions)
        ends = reader.end_offsets(partitions) if partitions else {}
        reader.seek_to_beginning(*partitions)
        seen: set[str] = set()
        while any(reader.position(p) < ends[p] for p in partitions):
            for messages in reader.poll(timeout_ms=1000).values():
                for letter in map(from_message, messages):
                    if letter.id not in seen:
                        seen.add(letter.id)
                        yield letter
    finally:
        reader.close()


# The file of Stage 1 -----------------------------------------------------------------


def path(settings: Settings) -> Path:
    return settings.home / "dead-letters" / "plays-raw.jsonl"


def file_size(settings: Settings) -> int:
    """Bytes of the file; 0 without a file."""
    return path(settings).stat().st_size if path(settings).exists() else 0


def truncate_file(settings: Settings, size: int) -> None:
    """Remove what was written after ``size``: a shipper that crashed sends it again."""
    if file_size(settings) > size:
        os.truncate(path(settings), size)


def append_to_file(settings: Settings, letters: Iterable[DeadLetter]) -> int:
    """Append ``letters``; the size of the file then."""
    lines = "".join(json.dumps(_record(letter), ensure_ascii=False) + "\n" for letter in letters)
    if not lines:
        return file_size(settings)
    path(settings).parent.mkdir(parents=True, exist_ok=True)
    with path(settings).open("ab") as file:
        file.write(lines.encode("utf-8", "backslashreplace"))
    return file_size(settings)


def _record(letter: DeadLetter) -> dict[str, Any]:
    return {
        "source": letter.source,
        "offset": letter.offset,
        "stage": letter.stage,
        "error": letter.error,
        "reason": letter.reason,
        "text": letter.text,
        "base64": base64.b64encode(letter.value).decode(),
    }


def read_file(settings: Settings) -> Iterator[DeadLetter]:
    """Every letter of the file, oldest first, each once, even if it was written twice; one
    that is just being written is left out."""
    if not path(settings).exists():
        return
    seen: set[str] = set()
    with path(settings).open("rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                return
            record = json.loads(line)
            topic, _, partition = record["source"].rpartition(":")
            letter = DeadLetter(
                topic=topic,
                partition=int(partition),
                offset=record["offset"],
                stage=record["stage"],
                error=record["error"],
                reason=record["reason"],
                value=base64.b64decode(record["base64"]),
            )
            if letter.id not in seen:
                seen.add(letter.id)
                yield letter
