"""The SMS server: entries of the outbox become messages, each once (Stage 3).

In: ``sms:outbox``. Out: messages through a provider, a document per message in index
``sms``, and in ``sms:dead`` what could not be sent, with the reason.

The order is: send, note in Redis that it is sent, write the document, acknowledge. Wherever
a worker dies, another one does the rest; only between sending and noting may a message be
sent again, with the same key, by which the gateway knows it. So: at least once, with a
deduplication key.
"""

from __future__ import annotations

import os
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Any, Final, NamedTuple

from elastic_transport import TransportError
from elasticsearch import Elasticsearch
from redis import RedisError

from workshop_lib.errors import WorkshopError
from workshop_lib.marketing.delivery import Entry, Queue
from workshop_lib.marketing.message import Message
from workshop_lib.marketing.outbox import CARRIED
from workshop_lib.marketing.providers import Failed, Refused, Send, Unreachable, provider
from workshop_lib.runtime import connections
from workshop_lib.runtime.retry import patiently
from workshop_lib.schema.names import SMS_INDEX
from workshop_lib.schema.play import when
from workshop_lib.settings import Settings
from workshop_lib.stream.sinks.elasticsearch import UNREACHABLE

SENT, SUPPRESSED, FAILED, DEAD = "sent", "suppressed", "failed", "dead"
STATUSES: Final = (SENT, SUPPRESSED, FAILED, DEAD)
LONGEST_PAUSE: Final = 30.0

#: Called with the counts by status so far.
Report = Callable[[dict[str, int]], None]


class Order(NamedTuple):
    """What a well-formed entry asks for: the message, and the ids that its document has."""

    message: Message
    customer_id: int
    ids: dict[str, Any]


class Worker:
    """Takes one entry at a time and sees it through."""

    def __init__(
        self,
        settings: Settings,
        name: str,
        send: Send,
        provider_name: str,
        client: Elasticsearch,
        stop: threading.Event,
        count: Callable[[str], None],
    ) -> None:
        self.settings, self.send, self.provider_name = settings, send, provider_name
        self.client, self.stop, self.count = client, stop, count
        self.queue = Queue(settings, name)

    def run(self, once: bool) -> None:
        """Until ``stop`` is set or, ``once``, until the outbox has nothing left."""
        while not self.stop.is_set():
            entry = self.queue.next()
            if entry:
                self.handle(entry)
            elif once and self.queue.empty():
                break
        self.queue.leave()

    def handle(self, entry: Entry) -> None:
        """See ``entry`` through, unless the server is to stop or another worker has it."""
        try:
            order = read(entry)
        except (KeyError, ValueError) as error:
            why = f"no {error}" if isinstance(error, KeyError) else str(error)
            return self.give_up(entry, unreadable(entry), f"malformed: {why}", 0)
        pause = self.settings.sms_pause_seconds
        while not self.stop.is_set():
            if self.stop.wait(self.queue.slot()) or not self.queue.mine(entry):
                return
            if self.attempt(entry, order):
                return
            # Half fixed, half drawn: many workers do not come back at the same moment. Short
            # enough to be back before others take the entry for a dead worker's.
            longest = min(LONGEST_PAUSE, self.settings.sms_claim_seconds / 3)
            self.stop.wait(min(pause, longest) * random.uniform(0.5, 1))
            pause *= 2

    def attempt(self, entry: Entry, order: Order) -> bool:
        """Try once; whether the entry is done with."""
        key = order.message.key
        before = self.queue.sent_before(key)
        if before is not None:
            self.conclude(entry, order, SENT, **before)
            return True
        if self.queue.opted_out(order.customer_id):
            self.conclude(entry, order, SUPPRESSED, reason="opted out after the offer", attempts=0)
            return True
        tries = self.queue.count_try(entry)
        if tries > self.settings.sms_tries:
            # Not even an error: the process ended in the middle, each time.
            self.give_up(entry, order.ids, f"{tries - 1} tries ended without a word", tries - 1)
            return True
        try:
            receipt = self.send(order.message)
        except Refused as error:
            self.give_up(entry, order.ids, f"refused: {error}", tries)
            return True
        except Unreachable as error:
            # Nobody saw it, so it is no try: a gateway may be away for a night.
            self.queue.count_try(entry, -1)
            self.write(order.ids, FAILED, reason=str(error), attempts=tries - 1)
            return False
        except Failed as error:
            if tries >= self.settings.sms_tries:
                self.give_up(entry, order.ids, f"{tries} tries, the last: {error}", tries)
                return True
            self.write(order.ids, FAILED, reason=str(error), attempts=tries)
            return False
        sent = {"provider_id": receipt.id, "attempts": tries}
        self.queue.note_sent(key, sent)
        self.conclude(entry, order, SENT, **sent)
        return True

    def conclude(self, entry: Entry, order: Order, status: str, **more: Any) -> None:
        self.write(order.ids, status, **more)
        self.queue.finish(entry)
        self.count(status)

    def give_up(self, entry: Entry, ids: dict[str, Any], reason: str, attempts: int) -> None:
        self.write(ids, DEAD, reason=reason, attempts=attempts)
        self.queue.bury(entry, reason, attempts)
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
        index = self.settings.index(SMS_INDEX)
        pairs = [(ids["dedup_key"], document)]
        refused = patiently(
            lambda: list(connections.bulk_index(self.client, index, pairs)),
            UNREACHABLE,
            self.settings.patience_seconds,
            "Elasticsearch",
        )
        if refused:
            raise WorkshopError(f"Index {index} refused a message: {refused[0].reason}.")


def read(entry: Entry) -> Order:
    """The order that an entry is. ``KeyError`` or ``ValueError`` say what is wrong with it."""
    fields = entry.fields
    ids: dict[str, Any] = {name: fields[name] for name in CARRIED if name != "model_version"}
    ids |= {name: int(fields[name]) for name in ("customer_id", "event_id")}
    message = Message(fields["target_id"], fields["phone"], fields["text"])
    if not all(message):
        raise ValueError("an empty field")
    ids |= {"dedup_key": message.key, "text": message.text}
    return Order(message, ids["customer_id"], ids)


def unreadable(entry: Entry) -> dict[str, Any]:
    """What can be said of an entry that is no order: its document is found by the entry's id."""
    known: dict[str, Any] = {
        name: entry.fields[name] for name in ("target_id", "campaign") if name in entry.fields
    }
    return {"dedup_key": f"entry-{entry.id}", **known}


def serve(
    settings: Settings,
    workers: int = 1,
    provider_name: str = "",
    once: bool = False,
    stop: threading.Event | None = None,
    report: Report | None = None,
) -> dict[str, int]:
    """Send what is in the outbox until ``stop`` is set or, ``once``, until it is empty.

    ``workers`` threads, beside those of other processes on the same outbox. Returns how many
    messages this process brought to each status. Raises ``WorkshopError`` when a server is
    away for longer than ``patience_seconds``, or the provider may not be used.
    """
    name = provider_name or settings.sms_provider
    send = provider(settings, name)
    if settings.sms_claim_seconds < 2 * settings.sms_timeout_seconds:
        raise WorkshopError(
            "sms_claim_seconds is less than twice sms_timeout_seconds: workers would take"
            " messages that others are sending.",
            "Change WORKSHOP_SMS_CLAIM_SECONDS.",
        )
    client = _prepared(settings)
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
        Worker(settings, f"{prefix}-{n}", send, name, client, end, count) for n in range(workers)
    ]
    with ThreadPoolExecutor(workers) as pool:
        running = [pool.submit(worker.run, once) for worker in crew]
        try:
            while True:
                done, going = wait(running, timeout=0.1, return_when=FIRST_EXCEPTION)
                if report:
                    report(totals())
                if not going or any(each.exception() for each in done) or (stop and stop.is_set()):
                    break
        finally:
            end.set()
    client.close()
    for each in running:
        each.result()
    return totals()


def _prepared(settings: Settings) -> Elasticsearch:
    """The index is there and Redis answers, or ``WorkshopError`` says which is not."""
    client = connections.elasticsearch(settings)
    try:
        connections.create_index(settings, client, SMS_INDEX)
        connections.redis_client(settings).ping()
    except (TransportError, RedisError) as error:
        redis = isinstance(error, RedisError)
        server = "Redis" if redis else "Elasticsearch"
        address = settings.redis_address if redis else settings.elasticsearch_url
        raise WorkshopError(
            f"{server} does not answer at {address}.",
            "Run `workshop up`, or see `workshop status`.",
        ) from error
    return client
