"""Dead letters, tried again: those that pass now go on to where they belonged.

In: the letters of topic ``plays.dlq`` and of the file of Stage 1, perhaps with corrected
text. Out: plays in topic ``plays`` or index ``plays-raw``, and a mark in
``dead-letters/replayed.jsonl`` for each, so that it is sent once. A letter is never deleted.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable
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

#: Where letters lie → the target that they were on their way to.
TARGETS: Final = {"file": "elasticsearch", "topic": "kafka"}


class StoredLetter(NamedTuple):
    """A letter, where it lies, and whether it was already sent again."""

    letter: DeadLetter
    place: str
    replayed: bool

    @property
    def id(self) -> str:
        return f"{self.place}:{self.letter.id}"

    def record(self) -> dict[str, Any]:
        """For people and programs; ``text`` is what a correction changes."""
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
    """``replayed`` went on now, ``before`` earlier; ``left`` counts the others by reason."""

    replayed: int = 0
    before: int = 0
    left: Counter[str] = field(default_factory=Counter)


def _marks(settings: Settings) -> Path:
    return settings.home / "dead-letters" / "replayed.jsonl"


def _marked(settings: Settings) -> set[str]:
    if not _marks(settings).exists():
        return set()
    with _marks(settings).open("rb") as file:
        # A crash may have left half a mark: its letter is sent again, to the same id.
        return {json.loads(line)["id"] for line in file if line.endswith(b"}\n")}


def _mark(settings: Settings, ids: Iterable[str]) -> None:
    at = when(time.time_ns() // 1_000_000, iso=True)
    lines = "".join(json.dumps({"id": id_, "at": at}) + "\n" for id_ in ids)
    _marks(settings).parent.mkdir(parents=True, exist_ok=True)
    with _marks(settings).open("a+b") as file:
        if file.tell() and not _ends_a_line(file):
            lines = "\n" + lines
        file.write(lines.encode())


def _ends_a_line(file: Any) -> bool:
    file.seek(-1, 2)
    return bool(file.read(1) == b"\n")


def stored_letters(
    settings: Settings, say: Callable[[str], None] = lambda text: None
) -> list[StoredLetter]:
    """All dead letters, the file's first. ``say`` is told when Kafka is away."""
    marked = _marked(settings)
    found = [("file", letter) for letter in dead_letters.read_file(settings)]
    try:
        found += [("topic", letter) for letter in dead_letters.read_topic(settings)]
    except KafkaError as error:
        say(
            f"Kafka at {settings.kafka_bootstrap} does not answer ({type(error).__name__}):"
            " only the dead letters of Stage 1 are seen."
        )
    held = [StoredLetter(letter, place, False) for place, letter in found]
    return [item._replace(replayed=item.id in marked) for item in held]


def corrections(path: Path) -> dict[str, str]:
    """DeadLetter id → text, from what ``workshop dlq show --json`` printed and somebody edited."""
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
    say: Callable[[str], None] = lambda text: None,
) -> DlqReplayReport:
    """Try all letters again that were not replayed; with ``edited``, only those it names.

    A text in ``edited`` that differs from the letter's own stands in for it. Raises
    ``WorkshopError`` when an id is unknown, or when a server is away; what was sent until
    then is marked.
    """
    outcome = DlqReplayReport()
    with only_one(settings, "dlq-replay"):
        held = stored_letters(settings, say)
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
    passing: list[tuple[StoredLetter, Play]] = []
    for item in waiting:
        try:
            passing.append((item, _read(_bytes(item.letter, edited.get(item.id)), latest)))
        except MalformedPlay as error:
            outcome.left[dead_letters.reason_kind(str(error))] += 1
    if not passing:
        return
    with closing(SINKS[target](settings)) as sink:
        try:
            refused = sink.deliver([play for _, play in passing])
        except Unavailable as error:
            raise WorkshopError(f"{error}.", "See `workshop status`; nothing is lost.") from error
    outcome.left.update(dead_letters.reason_kind(reason) for _, reason in refused)
    stay = {place for place, _ in refused}
    taken = [item for place, (item, _) in enumerate(passing) if place not in stay]
    _mark(settings, (item.id for item in taken))
    outcome.replayed += len(taken)


def _bytes(letter: DeadLetter, text: str | None) -> bytes:
    return letter.value if text is None or text == letter.text else text.encode()


def _read(value: bytes, latest: int) -> Play:
    """A line of the log or a message of topic ``plays``."""
    return from_json(value, latest) if value.lstrip().startswith(b"{") else parse(value, latest)
