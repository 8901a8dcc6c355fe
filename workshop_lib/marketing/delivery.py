"""The outbox as a worker of the SMS server sees it: a consumer of a Redis stream.

In: the Redis stream ``sms:outbox``, read by consumer group ``sms``. Out: one entry at a time
for one worker. An entry is acknowledged when all is done, so that one whose worker died is
claimed by another after ``sms_claim_seconds``. Every call may be repeated: the answer to
one that Redis has carried out may have been lost.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import redis

from workshop_lib.runtime.connections import redis_client
from workshop_lib.runtime.retry import retry_with_backoff
from workshop_lib.runtime.store_errors import redis_unavailable
from workshop_lib.schema.names import (
    OPTOUTS,
    SMS_DEAD,
    SMS_GROUP,
    SMS_OUTBOX,
    SMS_RATE_LIMIT,
    SMS_TRIES,
    sent_key,
)
from workshop_lib.schema.retention import SENT_SECONDS
from workshop_lib.settings import Settings

T = TypeVar("T")

RENEW_CLAIM, RATE_LIMIT_WAIT, DEAD_LETTER = (
    Path(__file__).with_name(f"{name}.lua").read_text(encoding="utf-8")
    for name in ("renew_claim", "rate_limit_wait", "dead_letter")
)
BLOCK_MS: Final = 500
#: A dead letter keeps more fields than these as one, in JSON: Lua takes no such lists.
MOST_FIELDS: Final = 500


class Entry(NamedTuple):
    """An entry of the outbox: its id in the stream and its fields, all text."""

    id: str
    fields: dict[str, str]


class OutboxConsumer:
    """One consumer of the group; ``worker`` is its name."""

    def __init__(self, settings: Settings, worker: str) -> None:
        self.settings, self.worker = settings, worker
        self.client = redis_client(settings)
        self.outbox, self.dead, self.tries, self.optouts = map(
            settings.key, (SMS_OUTBOX, SMS_DEAD, SMS_TRIES, OPTOUTS)
        )
        self._cursor, self._claim_next = "0-0", 0.0
        self._retry(self._make_group)

    def next(self) -> Entry | None:
        """A dead worker's entry or a new one; None when there is none for half a second."""
        try:
            return self._retry(lambda: self._claim() or self._read())
        except redis.ResponseError as error:
            if not str(error).startswith("NOGROUP"):
                raise
        self._retry(self._make_group)  # `workshop reset` took it away
        return None

    def renew_claim(self, entry: Entry) -> bool:
        """Whether nobody took the entry over; asking keeps others from doing so for a while."""
        return bool(
            self._eval(RENEW_CLAIM, [self.outbox], SMS_GROUP, entry.id, self.worker),
        )

    def rate_limit_wait(self) -> float:
        """Seconds until this worker may send its next message, under the cap of all workers."""
        gap = 1000 / self.settings.sms_per_second
        return float(self._eval(RATE_LIMIT_WAIT, [self.settings.key(SMS_RATE_LIMIT)], gap)) / 1000

    def count_try(self, entry: Entry) -> int:
        """How many tries there were with this one, over all workers, dead ones too."""
        before = self._retry(lambda: self.client.hget(self.tries, entry.id))
        tries = int(before or 0) + 1
        self.set_tries(entry, tries)
        return tries

    def set_tries(self, entry: Entry, tries: int) -> None:
        # An absolute value: an increment that is repeated would count twice.
        self._retry(lambda: self.client.hset(self.tries, entry.id, str(tries)))

    def opted_out(self, customer: int) -> bool:
        return bool(self._retry(lambda: self.client.sismember(self.optouts, str(customer))))

    def receipt(self, key: str) -> dict[str, Any] | None:
        """What ``record_sent`` kept: a worker died after it, or an entry came twice."""
        kept = self._retry(lambda: self.client.get(self._sent(key)))
        return json.loads(kept) if kept else None

    def record_sent(self, key: str, receipt: dict[str, Any]) -> None:
        """Remember, right after sending, that this message is sent."""
        text = json.dumps(receipt)
        self._retry(lambda: self.client.set(self._sent(key), text, ex=SENT_SECONDS))

    def acknowledge(self, entry: Entry) -> None:
        """All that was to be done with the entry is done."""

        def call() -> None:
            with self.client.pipeline() as together:
                together.xack(self.outbox, SMS_GROUP, entry.id)
                together.hdel(self.tries, entry.id)
                together.execute()

        self._retry(call)

    def send_to_dead_letter(self, entry: Entry, reason: str, attempts: int) -> None:
        """To ``sms:dead``, with its fields, the reason and where it was; then acknowledged."""
        fields = entry.fields
        if len(fields) > MOST_FIELDS:
            fields = {"fields": json.dumps(fields)}
        letter = fields | {
            "reason": reason,
            "attempts": str(attempts),
            "entry": entry.id,
            "worker": self.worker,
        }
        parts = (part for pair in letter.items() for part in pair)
        self._eval(DEAD_LETTER, [self.outbox, self.dead, self.tries], SMS_GROUP, entry.id, *parts)

    def empty(self) -> bool:
        """Whether every entry is finished, by whichever worker."""
        groups = self._retry(lambda: self.client.xinfo_groups(self.outbox))
        (group,) = (g for g in groups if g["name"] == SMS_GROUP)
        newest: Any = self._retry(lambda: self.client.xrevrange(self.outbox, count=1))
        unread = bool(newest) and _order(newest[0][0]) > _order(group["last-delivered-id"])
        return not unread and group["pending"] == 0

    def leave(self) -> None:
        """Remove the worker from the group, unless it leaves entries for the others."""
        pending = self._retry(
            lambda: self.client.xpending_range(self.outbox, SMS_GROUP, "-", "+", 1, self.worker)
        )
        if not pending:
            self._retry(lambda: self.client.xgroup_delconsumer(self.outbox, SMS_GROUP, self.worker))
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

    def _eval(self, script: str, keys: list[str], *arguments: Any) -> Any:
        return self._retry(lambda: self.client.eval(script, len(keys), *keys, *map(str, arguments)))

    def _retry(self, call: Callable[[], T]) -> T:
        return retry_with_backoff(
            call, redis_unavailable, server="Redis", seconds=self.settings.patience_seconds
        )


def _order(entry_id: str) -> tuple[int, ...]:
    return tuple(int(part) for part in entry_id.split("-"))
