"""The SMS server on the real servers, with the simulated phone as its gateway."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest
from sms_orders import dead_letters, empty, order, pending, quick
from stream_world import documents, environment

from workshop_lib.errors import WorkshopError
from workshop_lib.marketing import optouts, sms_server
from workshop_lib.marketing.delivery import OutboxConsumer
from workshop_lib.marketing.sms_gateway import Phone, serving
from workshop_lib.marketing.sms_server import serve
from workshop_lib.runtime import connections
from workshop_lib.runtime.connections import redis_client
from workshop_lib.runtime.wait import wait_until
from workshop_lib.schema.names import SMS_OUTBOX
from workshop_lib.settings import Settings

pytestmark = pytest.mark.stack

SMS = (
    "sms_url",
    "sms_timeout_seconds",
    "sms_claim_seconds",
    "sms_pause_seconds",
    "sms_per_second",
)


@contextmanager
def server(settings: Settings, *arguments: str) -> Iterator[subprocess.Popen]:
    """A `workshop sms-server` process; killed at the end if it still runs."""
    with (settings.home / "sms-server.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "workshop_lib.cli", "sms-server", *arguments],
            env=os.environ
            | environment(settings)
            | {f"WORKSHOP_{name.upper()}": str(getattr(settings, name)) for name in SMS},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


@contextmanager
def serving_until_stopped(settings: Settings, workers: int = 1) -> Iterator[None]:
    """The server in a thread, stopped at the end; its error is the test's."""
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(serve, settings, workers, stop=stop)
        try:
            yield
        finally:
            stop.set()
        running.result()


def test_every_order_arrives_and_is_documented(stack: Settings) -> None:
    ids = order(stack, *range(5))
    phone = Phone()
    with serving(phone) as url:
        assert serve(quick(stack, url), once=True) == {"sent": 5, "suppressed": 0, "dead": 0}
    assert [m["key"] for m in phone.summary()["messages"]] == ids
    found = documents(stack, "sms")
    assert set(found) == set(ids)
    for customer, id_ in enumerate(ids):
        document = found[id_]
        assert document["dedup_key"] == document["target_id"] == id_
        assert (document["customer_id"], document["event_id"]) == (customer, 1000 + customer)
        assert (document["status"], document["attempts"]) == ("sent", 1)
        assert document["provider_id"] == phone.messages[id_]["id"]
        assert "phone" not in document
    assert empty(stack)
    assert redis_client(stack).xinfo_consumers(stack.key(SMS_OUTBOX), "sms") == []


def test_workers_of_two_servers_send_nothing_twice(stack: Settings) -> None:
    ids = order(stack, *range(60))
    phone = Phone()
    with serving(phone) as url, ThreadPoolExecutor(2) as pool:
        settings = quick(stack, url)
        counts = list(pool.map(lambda n: serve(settings, 2, once=True), range(2)))
    assert sum(each["sent"] for each in counts) == 60
    known = phone.summary()
    assert (known["arrived"], known["duplicates"]) == (60, 0)
    assert set(documents(stack, "sms")) == set(ids)


def test_an_opt_out_after_the_offer_is_kept_to(stack: Settings) -> None:
    silent, told = order(stack, 1, 2)
    optouts.add(stack, 1)
    phone = Phone()
    with serving(phone) as url:
        assert serve(quick(stack, url), once=True) == {"sent": 1, "suppressed": 1, "dead": 0}
    assert list(phone.messages) == [told]
    document = documents(stack, "sms")[silent]
    assert (document["status"], document["attempts"]) == ("suppressed", 0)
    assert empty(stack)


def test_a_gateway_that_fails_a_while_gets_it_all(stack: Settings) -> None:
    (id_,) = order(stack, 1)
    phone = Phone(fail_first=3)
    with serving(phone) as url:
        assert serve(quick(stack, url), once=True)["sent"] == 1
    assert documents(stack, "sms")[id_]["attempts"] == 4
    assert phone.summary()["failed"] == 3
    assert not redis_client(stack).exists(stack.key("sms:tries"))


def test_after_so_many_tries_it_is_a_dead_letter_and_the_next_one_goes(stack: Settings) -> None:
    bad, good = order(stack, 1, 2)
    phone = Phone(fail_first=3)
    with serving(phone) as url:
        counts = serve(quick(stack, url, sms_tries=3), once=True)
    assert counts == {"sent": 1, "suppressed": 0, "dead": 1}
    (letter,) = dead_letters(stack)
    assert (letter["target_id"], letter["attempts"]) == (bad, "3")
    assert "503" in letter["reason"]
    found = documents(stack, "sms")
    assert (found[bad]["status"], found[bad]["attempts"]) == ("dead", 3)
    assert "503" in found[bad]["reason"]
    assert found[good]["status"] == "sent"
    assert empty(stack)


def test_what_is_no_order_is_a_dead_letter_with_all_it_had(stack: Settings) -> None:
    client = redis_client(stack)
    poison: list[dict] = [
        {"nonsense": "1"},
        {"target_id": "x", "campaign": "GOLD1DAY", "customer_id": "no number", "event_id": "1"},
    ]
    for each in poison:
        client.xadd(stack.key(SMS_OUTBOX), each)
    (good,) = order(stack, 1)
    wild = order(stack, 2)[0]  # well formed, but to a number that is not reserved
    ((id_, fields),) = client.xrevrange(stack.key(SMS_OUTBOX), count=1)
    client.xdel(stack.key(SMS_OUTBOX), id_)
    client.xadd(stack.key(SMS_OUTBOX), {**fields, "phone": "+12125551234"})
    phone = Phone()
    with serving(phone) as url:
        counts = serve(quick(stack, url), once=True)
    assert counts == {"sent": 1, "suppressed": 0, "dead": 3}
    assert list(phone.messages) == [good]
    letters = dead_letters(stack)
    for each, letter in zip(poison, letters, strict=False):
        assert each.items() <= letter.items()
        assert letter["reason"].startswith("malformed: ")
    assert letters[2]["reason"].startswith("refused: the number")
    found = documents(stack, "sms")
    assert Counter(d["status"] for d in found.values()) == {"sent": 1, "dead": 3}
    assert found[wild]["reason"].startswith("refused: ")
    assert empty(stack)


GOOD = {
    "target_id": "GOLD1DAY-1-1001",
    "campaign": "GOLD1DAY",
    "customer_id": "1",
    "event_id": "1001",
    "model_version": "v1",
    "decided_at": "2026-01-31T12:00:00.000Z",
    "phone": "+12025550101",
    "text": "hello",
}
POISON: dict[str, dict[str, Any]] = {
    "customer_id exceeds an int": {"customer_id": str(2**31)},
    "customer_id in full-width digits": {"customer_id": "１２"},
    "customer_id of a thousand digits": {"customer_id": "1" * 5000},
    "event_id exceeds a long": {"event_id": str(2**63)},
    "decided_at is no date": {"decided_at": "yesterday"},
    "decided_at on 30 February": {"decided_at": "2026-02-30T12:00:00.000Z"},
    "decided_at in the year 0": {"decided_at": "0000-01-01T12:00:00.000Z"},
    "target_id too long for Elasticsearch": {"target_id": "x" * 513},
    "target_id no header takes": {"target_id": "a\nb"},
    "target_id is no ASCII": {"target_id": "Ünö"},
    "no UTF-8": {"target_id": b"\xff\xfe"},
    "phone in full-width digits": {"phone": "+１2025550101"},
    "no text": {"text": ""},
    "a field is missing": {"phone": None},
    "ten thousand fields": {**{f"f{n}": "x" for n in range(10_000)}, "customer_id": ""},
    "nothing of it is known": {**dict.fromkeys(GOOD), b"\xff": b"\xff"},
}


def test_a_poisoned_entry_is_a_dead_letter_before_anything_is_sent(stack: Settings) -> None:
    client = redis_client(stack)
    for change in POISON.values():
        fields: dict = {name: value for name, value in (GOOD | change).items() if value is not None}
        client.xadd(stack.key(SMS_OUTBOX), fields)
    (good,) = order(stack, 7)
    phone = Phone()
    with serving(phone) as url:
        counts = serve(quick(stack, url), once=True)
    assert counts == {"sent": 1, "suppressed": 0, "dead": len(POISON)}
    assert (list(phone.messages), phone.refused) == ([good], 0)
    letters = dead_letters(stack)
    assert len(letters) == len(POISON)
    for name, letter in zip(POISON, letters, strict=True):
        expected = "refused: " if name == "phone in full-width digits" else "malformed: "
        assert letter["reason"].startswith(expected), name
    assert empty(stack)


def test_a_dead_letter_that_is_asked_for_twice_is_one(stack: Settings) -> None:
    """As when Redis has carried the call out and its answer was lost."""
    order(stack, 1)
    consumer = OutboxConsumer(stack, "one")
    entry = consumer.next()
    assert entry
    for _ in range(2):
        consumer.send_to_dead_letter(entry, "why", 1)
        consumer.set_tries(entry, 3)  # an absolute value, too
        assert consumer.count_try(entry) == 4
    assert [letter["reason"] for letter in dead_letters(stack)] == ["why"]
    assert empty(stack)


def test_a_gateway_that_is_away_is_waited_for(stack: Settings) -> None:
    """However long: nobody saw the message, so that is no try."""
    (id_,) = order(stack, 1)
    with serving(Phone()) as url:
        port = int(url.rsplit(":", 1)[1])  # free again in a moment
    settings = quick(stack, url, sms_tries=1)
    with serving_until_stopped(settings):
        wait_until(lambda: _failed(stack, id_), 60, "a failed try")
        assert pending(stack) == 1
        phone = Phone()
        with serving(phone, port):
            wait_until(lambda: empty(stack), 60, "the message to be sent")
    assert list(phone.messages) == [id_]
    document = documents(stack, "sms")[id_]
    assert (document["status"], document["attempts"]) == ("sent", 1)
    assert dead_letters(stack) == []


def _failed(settings: Settings, id_: str) -> bool:
    if not connections.elasticsearch(settings).indices.exists(index=settings.index("sms")):
        return False
    document = documents(settings, "sms").get(id_, {})
    return document.get("status") == "failed" and "nobody answers" in document["reason"]


def test_a_dead_workers_message_is_taken_over(stack: Settings) -> None:
    (id_,) = order(stack, 1)
    taken = OutboxConsumer(stack, "dead-one").next()
    assert taken
    phone = Phone()
    with serving(phone) as url:
        assert serve(quick(stack, url), once=True)["sent"] == 1
    assert list(phone.messages) == [id_]


def test_what_was_sent_but_not_acknowledged_is_not_sent_again(stack: Settings) -> None:
    (id_,) = order(stack, 1)
    dead = OutboxConsumer(stack, "dead-one")
    assert dead.next()
    dead.record_sent(id_, {"provider_id": "SM1", "attempts": 1})
    phone = Phone()
    with serving(phone) as url:
        assert serve(quick(stack, url), once=True)["sent"] == 1
    assert phone.messages == {}
    assert documents(stack, "sms")[id_]["provider_id"] == "SM1"


def test_an_entry_that_ends_every_worker_is_a_dead_letter(stack: Settings) -> None:
    order(stack, 1)
    dead = OutboxConsumer(stack, "dead-one")
    entry = dead.next()
    assert entry
    for _ in range(3):
        dead.count_try(entry)  # then the process is gone
    with serving(Phone()) as url:
        assert serve(quick(stack, url, sms_tries=3), once=True)["dead"] == 1
    assert dead_letters(stack)[0]["reason"] == "the process ended in 3 tries"


def test_an_entry_taken_over_is_let_go(stack: Settings) -> None:
    order(stack, 1)
    settings = quick(stack, "http://127.0.0.1:9")
    slow, quick_one = OutboxConsumer(settings, "slow"), OutboxConsumer(settings, "quick")
    entry = slow.next()
    assert entry
    assert slow.renew_claim(entry)
    wait_until(lambda: quick_one.next() == entry, 60, "the other to take it")
    assert not slow.renew_claim(entry)
    assert quick_one.renew_claim(entry)


def test_rate_limit_is_shared_by_all_workers(stack: Settings) -> None:
    """Twenty messages at ten a second, asked for by two at once, lie a tenth of a second apart."""
    settings = stack.model_copy(update={"sms_per_second": 10.0})
    queues = [OutboxConsumer(settings, name) for name in ("one", "two")]
    started = time.monotonic()
    moments = [time.monotonic() + queues[n % 2].rate_limit_wait() for n in range(20)]
    # The first is at once, or (on a slow machine) some moments are in the past: never closer.
    assert moments[-1] - started >= 1.9 - 0.1
    assert all(b - a >= 0.05 for a, b in pairwise(moments))


def test_a_reset_under_a_running_server_is_borne(stack: Settings) -> None:
    phone = Phone()
    with serving(phone) as url, serving_until_stopped(quick(stack, url)):
        wait_until(lambda: redis_client(stack).exists(stack.key(SMS_OUTBOX)), 60, "the group")
        redis_client(stack).delete(stack.key(SMS_OUTBOX))
        ids = order(stack, 1)
        wait_until(lambda: list(phone.messages) == ids, 60, "the message after the reset")


def test_killed_ten_times_nothing_is_missed_and_keys_catch_what_comes_twice(
    stack: Settings,
) -> None:
    """The process is killed while the phone, slow to answer, has taken a message already."""
    draw = random.Random(4)
    phone = Phone(delay=0.1)
    expected: list[str] = []
    with serving(phone) as url:
        # Time enough for an answer on a busy machine: only kills make it ask again.
        settings = quick(stack, url, sms_timeout_seconds=2.0, sms_claim_seconds=4.0)
        for round_ in range(10):
            first = 100 * round_
            expected += order(stack, *range(first, first + 6))
            due = len(phone.messages) + draw.randint(1, 4)
            with server(settings) as process:
                wait_until(
                    lambda due=due: len(phone.messages) >= due,
                    60,
                    "messages in flight",
                    every=0.01,
                )
                process.send_signal(signal.SIGKILL)
                assert process.wait(10) == -signal.SIGKILL
        left = len(expected) - len(phone.messages)
        assert left + pending(stack) > 0, "no kill came in mid-flight"
        phone.delay = 0
        counts = serve(settings, once=True)
    known = phone.summary()
    assert {m["key"] for m in known["messages"]} == set(expected)
    assert known["arrived"] == len(expected)
    # The kills came between the phone's taking and the server's noting: each asked again.
    assert 1 <= known["duplicates"] <= 10
    requests = sum(m["requests"] for m in known["messages"])
    assert requests == known["arrived"] + known["duplicates"]
    assert counts["dead"] == 0
    found = documents(stack, "sms")
    assert set(found) == set(expected)
    assert {document["status"] for document in found.values()} == {"sent"}
    assert empty(stack)
    assert dead_letters(stack) == []


def test_sigterm_lets_the_message_in_hand_end(stack: Settings) -> None:
    order(stack, *range(50))
    phone = Phone(delay=0.2)
    with serving(phone) as url, server(quick(stack, url)) as process:
        wait_until(lambda: phone.messages, 60, "the first message")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    sent = set(phone.messages)
    assert 0 < len(sent) < 50
    assert set(documents(stack, "sms")) == sent
    assert pending(stack) == 0  # nothing is left half done for others to claim


def test_a_provider_that_may_not_be_used_is_said_at_once(stack: Settings) -> None:
    with pytest.raises(WorkshopError, match="beyond this machine"):
        serve(quick(stack, "https://sms.example.com"))
    with pytest.raises(WorkshopError, match="claim_seconds"):
        serve(quick(stack, "http://127.0.0.1:9", sms_claim_seconds=0.2))


def test_an_index_that_refuses_stops_the_server_and_loses_nothing(
    stack: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    order(stack, 1)
    phone = Phone()
    with serving(phone) as url:
        with monkeypatch.context() as patch:
            patch.setattr(sms_server, "SENT", {"no": "keyword"})
            with pytest.raises(WorkshopError, match="refused a message"):
                serve(quick(stack, url), once=True)
        assert pending(stack) == 1
        assert serve(quick(stack, url), once=True)["sent"] == 1
    assert (len(phone.messages), phone.duplicates) == (1, 0)  # its sending had been noted
