"""Replay of the dead-letter queue: letters that are valid now are delivered.

In: the letters of topic ``plays.dlq``, of the file of Stage 1 and of ``sms:dead``, perhaps with
corrected text. Out: plays in topic ``plays`` or index ``plays-raw``, documents in the index that
refused them, messages in the outbox; and an entry in ``dead-letters/replayed.jsonl`` for each,
so that it is delivered once. A letter is never deleted. ``workshop dlq show`` and
``workshop dlq replay``.
"""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from kafka.errors import KafkaError
from redis import RedisError

from workshop_lib.errors import WorkshopError
from workshop_lib.ingest import dead_letters
from workshop_lib.ingest.dead_letters import DeadLetter
from workshop_lib.ingest.sinks import SINKS
from workshop_lib.ingest.sinks.sink import Unavailable
from workshop_lib.runtime.connections import (
    create_index,
    elasticsearch,
    redis_client,
    write_documents,
)
from workshop_lib.runtime.lock import only_one
from workshop_lib.runtime.store_errors import StoreUnavailable
from workshop_lib.schema.names import SMS_OUTBOX
from workshop_lib.schema.outbox_entry import parse_fields
from workshop_lib.schema.play import MalformedPlay, Play, from_json, parse, when
from workshop_lib.schema.tables import INDICES
from workshop_lib.settings import Settings

logger = logging.getLogger(__name__)

Delivery = Callable[[Settings, list[tuple[DeadLetter, bytes]]], dict[int, str]]


class StoredLetter(NamedTuple):
    """A letter, where it is stored (file, topic or outbox), and whether it was replayed."""

    letter: DeadLetter
    place: str
    replayed: bool

    @property
    def id(self) -> str:
        return f"{self.place}:{self.letter.id}"

    def record(self) -> dict[str, Any]:
        """The letter as JSON; a correction changes its ``text``."""
        letter = self.letter
        return {
            "id": self.id,
            "source": letter.source,
            "offset": letter.offset,
            "stage": letter.stage,
            "reason": letter.reason,
            "text": letter.text,
            "replayed": self.replayed,
        }


@dataclass
class DlqReplayReport:
    """``replayed`` now, ``before`` earlier; ``left`` counts the others by reason."""

    replayed: int = 0
    before: int = 0
    left: Counter[str] = field(default_factory=Counter)


def _replayed_file(settings: Settings) -> Path:
    return settings.home / "dead-letters" / "replayed.jsonl"


def _replayed_ids(settings: Settings) -> set[str]:
    if not _replayed_file(settings).exists():
        return set()
    with _replayed_file(settings).open("rb") as file:
        # A crash may have left a partial entry: its letter is delivered again, with the same id.
        return {json.loads(line)["id"] for line in file if line.endswith(b"}\n")}


def _record(settings: Settings, ids: Iterable[str]) -> None:
    at = when(time.time_ns() // 1_000_000, iso=True)
    lines = "".join(json.dumps({"id": id_, "at": at}) + "\n" for id_ in ids)
    _replayed_file(settings).parent.mkdir(parents=True, exist_ok=True)
    with _replayed_file(settings).open("a+b") as file:
        if file.tell() and not _ends_a_line(file):
            lines = "\n" + lines
        file.write(lines.encode())


def _ends_a_line(file: Any) -> bool:
    file.seek(-1, 2)
    return bool(file.read(1) == b"\n")


def stored_letters(settings: Settings) -> list[StoredLetter]:
    """All dead letters, the file's first. A warning is logged for a server that is away."""
    replayed = _replayed_ids(settings)
    found = []
    for place, read in (
        ("file", dead_letters.read_file),
        ("topic", dead_letters.read_topic),
        ("outbox", dead_letters.read_outbox),
    ):
        try:
            found += [(place, letter) for letter in read(settings)]
        except (KafkaError, RedisError) as error:
            server, address = (
                ("Kafka", settings.kafka_bootstrap)
                if place == "topic"
                else ("Redis", settings.redis_address)
            )
            logger.warning(
                "%s at %s does not answer (%s): its dead letters are not listed.",
                server,
                address,
                type(error).__name__,
            )
    held = [StoredLetter(letter, place, False) for place, letter in found]
    return [item._replace(replayed=item.id in replayed) for item in held]


def corrections(path: Path) -> dict[str, str]:
    """DeadLetter id → text, from the edited output of ``workshop dlq show --json``."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        return {record["id"]: record["text"] for record in value["letters"]}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise WorkshopError(
            f"Cannot read corrected letters from {path}: {type(error).__name__} {error}.",
            "Make it with `workshop dlq show --json > FILE`, then change only the texts.",
        ) from None


def replay_dead_letters(
    settings: Settings,
    edited: dict[str, str] | None = None,
) -> DlqReplayReport:
    """Deliver all letters that were not replayed and are valid; with ``edited``, only those in it.

    A text in ``edited`` replaces the letter's own. Raises ``WorkshopError`` when an id is
    unknown, or when a server is away; what was delivered until then is recorded.
    """
    outcome = DlqReplayReport()
    with only_one(settings, "dlq-replay"):
        held = stored_letters(settings)
        unknown = set(edited or ()) - {item.id for item in held}
        if unknown:
            raise WorkshopError(
                f"No dead letter has the id {min(unknown)}.", "See `workshop dlq show --json`."
            )
        wanted = [item for item in held if edited is None or item.id in edited]
        outcome.before = sum(item.replayed for item in wanted)
        for deliver, items in _by_delivery(settings, wanted).items():
            _replay(settings, deliver, items, edited or {}, outcome)
    return outcome


def _by_delivery(
    settings: Settings, wanted: list[StoredLetter]
) -> dict[Delivery, list[StoredLetter]]:
    """The letters that wait, by how they are delivered."""
    indices = {settings.index(name) for name in INDICES}
    groups: dict[Delivery, list[StoredLetter]] = {}
    for item in wanted:
        if item.replayed:
            continue
        if item.place == "file":
            deliver: Delivery = _plays_to_index
        elif item.place == "outbox":
            deliver = _messages_to_outbox
        elif item.letter.offset == -1 and item.letter.topic in indices:
            deliver = _documents_to_index
        else:
            deliver = _plays_to_topic
        groups.setdefault(deliver, []).append(item)
    return groups


def _replay(
    settings: Settings,
    deliver: Delivery,
    items: list[StoredLetter],
    edited: dict[str, str],
    outcome: DlqReplayReport,
) -> None:
    """Deliver ``items``; those that stay are counted by reason, the others recorded."""
    values = [(item.letter, _bytes(settings, item.letter, edited.get(item.id))) for item in items]
    try:
        stay = deliver(settings, values)
    except (Unavailable, StoreUnavailable, RedisError) as error:
        raise WorkshopError(f"{error}.", "See `workshop status`; nothing is lost.") from error
    outcome.left.update(map(dead_letters.reason_kind, stay.values()))
    delivered = [item.id for place, item in enumerate(items) if place not in stay]
    _record(settings, delivered)
    outcome.replayed += len(delivered)


def _bytes(settings: Settings, letter: DeadLetter, text: str | None) -> bytes:
    if text is not None and text != letter.text:
        return text.encode()
    whole = dead_letters.original(settings, letter) if letter.value_bytes else letter.value
    return whole or b""


# Each of these delivers letters with the values that they have now, and returns the places of
# those that stay, with the reason.


def _plays(
    settings: Settings, target: str, values: list[tuple[DeadLetter, bytes]]
) -> dict[int, str]:
    latest = time.time_ns() // 1_000_000 + settings.future_tolerance_seconds * 1000
    valid: list[tuple[int, Play]] = []
    stay: dict[int, str] = {}
    for place, (_, value) in enumerate(values):
        try:
            valid.append((place, _read(value, latest)))
        except MalformedPlay as error:
            stay[place] = str(error)
    if valid:
        with closing(SINKS[target](settings)) as sink:
            refused = sink.deliver([play for _, play in valid])
        stay |= {valid[number][0]: reason for number, reason in refused}
    return stay


def _plays_to_index(settings: Settings, values: list[tuple[DeadLetter, bytes]]) -> dict[int, str]:
    return _plays(settings, "elasticsearch", values)


def _plays_to_topic(settings: Settings, values: list[tuple[DeadLetter, bytes]]) -> dict[int, str]:
    return _plays(settings, "kafka", values)


def _documents_to_index(
    settings: Settings, values: list[tuple[DeadLetter, bytes]]
) -> dict[int, str]:
    """Documents of the stream, such as targets: by id into the index that refused them."""
    stay: dict[int, str] = {}
    with closing(elasticsearch(settings)) as client:
        for place, (letter, value) in enumerate(values):
            name = letter.topic.removeprefix(settings.namespace)
            id_ = (letter.key or b"").decode("utf-8", "replace")
            pair = (id_, value.decode("utf-8", "replace"))
            create_index(settings, client, name)
            for rejected in write_documents(settings, client, name, [pair]):
                stay[place] = rejected.reason
    return stay


def _messages_to_outbox(
    settings: Settings, values: list[tuple[DeadLetter, bytes]]
) -> dict[int, str]:
    """Messages: into the outbox again. The gateway knows the key of one that it had before."""
    client = redis_client(settings)
    stay: dict[int, str] = {}
    for place, (_, value) in enumerate(values):
        try:
            fields = json.loads(value)
            parse_fields(fields)
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            stay[place] = f"no message: {error}"
        else:
            client.xadd(settings.key(SMS_OUTBOX), fields)
    return stay


def _read(value: bytes, latest: int) -> Play:
    """A line of the log or a message of topic ``plays``."""
    return from_json(value, latest) if value.lstrip().startswith(b"{") else parse(value, latest)
