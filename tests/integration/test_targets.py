"""Targeting in the stream, on the real servers: to whom, when, and once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pandas as pd
import pytest
from pyspark.sql import SparkSession
from stream_world import MINUTE, documents, play, send
from target_world import KNOWN, accept, outbox, recommit, takers, write_world

from workshop_lib.marketing import optouts, registry, targets
from workshop_lib.marketing.outbox import DECIDE
from workshop_lib.runtime import connections
from workshop_lib.runtime.connections import redis_client
from workshop_lib.runtime.wait import wait_until
from workshop_lib.settings import Settings
from workshop_lib.stream.progress import caught_up, checkpoint, progress
from workshop_lib.stream.run import run

pytestmark = pytest.mark.stack

DAY = 24 * 60 * MINUTE
EVERYBODY = [play(100 + n, n * MINUTE, customer=n) for n in range(KNOWN + 5)]


def flow(settings: Settings, **other: Any) -> dict[str, Any]:
    """Run the query over all that is in the topic; its progress."""
    more = {"targets": targets.targets_query}
    result = run(settings, ["targets"], available_now=True, more=more, **other)["targets"]
    assert result
    return result


@pytest.fixture
def ready(stack: Settings) -> Settings:
    write_world(stack)
    connections.create_topics(stack)
    return stack


def customers(settings: Settings) -> set[int]:
    return {row["customer_id"] for row in documents(settings, "targets").values()}


def test_those_are_asked_whom_the_model_chooses_and_who_may_be_asked(
    spark: SparkSession, ready: Settings
) -> None:
    model = accept(spark, ready)
    silent = min(takers())
    (ready.world / "optouts.csv").write_text(f"CustID\n{silent}\n")
    later = [play(500 + n, DAY, customer=n) for n in sorted(takers())]
    send(ready, [*EVERYBODY, *EVERYBODY[:20], *later])
    known = flow(ready)
    asked = takers() - {silent}
    assert known["model"] == model.version
    assert known["no_offers"] is None
    assert known["written"] == len(asked) + len(asked & set(range(20)))  # of which twice
    found = documents(ready, "targets")
    # One each, for the first play: the later one lies in the cool-down.
    assert set(found) == {f"GOLD1DAY-{n}-{100 + n}" for n in asked}
    for id_, row in found.items():
        n = row["customer_id"]
        assert row["target_id"] == id_
        assert (row["event_id"], row["campaign"]) == (100 + n, "GOLD1DAY")
        assert row["model_version"] == model.version
        assert row["score"] >= row["threshold"] == model.threshold
        assert pd.Timestamp(row["played_at"]).value == EVERYBODY[n].played_at * 1_000_000
        assert (row["level"], row["state"]) == ("Free", "MA")
    assert {entry["target_id"] for entry in outbox(ready)} == set(found)
    assert len(outbox(ready)) == len(found)
    last = redis_client(ready).hgetall(ready.key(f"targets:{max(asked)}"))
    assert last["event_id"] == str(100 + max(asked))


def test_after_the_cool_down_comes_the_next_offer(spark: SparkSession, ready: Settings) -> None:
    accept(spark, ready)
    short = ready.model_copy(update={"offer_cooldown_days": 1.0})
    send(ready, [play(1, 0, customer=1), play(2, DAY - 1, customer=1), play(3, DAY, customer=1)])
    flow(short)
    assert {row["event_id"] for row in documents(ready, "targets").values()} == {1, 3}
    assert len(outbox(ready)) == 2


def test_the_daily_cap_holds_over_all_customers(spark: SparkSession, ready: Settings) -> None:
    accept(spark, ready)
    send(ready, EVERYBODY)
    flow(ready.model_copy(update={"offer_daily_cap": 3}))
    assert len(documents(ready, "targets")) == len(outbox(ready)) == 3


def test_no_accepted_model_no_offers(spark: SparkSession, ready: Settings) -> None:
    send(ready, EVERYBODY)
    known = flow(ready)
    assert known["input_rows"] == len(EVERYBODY)
    assert known["model"] is None
    assert "no accepted model" in known["no_offers"]
    assert (documents(ready, "targets"), outbox(ready)) == ({}, [])


def test_a_damaged_model_offers_nothing_and_says_so(spark: SparkSession, ready: Settings) -> None:
    model = accept(spark, ready)
    with model.snapshot.open("ab") as file:
        file.write(b"more")
    send(ready, EVERYBODY)
    known = flow(ready)
    assert known["model"] is None
    assert "damaged" in known["no_offers"]
    assert outbox(ready) == []


def test_a_new_model_is_taken_without_a_restart(spark: SparkSession, ready: Settings) -> None:
    """None at first, then one, then another, then back: all in one run."""
    settings = ready.model_copy(update={"trigger_seconds": 0.2})
    stop = threading.Event()

    def next_batch(*customers: int) -> set[int]:
        first = next_batch.event = getattr(next_batch, "event", 1000) + 10  # type: ignore[attr-defined]
        send(settings, [play(first + i, 0, customer=n) for i, n in enumerate(customers)])
        wait_until(
            lambda: running.done() or caught_up(settings, ["targets"]), 180, "the batch to be done"
        )
        return {
            row["customer_id"]
            for row in documents(settings, "targets").values()
            if row["event_id"] >= first
        }

    more = {"targets": targets.targets_query}
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run, settings, ["targets"], stop=stop, more=more)
        try:
            wait_until(
                lambda: (
                    running.done()
                    or connections.elasticsearch(settings).indices.exists(
                        index=settings.index("targets")
                    )
                ),
                180,
                "the index",
            )
            assert next_batch(1, 2) == set()
            odd = accept(spark, settings)
            assert next_batch(1, 2) == {1}
            even = accept(spark, settings, odd=False)
            assert next_batch(3, 4) == {4}
            registry.rollback(settings, odd.version)
            assert next_batch(5, 6) == {5}
        finally:
            stop.set()
        running.result()
    versions = {
        r["customer_id"]: r["model_version"] for r in documents(settings, "targets").values()
    }
    assert versions == {1: odd.version, 4: even.version, 5: odd.version}


def test_a_batch_done_again_adds_nothing(spark: SparkSession, ready: Settings) -> None:
    """Not even when, since, somebody opted out and another model came into use."""
    accept(spark, ready)
    send(ready, EVERYBODY)
    before = flow(ready)
    found, sent = documents(ready, "targets"), outbox(ready)
    connections.elasticsearch(ready).indices.delete(index=ready.index("targets"))
    recommit(checkpoint(ready, "targets"))
    optouts.add(ready, *takers())
    accept(spark, ready, odd=False)
    again = flow(ready)
    assert again["at"] > before["at"], "the batch ran again"
    assert documents(ready, "targets") == found
    assert outbox(ready) == sent
    assert (again["written"], again["model"]) == (before["written"], before["model"])


def test_without_the_guard_a_batch_done_again_sends_twice(
    spark: SparkSession, ready: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control of the test above."""
    unguarded = DECIDE[DECIDE.index("redis.call('XADD'") :]
    monkeypatch.setattr(targets, "write_decided", partial(targets.write_decided, script=unguarded))
    accept(spark, ready)
    send(ready, EVERYBODY)
    flow(ready)
    recommit(checkpoint(ready, "targets"))
    flow(ready)
    assert len(outbox(ready)) == 2 * len(takers())


def test_the_query_stands_beside_the_three_others(spark: SparkSession, ready: Settings) -> None:
    accept(spark, ready)
    send(ready, EVERYBODY)
    names = ["plays", "aggregates", "interests", "targets"]
    run(ready, names, available_now=True, more={"targets": targets.targets_query})
    assert customers(ready) == takers()
    assert len(documents(ready, "plays")) == len(EVERYBODY)
    assert caught_up(ready, names)
    assert (progress(ready, "plays") or {}).get("model", "no such key") == "no such key"
