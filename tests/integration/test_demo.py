"""The demo from nothing to scorecard, as a user runs it; and that its score is to be trusted.

One run, on a stack of its own. The later tests then spoil what it made, one thing at a time,
and the score must see each.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ports import PORTS

from workshop_lib import stack
from workshop_lib.page import server as web
from workshop_lib.runtime.connections import elasticsearch, redis_client
from workshop_lib.settings import Settings
from workshop_lib.verify.check import Check
from workshop_lib.verify.score import stages
from workshop_lib.verify.trace import trace
from workshop_lib.world.read import load_customers

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]


def workshop(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {
        k: v for k, v in os.environ.items() if not k.startswith("WORKSHOP_") or k in PORTS
    }
    environment |= {"WORKSHOP_HOME": str(home), "COLUMNS": "120"}
    if "WORKSHOP_CACHE" in os.environ:
        environment["WORKSHOP_CACHE"] = os.environ["WORKSHOP_CACHE"]
    return subprocess.run(
        [sys.executable, "-m", "workshop_lib.cli", *words],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Settings, str]]:
    """Settings of a finished demo whose servers are still up, and what it printed."""
    home = tmp_path_factory.mktemp("demo")
    try:
        done = workshop(home, "demo", "--keep")
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
        yield Settings(home=home), done.stdout
    finally:
        stack.remove(Settings(home=home))


def checks(settings: Settings) -> dict[str, Check]:
    return {f"{s.stage} {c.name}": c for s in stages(settings) for c in s.checks}


def wrong(settings: Settings) -> set[str]:
    return {name for name, check in checks(settings).items() if not check.ok}


def test_the_report_has_the_promised_form(demo: tuple[Settings, str]) -> None:
    settings, printed = demo
    report: dict[str, Any] = json.loads((settings.reports / "demo.json").read_text())
    assert report["ok"] is True and report["stack"] == "embedded"
    assert report["versions"]["kafka"] == "4.3.1"
    assert [stage["stage"] for stage in report["stages"]] == [1, 2, 3, 4]
    for stage in report["stages"]:
        assert len(stage["checks"]) >= 7
        for check in stage["checks"]:
            assert set(check) == {"name", "expected", "actual", "ok"} and check["ok"] is True
    assert 0.5 < report["peak_memory_gib"] < 4
    assert "What to try next" in printed


def test_what_was_planted_was_really_there(demo: tuple[Settings, str]) -> None:
    """A score of an empty world would be perfect, too."""
    settings, _ = demo
    found = checks(settings)
    assert found["1 lines rejected"].actual > 10
    assert found["1 duplicates became one document"].actual > 20
    assert found["2 late plays counted in their minutes"].actual > 50
    assert found["2 planted bursts judged right"].actual >= 12
    assert found["2 interests"].actual["found"] > 50
    assert found["2 plays of unknown customers"].actual > 5
    assert found["3 messages sent, one per target"].actual["found"] > 50


def test_verify_prints_the_same_and_exits_with_0(demo: tuple[Settings, str]) -> None:
    done = workshop(demo[0].home, "verify", "--json")
    assert done.returncode == 0
    assert [stage["stage"] for stage in json.loads(done.stdout)] == [1, 2, 3, 4]


def test_one_listener_can_be_followed_all_the_way(demo: tuple[Settings, str]) -> None:
    settings, _ = demo
    bursts = json.loads((settings.world / "ledger.json").read_text())["bursts"]
    found = trace(settings, 0)
    assert found["listener"]["known"] and "name" not in found["listener"]
    hit = {e for b in bursts if b["customer_id"] == 0 for e in b["hits"]}
    traced = {play.event_id: play for play in found["plays"]}
    assert hit and hit & set(traced)
    for event in hit & set(traced):
        play = traced[event]
        assert play.raw and play.kafka and play.interest and play.log_line
        assert all(delay is not None and delay >= 0 for delay in play.delays.values())
    assert found["interests"]

    done = workshop(settings.home, "trace", "0")
    assert done.returncode == 0 and "Interest list in Redis" in done.stdout
    done = workshop(settings.home, "trace", "999999")
    assert done.returncode == 1 and "No play of customer 999999" in done.stderr


def test_a_lost_play_is_seen(demo: tuple[Settings, str]) -> None:
    settings, _ = demo
    client = elasticsearch(settings)
    hit = client.search(index=settings.index("plays"), size=1)["hits"]["hits"][0]
    client.delete(index=settings.index("plays"), id=hit["_id"], refresh=True)
    try:
        assert {"2 plays", "2 plays per hour of day", "2 plays per device"} <= wrong(settings)
    finally:
        client.index(
            index=settings.index("plays"), id=hit["_id"], document=hit["_source"], refresh=True
        )
    assert wrong(settings) == set()


def test_a_play_written_twice_under_an_automatic_id_is_seen(demo: tuple[Settings, str]) -> None:
    settings, _ = demo
    client = elasticsearch(settings)
    hit = client.search(index=settings.index("plays-raw"), size=1)["hits"]["hits"][0]
    made = client.index(index=settings.index("plays-raw"), document=hit["_source"], refresh=True)[
        "_id"
    ]
    try:
        assert {"1 plays", "1 duplicates became one document"} <= wrong(settings)
    finally:
        client.delete(index=settings.index("plays-raw"), id=made, refresh=True)
    assert wrong(settings) == set()


def test_an_invented_interest_is_seen(demo: tuple[Settings, str]) -> None:
    settings, _ = demo
    redis = redis_client(settings)
    key = settings.key("interests:0")
    redis.zadd(key, {"999": 1})
    try:
        assert wrong(settings) == {"2 Redis agrees with Elasticsearch"}
    finally:
        redis.zrem(key, "999")


def test_a_minute_counted_wrong_is_seen(demo: tuple[Settings, str]) -> None:
    settings, _ = demo
    client = elasticsearch(settings)
    index = settings.index("plays-per-minute")
    hit = client.search(index=index, size=1, query={"term": {"dimension": "all"}})
    (row,) = hit["hits"]["hits"]
    spoiled = {**row["_source"], "plays": row["_source"]["plays"] + 1}
    client.index(index=index, id=row["_id"], document=spoiled, refresh=True)
    try:
        assert "2 counted and dropped as too late" in wrong(settings)
    finally:
        client.index(index=index, id=row["_id"], document=row["_source"], refresh=True)
    assert wrong(settings) == set()


def test_an_offer_to_a_gold_member_that_was_never_sent_is_seen(
    demo: tuple[Settings, str],
) -> None:
    settings, _ = demo
    client = elasticsearch(settings)
    index = settings.index("targets")
    target = client.search(index=index, size=1)["hits"]["hits"][0]["_source"]
    customers = load_customers(settings.world)
    gold = int(customers.loc[customers["level"] == 2, "customer_id"].iloc[0])
    spoiled = {**target, "customer_id": gold, "target_id": "invented"}
    client.index(index=index, id="invented", document=spoiled, refresh=True)
    try:
        assert {
            "3 Gold members targeted",
            "3 targets triggered by a play of their own",
            "3 messages sent, one per target",
        } <= wrong(settings)
    finally:
        client.delete(index=index, id="invented", refresh=True)
    assert wrong(settings) == set()


def test_a_number_that_is_wrong_on_the_page_is_seen(demo: tuple[Settings, str]) -> None:
    settings, _ = demo
    text = settings.page_report.read_text()
    shown = json.loads(text)
    figures = shown["snapshot"]["elasticsearch"]["data"]
    assert checks(settings)["4 plays on the page"].actual > 10_000
    figures["plays"] += 1
    figures["tracks"][0]["plays"] -= 1
    settings.page_report.write_text(json.dumps(shown))
    try:
        assert wrong(settings) == {"4 plays on the page", "4 top tracks"}
    finally:
        settings.page_report.write_text(text)
    assert wrong(settings) == set()


def test_the_page_is_up_and_its_picture_is_kept(demo: tuple[Settings, str]) -> None:
    settings, printed = demo
    address = web.address(settings)
    assert address and f"The live page: {address}" in printed
    assert web.snapshot(address)["elasticsearch"]["data"]["plays"] > 10_000
    assert (settings.reports / "page.png").read_bytes().startswith(b"\x89PNG")
    assert address in workshop(settings.home, "status").stdout


def test_an_offer_is_traced_to_its_message(demo: tuple[Settings, str]) -> None:
    settings, _ = demo
    client = elasticsearch(settings)
    target = client.search(index=settings.index("targets"), size=1)["hits"]["hits"][0]["_source"]
    (offer,) = trace(settings, target["customer_id"])["offers"]
    assert (offer["target_id"], offer["status"]) == (target["target_id"], "sent")
    assert offer["decided_to_sent"] >= 0


def test_reset_clears_everything_together(demo: tuple[Settings, str]) -> None:
    settings, _ = demo
    done = workshop(settings.home, "reset", "--yes")
    assert done.returncode == 0, done.stderr

    assert not elasticsearch(settings).indices.exists(index=settings.index("plays"))
    assert not list(redis_client(settings).scan_iter(match=settings.key("*")))
    assert not settings.live_log.exists() and not settings.checkpoints.exists()
    assert (settings.world / "tracks.csv").exists()
    done = workshop(settings.home, "verify")
    assert done.returncode == 1 and "Nothing was replayed yet" in done.stderr
