"""The SMS server: entries of the outbox become messages, each once (Stage 3).

In: ``sms:outbox``. Out: messages through a provider, a document per message in index
``sms``, and in ``sms:dead`` what could not be sent, with the reason.

The order is: check the entry, send, record in Redis that it is sent, write the document,
acknowledge. Wherever a worker dies, another one does the rest; only between sending and
recording may a message be sent again, with the same key, by which the gateway recognises it.
So: at least once, with a deduplication key.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any, Final, NamedTuple

from elasticsearch import Elasticsearch

from workshop_lib.errors import WorkshopError
from workshop_lib.marketing.delivery import Entry, OutboxConsumer
from workshop_lib.marketing.message import Message
from workshop_lib.marketing.providers import (
    PermanentFailure,
    ProviderUnreachable,
    Send,
    TemporaryFailure,
    provider,
)
from workshop_lib.runtime import connections
from workshop_lib.runtime.identity import require_own_servers
from workshop_lib.runtime.lock import together
from workshop_lib.runtime.progress import Progress, silent
from workshop_lib.runtime.retry import Stopped, retry_with_backoff
from workshop_lib.runtime.store_errors import StoreUnavailable
from workshop_lib.schema.names import SMS_INDEX
from workshop_lib.schema.outbox_entry import parse_fields
from workshop_lib.schema.play import when
from workshop_lib.settings import Settings

SENT, SUPPRESSED, FAILED, DEAD = "sent", "suppressed", "failed", "dead"
STATUSES: Final = (SENT, SUPPRESSED, FAILED, DEAD)
LONGEST_PAUSE: Final = 30.0
#: The lock of those who give way, and of the one whom they give way to.
OUTBOX_LOCK: Final = "sms-outbox"
#: How often one that gives way asks whether it may go on.
ASK_AGAIN_SECONDS: Final = 0.5


class TryAgain(Exception):
    """The gateway did not take a message now; it may later."""


class OutboxMessage(NamedTuple):
    """What a well-formed entry asks for: the message, and the ids that its document has."""

    message: Message
    customer_id: int
    ids: dict[str, Any]


def parse_entry(entry: Entry) -> OutboxMessage:
    """The message that ``entry`` asks for; ``ValueError`` says what is wrong with it."""
    fields = parse_fields(entry.fields)
    message = Message(fields["target_id"], fields.pop("phone"), fields["text"])
    return OutboxMessage(message, fields["customer_id"], fields | {"dedup_key": message.key})


def malformed_ids(entry: Entry) -> dict[str, Any]:
    """What can be said of an entry that is no message: its document has the entry's id."""
    known: dict[str, Any] = {"dedup_key": f"entry-{entry.id}"}
    known |= {
        name: entry.fields[name] for name in ("target_id", "campaign") if name in entry.fields
    }
    return known


class Worker:
    """Takes one entry at a time and finishes it."""

    def __init__(
        self,
        settings: Settings,
        name: str,
        send: Send,
        provider_name: str,
        client: Elasticsearch,
        stop: threading.Event,
        count: Callable[[str], None],
        give_way: bool,
    ) -> None:
        self.settings, self.send, self.provider_name = settings, send, provider_name
        self.client, self.stop, self.count = client, stop, count
        self.give_way = give_way
        self.outbox = OutboxConsumer(settings, name)

    def run(self, once: bool) -> None:
        """Until ``stop`` is set or, ``once``, until the outbox has nothing left."""
        while not self.stop.is_set():
            with self.turn() as mine:
                entry = self.outbox.next() if mine else None
                if entry:
                    self.handle(entry)
            if not mine:
                self.stop.wait(ASK_AGAIN_SECONDS)
            elif once and not entry and self.outbox.empty():
                break
        self.outbox.leave()

    def turn(self) -> AbstractContextManager[bool]:
        """Whether the next entry is this worker's to take: not while it gives way to another."""
        return together(self.settings, OUTBOX_LOCK) if self.give_way else nullcontext(True)

    def handle(self, entry: Entry) -> None:
        """Finish ``entry``, unless the server is to stop or another worker has it."""
        try:
            wanted = parse_entry(entry)
        except ValueError as error:
            return self.dead_letter(entry, malformed_ids(entry), f"malformed: {error}", 0)

        def attempt() -> None:
            if self.stop.wait(self.outbox.rate_limit_wait()) or not self.outbox.renew_claim(entry):
                return
            if not self.attempt(entry, wanted):
                raise TryAgain

        with suppress(Stopped):
            retry_with_backoff(
                attempt,
                TryAgain,
                server="The gateway",
                first_pause=self.settings.sms_pause_seconds,
                # Shorter than the time after which others claim the entry.
                longest_pause=min(LONGEST_PAUSE, self.settings.sms_claim_seconds / 3),
                stop=self.stop,
            )

    def attempt(self, entry: Entry, wanted: OutboxMessage) -> bool:
        """Try once; whether the entry is finished."""
        key, ids = wanted.message.key, wanted.ids
        sent = self.outbox.receipt(key)
        if sent is not None:
            return self.finish(entry, ids, SENT, **sent)
        if self.outbox.opted_out(wanted.customer_id):
            reason = "opted out after the offer"
            return self.finish(entry, ids, SUPPRESSED, reason=reason, attempts=0)
        tries = self.outbox.count_try(entry)
        if tries > self.settings.sms_tries:
            # Not even an error: the process ended in the middle, each time.
            self.dead_letter(entry, ids, f"the process ended in {tries - 1} tries", tries - 1)
            return True
        try:
            receipt = self.send(wanted.message)
        except PermanentFailure as error:
            self.dead_letter(entry, ids, f"refused: {error}", tries)
            return True
        except ProviderUnreachable as error:
            self.outbox.set_tries(entry, tries - 1)  # nobody saw it: that was no try
            self.write(ids, FAILED, reason=str(error), attempts=tries - 1)
            return False
        except TemporaryFailure as error:
            if tries >= self.settings.sms_tries:
                self.dead_letter(entry, ids, f"{tries} tries, the last: {error}", tries)
                return True
            self.write(ids, FAILED, reason=str(error), attempts=tries)
            return False
        sent = {"provider_id": receipt.id, "attempts": tries}
        self.outbox.record_sent(key, sent)
        return self.finish(entry, ids, SENT, **sent)

    def finish(self, entry: Entry, ids: dict[str, Any], status: str, **more: Any) -> bool:
        self.write(ids, status, **more)
        self.outbox.acknowledge(entry)
        self.count(status)
        return True

    def dead_letter(self, entry: Entry, ids: dict[str, Any], reason: str, attempts: int) -> None:
        self.write(ids, DEAD, reason=reason, attempts=attempts)
        self.outbox.send_to_dead_letter(entry, reason, attempts)
        self.count(DEAD)

    def write(self, ids: dict[str, Any], status: str, **more: Any) -> None:
        """The message's document, as it is now."""
        document = {
            **ids,
            "status": status,
            "provider": self.provider_name,
            "updated_at": when(time.time_ns() // 1_000_000, iso=True),
            **more,
        }
        pairs = [(ids["dedup_key"], document)]
        refused = retry_with_backoff(
            lambda: connections.write_documents(self.settings, self.client, SMS_INDEX, pairs),
            StoreUnavailable,
            server="Elasticsearch",
            seconds=self.settings.patience_seconds,
        )
        if refused:
            raise WorkshopError(f"Index {SMS_INDEX} refused a message: {refused[0].reason}.")


def serve(
    settings: Settings,
    workers: int = 1,
    provider_name: str = "",
    once: bool = False,
    stop: threading.Event | None = None,
    progress: Progress = silent,
    give_way: bool = False,
) -> dict[str, int]:
    """Send what is in the outbox until ``stop`` is set or, ``once``, until it is empty.

    ``workers`` threads, beside those of other processes on the same outbox; with ``give_way``
    they take nothing while somebody is ``lock.alone`` with ``OUTBOX_LOCK``. Returns how many
    messages this process brought to each status. Raises ``WorkshopError`` when a server is
    away for longer than ``patience_seconds``, or the provider may not be used.
    """
    name = provider_name or settings.sms_provider
    require_own_servers(settings)
    send = provider(settings, name)
    if settings.sms_claim_seconds < 2 * settings.sms_timeout_seconds:
        raise WorkshopError(
            "sms_claim_seconds is less than twice sms_timeout_seconds: workers would take"
            " messages that others are sending.",
            "Change WORKSHOP_SMS_CLAIM_SECONDS.",
        )
    connections.prepare(settings, SMS_INDEX)
    client = connections.elasticsearch(settings)
    # Its own: what ends the workers is not always what the caller asked for.
    end, counts, counting = threading.Event(), Counter[str](), threading.Lock()

    def count(status: str) -> None:
        with counting:
            counts[status] += 1

    def totals() -> dict[str, int]:
        with counting:
            return {status: counts[status] for status in STATUSES if status != FAILED}

    prefix = f"{socket.gethostname()}-{os.getpid()}"
    crew = [
        Worker(settings, f"{prefix}-{n}", send, name, client, end, count, give_way)
        for n in range(workers)
    ]
    with ThreadPoolExecutor(workers) as pool:
        running = [pool.submit(worker.run, once) for worker in crew]
        try:
            while True:
                done, going = wait(running, timeout=0.1, return_when=FIRST_EXCEPTION)
                progress("messages", detail=_in_words(totals()))
                if not going or any(each.exception() for each in done) or (stop and stop.is_set()):
                    break
        finally:
            end.set()
    client.close()
    for each in running:
        each.result()
    return totals()


def _in_words(counts: dict[str, int]) -> str:
    return ", ".join(f"{number:,} {status}" for status, number in counts.items())
