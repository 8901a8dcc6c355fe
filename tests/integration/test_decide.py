"""The decision on an offer, against a real server: each rule of ``decide.lua``."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from workshop_lib.marketing import optouts
from workshop_lib.marketing.message import phone
from workshop_lib.marketing.outbox import DECIDE, OfferDecision, decide, target_id
from workshop_lib.runtime.connections import redis_client
from workshop_lib.schema.names import SMS_OUTBOX
from workshop_lib.settings import Settings

pytestmark = pytest.mark.stack

DAY = 86_400_000
NOON = 1_769_860_800_000  # 2026-01-31 12:00 UTC


def target(customer: int, event: int, **other: Any) -> dict[str, Any]:
    return {
        "target_id": target_id(customer, event),
        "campaign": "GOLD1DAY",
        "customer_id": customer,
        "event_id": event,
        "model_version": "v1",
        "score": 0.9,
        "decided_at": "2026-01-31T12:00:00.000Z",
    } | other


def ask(
    settings: Settings, customer: int, event: int, at: int = NOON, script: str = DECIDE
) -> OfferDecision:
    return decide(redis_client(settings), settings, target(customer, event), at, script)


def entries(settings: Settings) -> list[dict[str, str]]:
    return [fields for _, fields in redis_client(settings).xrange(settings.key(SMS_OUTBOX))]


def test_a_target_is_stored_and_put_in_the_outbox(stack: Settings) -> None:
    assert ask(stack, 0, 7) == OfferDecision("decided", target(0, 7))  # customer 0 exists
    (entry,) = entries(stack)
    assert (entry["target_id"], entry["customer_id"], entry["event_id"]) == (
        "GOLD1DAY-0-7",
        "0",
        "7",
    )
    assert (entry["phone"], entry["model_version"]) == (phone(0), "v1")
    assert redis_client(stack).hgetall(stack.key("targets:0")) == entry


def test_the_same_event_again_gives_the_first_target_and_no_second_entry(stack: Settings) -> None:
    ask(stack, 1, 7)
    later = target(1, 7, model_version="v2", score=0.8)
    again = decide(redis_client(stack), stack, later, NOON)
    assert again == OfferDecision("again", target(1, 7))
    assert len(entries(stack)) == 1


def test_without_the_guard_a_replay_would_send_again(stack: Settings) -> None:
    """Negative control: the test above fails for a script that only pushes."""
    guards, push = DECIDE.split("redis.call('XADD'")
    unguarded = "redis.call('XADD'" + push
    assert "cool-down" in guards
    for _ in range(2):
        assert ask(stack, 1, 7, script=unguarded).status == "decided"
    assert len(entries(stack)) == 2


def test_an_older_target_is_still_known_after_the_next(stack: Settings) -> None:
    ask(stack, 1, 7)
    assert ask(stack, 1, 8, NOON + 7 * DAY).status == "decided"
    assert ask(stack, 1, 7).status == ask(stack, 1, 8, NOON + 7 * DAY).status == "again"
    assert len(entries(stack)) == 2


@pytest.mark.parametrize(
    ("later", "word"),
    [
        (1, "cool-down"),
        (7 * DAY - 1, "cool-down"),
        (7 * DAY, "decided"),
        (-1, "cool-down"),
        (-30 * DAY, "cool-down"),  # late by any length: never a second target
    ],
)
def test_the_cool_down_is_event_time(stack: Settings, later: int, word: str) -> None:
    ask(stack, 1, 7)
    assert ask(stack, 1, 8, NOON + later).status == word
    assert ask(stack, 2, 9, NOON + later).status == "decided"  # each customer has their own


def test_the_cap_is_of_the_events_day(stack: Settings) -> None:
    capped = stack.model_copy(update={"offer_daily_cap": 2})
    words = [ask(capped, customer, customer, NOON).status for customer in range(3)]
    assert words == ["decided", "decided", "cap"]
    assert ask(capped, 2, 2, NOON + DAY // 2 - 1).status == "cap"
    assert ask(capped, 2, 2, NOON + DAY // 2).status == "decided"  # the next day
    assert ask(capped, 0, 0, NOON).status == "again"  # known before the cap is asked


def test_no_cap_no_offers(stack: Settings) -> None:
    assert ask(stack.model_copy(update={"offer_daily_cap": 0}), 1, 1).status == "cap"


def test_opted_out_means_nothing_happens(stack: Settings) -> None:
    assert optouts.add(stack, 1, 0) == 2
    assert ask(stack, 1, 7) == OfferDecision("opted out", None)
    assert entries(stack) == []
    assert not redis_client(stack).exists(stack.key("cooldown:GOLD1DAY:1"))
    assert optouts.listed(stack) == [0, 1]
    assert optouts.remove(stack, 1, 5) == 1
    assert ask(stack, 1, 7).status == "decided"


def test_of_many_at_once_one_wins(stack: Settings) -> None:
    with ThreadPoolExecutor(8) as pool:
        words = [each.status for each in pool.map(lambda n: ask(stack, 1, n), range(100))]
    assert sorted(words) == ["cool-down"] * 99 + ["decided"]
    assert len(entries(stack)) == 1


def test_the_file_of_opt_outs_is_taken_once(stack: Settings) -> None:
    stack.world.mkdir()
    assert optouts.load(stack) == 0
    (stack.world / "optouts.csv").write_text("CustID\n0\n4\n")
    assert optouts.load(stack) == 2
    optouts.remove(stack, 4)
    assert optouts.load(stack) == 0
    assert optouts.listed(stack) == [0]
    (stack.world / "optouts.csv").write_text("CustID\n0\n5\n")
    assert optouts.load(stack) == 1


def test_a_target_survives_as_it_was(stack: Settings) -> None:
    odd = target(3, 2**62, score=0.1 + 0.2, state='"};é', location={"lat": 1.5, "lon": -2.5})
    client = redis_client(stack)
    assert decide(client, stack, odd, NOON).target == json.loads(json.dumps(odd))
    assert decide(client, stack, odd, NOON).target == odd
