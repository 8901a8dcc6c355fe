"""Dead letters: records that could not be processed, with their origin and the reason.

In: lines that a shipper (or messages that a stream) could not process. Out, in Stage 2: topic
``plays.dlq``, original key and bytes, headers as Kafka Connect writes them. In Stage 1,
which has no Kafka: ``dead-letters/plays-raw.jsonl``, one JSON object a line.

A letter always fits into its topic: a value that is too large is cut, and the header
``__connect.errors.value.bytes`` says how long it was; the whole one is where the letter came
from, at its topic, partition and offset.
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
from typing import Any, Final, NamedTuple, TypeVar

from kafka import TopicPartition

from workshop_lib.runtime.connections import consumer, redis_client
from workshop_lib.runtime.disk import writing
from workshop_lib.schema.names import (
    DEAD_LETTER_HEADER,
    DEAD_LETTER_HEADERS,
    DEAD_LETTER_TOPIC,
    SMS_DEAD,
    SMS_OUTBOX,
)
from workshop_lib.settings import Settings
from workshop_lib.stack.kafka_users import READER_SERVICE

Number = TypeVar("Number", int, None)

#: Bytes of value, key and reason that a letter keeps; together less than a topic's 1 MiB.
MAX_VALUE: Final = 900_000
MAX_KEY: Final = 10_000
MAX_REASON: Final = 2_000
#: Header with the length of a value that was cut.
VALUE_BYTES: Final = DEAD_LETTER_HEADER + "value.bytes"


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
    value_bytes: int | None = None  # of the whole value, when ``value`` is only its beginning

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


class Record(NamedTuple):
    """What a producer sends."""

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


def to_record(letter: DeadLetter) -> Record:
    """``letter`` as a record of the topic, cut where it would be too large for it."""
    values = (
        letter.topic,
        letter.partition,
        letter.offset,
        letter.stage,
        letter.error,
        letter.reason,
    )
    headers = [
        (DEAD_LETTER_HEADER + name, str(value).encode("utf-8", "backslashreplace")[:MAX_REASON])
        for name, value in zip(DEAD_LETTER_HEADERS, values, strict=True)
    ]
    # A record without key and value is one that the client does not send.
    value = b"" if letter.value is None and letter.key is None else letter.value
    if value and len(value) > MAX_VALUE:
        headers.append((VALUE_BYTES, str(len(value)).encode()))
    key = None if letter.key is None else letter.key[:MAX_KEY]
    return Record(key, value and value[:MAX_VALUE], headers)


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
        value_bytes=_number(found.get(VALUE_BYTES.removeprefix(DEAD_LETTER_HEADER)), None),
    )


def _number(text: str | None, otherwise: Number) -> int | Number:
    # -1 is the offset of a document, which comes from no record.
    return int(text) if text and re.fullmatch("-?[0-9]{1,18}", text) else otherwise


def original(settings: Settings, letter: DeadLetter) -> bytes | None:
    """The whole value of a letter that was cut; None when it is no longer in its topic."""
    reader = consumer(settings, service=READER_SERVICE, consumer_timeout_ms=5000)
    try:
        place = TopicPartition(letter.topic, letter.partition)
        reader.assign([place])
        reader.seek(place, letter.offset)
        found: Any = next(reader, None)  # the next one that there is, perhaps a later one
        if found is None or found.offset != letter.offset:
            return None
        return found.value if len(found.value or b"") == letter.value_bytes else None
    finally:
        reader.close()


def read_topic(settings: Settings) -> Iterator[DeadLetter]:
    """Every letter of the topic, oldest first, each once, even if it was written twice."""
    reader = consumer(settings, service=READER_SERVICE, bootstrap_timeout_ms=5000)
    try:
        topic = settings.topic(DEAD_LETTER_TOPIC)
        partitions = [TopicPartition(topic, n) for n in reader.partitions_for_topic(topic) or ()]
        if not partitions:
            return
        reader.assign(partitions)
        ends = reader.end_offsets(partitions)
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


# The stream of Redis ------------------------------------------------------------------


def read_outbox(settings: Settings) -> Iterator[DeadLetter]:
    """Every letter of ``sms:dead``, oldest first; its value is the entry's fields as JSON."""
    client = redis_client(settings)
    entries: Any = client.xrange(settings.key(SMS_DEAD))
    for id_, fields in entries:
        about = {name: fields.pop(name, "") for name in ("reason", "attempts", "entry", "worker")}
        value = fields.get("fields") or json.dumps(fields)
        milliseconds = int(id_.partition("-")[0])
        yield DeadLetter(
            SMS_OUTBOX, 0, milliseconds, "sms", "SmsFailed", about["reason"], value.encode()
        )


# The file of Stage 1 -----------------------------------------------------------------


def path(settings: Settings) -> Path:
    return settings.home / "dead-letters" / "plays-raw.jsonl"


def file_size(settings: Settings) -> int:
    """Bytes of the file; 0 without a file."""
    return path(settings).stat().st_size if path(settings).exists() else 0


def truncate_file(settings: Settings, size: int | None) -> None:
    """Remove what was written after ``size``: a shipper that crashed sends it again.

    None: only the part of a line at the end, which nobody could read, nor what follows it.
    """
    if size is None:
        size = path(settings).read_bytes().rfind(b"\n") + 1 if path(settings).exists() else 0
    if file_size(settings) > size:
        os.truncate(path(settings), size)


def append_to_file(settings: Settings, letters: Iterable[DeadLetter]) -> int:
    """Append ``letters``; the size of the file then."""
    lines = "".join(json.dumps(_record(letter), ensure_ascii=False) + "\n" for letter in letters)
    if not lines:
        return file_size(settings)
    path(settings).parent.mkdir(parents=True, exist_ok=True)
    with writing(path(settings)), path(settings).open("ab") as file:
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
