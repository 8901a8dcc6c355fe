"""The shipper: follows the live log and delivers every line of it, as Logstash does.

In: ``plays.log``. Out: plays in index ``plays-raw`` (Stage 1) or topic ``plays`` (Stage 2),
dead letters of the lines that are no plays, and ``ship-<target>.json``. Position and
counters are saved together, after a batch was acknowledged: a crash in between delivers the
batch again (at least once; ids make that harmless) but counts it once.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, NamedTuple

from workshop_lib.errors import WorkshopError
from workshop_lib.ingest import dead_letters
from workshop_lib.ingest.dead_letters import DeadLetter
from workshop_lib.ingest.sinks import SINKS
from workshop_lib.ingest.sinks.sink import Sink, Unavailable
from workshop_lib.ingest.tail import Line, LogTail, Position
from workshop_lib.runtime import state_file
from workshop_lib.runtime.identity import require_own_servers
from workshop_lib.runtime.lock import only_one, running
from workshop_lib.runtime.progress import Progress, silent
from workshop_lib.runtime.retry import Stopped, retry_with_backoff
from workshop_lib.schema.play import MalformedPlay, Play, parse
from workshop_lib.settings import Settings

logger = logging.getLogger(__name__)

#: Seconds between two reads of a log that does not grow.
IDLE: Final = 0.1
#: Seconds before a batch is tried again, doubled each time.
FIRST_PAUSE: Final = 0.5


@dataclass(frozen=True)
class ShipReport:
    """What was shipped: ``lines`` = ``accepted`` + ``rejected``; ``bytes`` of the log;
    ``reasons`` counts the rejected by kind of reason; ``position`` is where to continue."""

    lines: int = 0
    accepted: int = 0
    rejected: int = 0
    bytes: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    position: Position = field(default_factory=Position)
    #: Size of the dead-letter file; what follows was written by a shipper that crashed.
    letters_size: int = 0

    def plus(self, lines: list[Line], letters: list[DeadLetter]) -> ShipReport:
        """With a batch of ``lines`` of which ``letters`` were rejected."""
        kinds = Counter(self.reasons)
        kinds.update(dead_letters.reason_kind(letter.reason) for letter in letters)
        return replace(
            self,
            lines=self.lines + len(lines),
            accepted=self.accepted + len(lines) - len(letters),
            rejected=self.rejected + len(letters),
            bytes=self.bytes + sum(line.length for line in lines),
            reasons=dict(kinds),
        )

    def since(self, before: ShipReport) -> ShipReport:
        """The counts of this report without those of ``before``."""
        return replace(
            self,
            lines=self.lines - before.lines,
            accepted=self.accepted - before.accepted,
            rejected=self.rejected - before.rejected,
            bytes=self.bytes - before.bytes,
            reasons=dict(Counter(self.reasons) - Counter(before.reasons)),
        )


def _path(settings: Settings, to: str) -> Path:
    return settings.home / f"ship-{to}.json"


def read_ship_state(settings: Settings, to: str) -> ShipReport | None:
    """All that was ever shipped ``to`` a target; None before the first batch."""
    value = state_file.load(_path(settings, to))
    if value is None:
        return None
    return ShipReport(**{**value, "position": Position(*value["position"])})


def shipped(settings: Settings, to: str) -> bool:
    """Whether the shipper has reached the end of the log."""
    state = read_ship_state(settings, to)
    if state is None or not state.lines:
        return False
    if running(settings, f"ship-{to}"):
        return True
    with closing(LogTail(settings.live_log, state.position)) as rest:
        return not rest.read()


class Batch(NamedTuple):
    """The plays of a batch, their lines, and the dead letters of the other lines."""

    plays: list[Play]
    lines: list[Line]
    letters: list[DeadLetter]


def parse_lines(lines: Iterable[Line], log: str, latest: int) -> Batch:
    """Which ``lines`` of the log file named ``log`` are plays, and why the others are not.

    ``latest``: the last moment that a play may have, ms since 1970.
    """
    batch = Batch([], [], [])
    for line in lines:
        try:
            play = parse(line.raw, latest)
        except MalformedPlay as error:
            batch.letters.append(_letter(line, log, "ship", "MalformedPlay", _reason(line, error)))
        else:
            batch.plays.append(play)
            batch.lines.append(line)
    return batch


def _reason(line: Line, error: MalformedPlay) -> str:
    if line.length > len(line.raw) + 1:
        return f"line of {line.length} bytes; only its first {len(line.raw)} are kept"
    return str(error)


def _letter(line: Line, log: str, stage: str, error: str, reason: str) -> DeadLetter:
    return DeadLetter(log, line.generation, line.offset, stage, error, reason, line.raw)


def ship(
    settings: Settings,
    to: str,
    *,
    once: bool = False,
    stop: threading.Event | None = None,
    progress: Progress = silent,
) -> ShipReport:
    """Ship the live log ``to`` "kafka" or "elasticsearch" until ``stop`` is set.

    ``once``: only up to the log's present end. Continues where the last call stopped; returns
    what this call shipped. While the server is away it waits, logs why, and tries
    again. ``progress`` gets all lines so far, and what was rejected and is still to be read.
    Raises ``WorkshopError``, and ``OSError`` when its own files cannot be written: a batch whose
    position was not saved is delivered again by the next call.
    """
    if to not in SINKS:
        raise WorkshopError(f"Cannot ship to {to!r}.", f"Choose one of: {', '.join(SINKS)}.")
    stop = stop or threading.Event()
    require_own_servers(settings)
    with only_one(settings, f"ship-{to}"), closing(SINKS[to](settings)) as sink:
        before = read_ship_state(settings, to)
        if to == "elasticsearch":
            dead_letters.truncate_file(settings, before.letters_size if before else None)
        before = total = before or ShipReport()
        with closing(LogTail(settings.live_log, total.position)) as tail:
            while not stop.is_set():
                lines = tail.read()
                if lines:
                    letters = _deliver(settings, to, sink, lines, stop)
                    if letters is None:
                        break  # stopped while the server was away: the batch is not counted
                    total = replace(
                        total.plus(lines, letters),
                        position=tail.position(),
                        letters_size=dead_letters.file_size(settings),
                    )
                    state_file.save(_path(settings, to), vars(total))
                detail = f"{total.rejected:,} rejected, {tail.behind():,} bytes to go"
                progress(f"Shipping to {to}", total.lines, detail=detail)
                if not lines:
                    if once:
                        break
                    stop.wait(IDLE)
        return total.since(before)


def _deliver(
    settings: Settings,
    to: str,
    sink: Sink,
    lines: list[Line],
    stop: threading.Event,
) -> list[DeadLetter] | None:
    """Deliver ``lines``, however long it takes; the rejected ones, or None when stopped."""
    latest = time.time_ns() // 1_000_000 + settings.future_tolerance_seconds * 1000
    name = settings.live_log.name
    batch = parse_lines(lines, name, latest)
    failed = False

    def attempt() -> list[DeadLetter]:
        refused = sink.deliver(batch.plays)
        letters = batch.letters + [
            _letter(batch.lines[place], name, "index", "Refused", reason)
            for place, reason in refused
        ]
        sink.send_to_dead_letter(letters)
        return letters

    def before_pause(error: BaseException, pause: float) -> None:
        nonlocal failed
        failed = True
        logger.warning("%s; trying again in %.1f s. Nothing is lost.", error, pause)

    try:
        letters = retry_with_backoff(
            attempt,
            Unavailable,
            server=to,
            first_pause=FIRST_PAUSE,
            stop=stop,
            before_pause=before_pause,
        )
    except Stopped:
        return None
    if failed:
        logger.warning("%s answers again; continuing.", to.capitalize())
    return letters
