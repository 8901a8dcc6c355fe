"""The outbox as a worker of the SMS server sees it: take one, keep it, finish or bury it.

In: the Redis stream ``sms:outbox``, read by consumer group ``sms``. Out: one entry at a time
for one worker. An entry is acknowledged when all is done, so that one whose worker died is
taken by another after ``sms_claim_seconds``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import redis

from workshop_lib.runtime.connections import redis_client
from workshop_lib.runtime.retry import patiently
from workshop_lib.schema.names import (
    OPTOUTS,
    SMS_DEAD,
    SMS_GROUP,
    SMS_OUTBOX,
    SMS_RATE_LIMIT,
    SMS_TRIES,
    sent_key,
)
from workshop_lib.settings import Settings
from workshop_lib.stream.sinks.redis import UNREACHABLE

T = TypeVar("T")

MINE: Final = Path(__file__).with_name("mine.lua").read_text(encoding="utf-8")
SLOT: Final = Path(__file__).with_name("slot.lua").read_text(encoding="utf-8")
#: A message sent so long ago is not asked for again.
SENT_SECONDS: Final = 60 * 86_400
BLOCK_MS: Final = 500


class Entry(NamedTuple):
    """An entry of the outbox: its id in the stream and its fields, all text."""

    id: str
    fields: dict[str, str]


class Queue:
    """One worker's hold on the outbox; ``worker`` is its name in the consumer group."""

    def __init__(self, settings: Settings, worker: str) -> None:
        self.settings, self.worker = settings, worker
        self.client = redis_client(settings)
        self.outbox, self.dead, self.tries, self.optouts = map(
            settings.key, (SMS_OUTBOX, SMS_DEAD, SMS_TRIES, OPTOUTS)
        )
        self._cursor, self._claim_next = "0-0", 0.0
        self._ask(self._make_group)

    def next(self) -> Entry | None:
        """A dead worker's entry or a new one; None when there is none for half a second."""
        try:
            return self._ask(lambda: self._claim() or self._read())
        except redis.ResponseError as error:
            if not str(error).startswith("NOGROUP"):
                raise
        self._ask(self._make_group)  # `workshop reset` took it away
        return None

    def mine(self, entry: Entry) -> bool:
        """Whether nobody took the entry over; asking keeps others from doing so for a while."""
        arguments = (self.outbox, SMS_GROUP, entry.id, self.worker)
        return bool(self._ask(lambda: self.client.eval(MINE, 1, *arguments)))

    def slot(self) -> float:
        """Seconds until this worker may send its next message, under the cap of all workers."""
        key, gap = self.settings.key(SMS_RATE_LIMIT), 1000 / self.settings.sms_per_second
        return float(self._ask(lambda: self.client.eval(SLOT, 1, key, str(gap)))) / 1000

    def count_try(self, entry: Entry, by: int = 1) -> int:
        """How many tries there were with this one, over all workers, dead ones too."""
        return int(self._ask(lambda: self.client.hincrby(self.tries, entry.id, by)))

    def opted_out(self, customer: int) -> bool:
        return bool(self._ask(lambda: self.client.sismember(self.optouts, str(customer))))

    def sent_before(self, key: str) -> dict[str, Any] | None:
        """What ``note_sent`` noted: a worker died after it, or an entry came twice."""
        noted = self._ask(lambda: self.client.get(self._sent(key)))
        return json.loads(noted) if noted else None

    def note_sent(self, key: str, receipt: dict[str, Any]) -> None:
        """Remember, right after sending, that this message is sent."""
        text = json.dumps(receipt)
        self._ask(lambda: self.client.set(self._sent(key), text, ex=SENT_SECONDS))

    def finish(self, entry: Entry) -> None:
        """All that was to be done with the entry is done."""

        def ask() -> None:
            with self.client.pipeline() as together:
                together.xack(self.outbox, SMS_GROUP, entry.id)
                together.hdel(self.tries, entry.id)
                together.execute()

        self._ask(ask)

    def bury(self, entry: Entry, reason: str, attempts: int) -> None:
        """To ``sms:dead``, with its fields, the reason and where it was; then finished."""
        letter: dict[Any, Any] = entry.fields | {
            "reason": reason,
            "attempts": str(attempts),
            "entry": entry.id,
            "worker": self.worker,
        }

        def ask() -> None:
            with self.client.pipeline() as together:
                together.xadd(self.dead, letter)
                together.xack(self.outbox, SMS_GROUP, entry.id)
                together.hdel(self.tries, entry.id)
                together.execute()

        self._ask(ask)

    def empty(self) -> bool:
        """Whether every entry is finished, by whichever worker."""
        (group,) = (
            g
            for g in self._ask(lambda: self.client.xinfo_groups(self.outbox))
            if g["name"] == SMS_GROUP
        )
        newest: Any = self._ask(lambda: self.client.xrevrange(self.outbox, count=1))
        unread = bool(newest) and _order(newest[0][0]) > _order(group["last-delivered-id"])
        return not unread and group["pending"] == 0

    def leave(self) -> None:
        """Take the worker off the group's list, unless it leaves something for the others."""
        held = self._ask(
            lambda: self.client.xpending_range(self.outbox, SMS_GROUP, "-", "+", 1, self.worker)
        )
        if not held:
            self._ask(lambda: self.client.xgroup_delconsumer(self.outbox, SMS_GROUP, self.worker))
        self.client.close()

    def _make_group(self) -> None:
        try:
            self.client.xgroup_create(self.outbox, SMS_GROUP, id="0", mkstream=True)
        except redis.ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise

    def _claim(self) -> Entry | None:
        if time.monotonic() < self._claim_next:
            return None
        idle = round(self.settings.sms_claim_seconds * 1000)
        self._cursor, claimed, *_ = self.client.xautoclaim(
            self.outbox, SMS_GROUP, self.worker, idle, self._cursor, count=1
        )
        if self._cursor == "0-0":  # once round
            self._claim_next = time.monotonic() + min(1.0, self.settings.sms_claim_seconds / 4)
        return Entry(*claimed[0]) if claimed else None

    def _read(self) -> Entry | None:
        answer: Any = self.client.xreadgroup(
            SMS_GROUP, self.worker, {self.outbox: ">"}, count=1, block=BLOCK_MS
        )
        return Entry(*answer[0][1][0]) if answer else None

    def _sent(self, key: str) -> str:
        return self.settings.key(sent_key(key))

    def _ask(self, call: Callable[[], T]) -> T:
        return patiently(call, UNREACHABLE, self.settings.patience_seconds, "Redis")


def _order(entry_id: str) -> tuple[int, ...]:
    return tuple(int(part) for part in entry_id.split("-"))
