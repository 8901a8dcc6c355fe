"""Replay of the dead-letter queue: letters that are valid now are delivered.

In: the letters of topic ``plays.dlq`` and of the file of Stage 1, perhaps with corrected
text. Out: plays in topic ``plays`` or index ``plays-raw``, and an entry in
``dead-letters/replayed.jsonl`` for each, so that it is delivered once. A letter is never
deleted. ``workshop dlq show`` and ``workshop dlq replay``.
"""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from kafka.errors import KafkaError

from workshop_lib.errors import WorkshopError
from workshop_lib.ingest import dead_letters
from workshop_lib.ingest.dead_letters import DeadLetter
from workshop_lib.ingest.sinks import SINKS, Unavailable
from workshop_lib.runtime.lock import only_one
from workshop_lib.schema.play import MalformedPlay, Play, from_json, parse, when
from workshop_lib.settings import Settings

logger = logging.getLogger(__name__)

#: Where a letter is stored → the target that its record was meant for.
TARGETS: Final = {"file": "elasticsearch", "topic": "kafka"}


class StoredLetter(NamedTuple):
    """A letter, where it is stored (key of ``TARGETS``), and whether it was replayed."""

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


def stored_letters(
    settings: Settings,
) -> list[StoredLetter]:
    """All dead letters, the file's first. A warning is logged when Kafka is away."""
    replayed = _replayed_ids(settings)
    found = [("file", letter) for letter in dead_letters.read_file(settings)]
    try:
        found += [("topic", letter) for letter in dead_letters.read_topic(settings)]
    except KafkaError as error:
        logger.warning(
            "Kafka at %s does not answer (%s): only the dead letters of Stage 1 are listed.",
            settings.kafka_bootstrap,
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
        for place, target in TARGETS.items():
            waiting = [x for x in wanted if x.place == place and not x.replayed]
            if waiting:
                _send(settings, target, waiting, edited or {}, outcome)
    return outcome


def _send(
    settings: Settings,
    target: str,
    waiting: list[StoredLetter],
    edited: dict[str, str],
    outcome: DlqReplayReport,
) -> None:
    latest = time.time_ns() // 1_000_000 + settings.future_tolerance_seconds * 1000
    valid: list[tuple[StoredLetter, Play]] = []
    for item in waiting:
        try:
            valid.append((item, _read(_bytes(item.letter, edited.get(item.id)), latest)))
        except MalformedPlay as error:
            outcome.left[dead_letters.reason_kind(str(error))] += 1
    if not valid:
        return
    with closing(SINKS[target](settings)) as sink:
        try:
            refused = sink.deliver([play for _, play in valid])
        except Unavailable as error:
            raise WorkshopError(f"{error}.", "See `workshop status`; nothing is lost.") from error
    outcome.left.update(dead_letters.reason_kind(reason) for _, reason in refused)
    stay = {place for place, _ in refused}
    delivered = [item for place, (item, _) in enumerate(valid) if place not in stay]
    _record(settings, (item.id for item in delivered))
    outcome.replayed += len(delivered)


def _bytes(letter: DeadLetter, text: str | None) -> bytes:
    return letter.value if text is None or text == letter.text else text.encode()


def _read(value: bytes, latest: int) -> Play:
    """A line of the log or a message of topic ``plays``."""
    return from_json(value, latest) if value.lstrip().startswith(b"{") else parse(value, latest)
