"""The page always says what it shows: empty, no match, a store away, the server away, paused.

Each fault is mended in the test, and the page must come back by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
import web_world
from cable import Cable
from page_reading import Visit
from playwright.sync_api import expect

from workshop_lib.page import server as web
from workshop_lib.runtime.connections import redis_client
from workshop_lib.settings import Settings

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

LONG = 60_000  # ms; for what takes its time on a busy machine
Serve = Callable[[Settings], str]


def test_no_plays_yet_and_then_the_first_one(bare: Settings, served: Serve, visit: Visit) -> None:
    page = visit(served(bare))
    banner = page.locator(".banner[data-kind=empty]")
    expect(banner).to_contain_text("No plays yet: start workshop replay")
    expect(page.locator("#plays")).to_have_text("0")
    expect(page.locator("#streams")).to_contain_text("No stream yet: start workshop stream")
    expect(page.locator("#model")).to_contain_text("No model yet: start workshop train")
    expect(page.locator(".banner")).to_have_count(1)

    web_world.write(bare, "plays", {"1": made_up_play()})
    expect(banner).to_have_count(0, timeout=LONG)
    expect(page.locator("#plays")).to_have_text("1")
    expect(page.locator("#summary")).to_contain_text("1 play by 1 listener.")

    page.select_option("select[name=gender]", "female")  # the one play is a man's
    expect(banner).to_contain_text("No plays match this view in the last 24 hours", timeout=LONG)


def made_up_play(title: str = "A title", artist: str = "An artist") -> dict[str, object]:
    """A document of ``plays`` of a minute ago."""
    played = int(datetime.now(UTC).timestamp() * 1000) - web_world.MINUTE
    return {
        **{"event_id": 1, "customer_id": 0, "track_id": 1, "title": title, "artist": artist},
        **{"is_mobile": True, "device": "mobile", "zip": "02139", "state": "MA"},
        **{"gender": "male", "level": "Gold", "age_band": "35-44", "hour": 12},
        "played_at": web_world.when(played),
        "arrived_at": web_world.when(played + 1000),
        "processed_at": web_world.when(played + 2000),
    }


def through(address: str, port: int) -> str:
    """The address with another port, and the same user and password."""
    parts = urlsplit(address)
    user = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user[0]}{user[1]}127.0.0.1:{port}").geturl()


@pytest.fixture
def cables(filled: Settings) -> dict[str, Cable]:
    """A cable of one's own to each store."""
    redis, elasticsearch = urlsplit(filled.redis_url), urlsplit(filled.elasticsearch_url)
    return {
        "redis": Cable((redis.hostname or "", redis.port or 0)),
        "elasticsearch": Cable((elasticsearch.hostname or "", elasticsearch.port or 0)),
    }


def test_each_store_away_is_said_apart_and_mended_by_itself(
    filled: Settings, cables: dict[str, Cable], served: Serve, visit: Visit
) -> None:
    behind = filled.model_copy(
        update={
            "redis_url": through(filled.redis_url, cables["redis"].port),
            "elasticsearch_url": f"http://127.0.0.1:{cables['elasticsearch'].port}",
            "home": filled.home / "cables",
        }
    )
    page = visit(served(behind))
    shown = page.inner_text("#plays"), page.inner_text("#outbox")
    assert shown[0] != "0"
    for store, name in (("redis", "Redis"), ("elasticsearch", "Elasticsearch")):
        cables[store].cut()
        banner = page.locator(f".banner[data-kind={store}]")
        expect(banner).to_contain_text(f"{name} has not answered since", timeout=LONG)
        # The figures stay, and it is said of when they are; the other store is well.
        expect(banner).to_contain_text("are from ")
        expect(page.locator(".banner")).to_have_count(1)
        assert (page.inner_text("#plays"), page.inner_text("#outbox")) == shown
        expect(page.locator("#status")).to_have_attribute("data-state", "live")
        cables[store].mend()
        expect(banner).to_have_count(0, timeout=LONG)


def test_with_both_stores_away_from_the_start_the_page_is_there(
    filled: Settings, cables: dict[str, Cable], served: Serve, visit: Visit
) -> None:
    for cable in cables.values():
        cable.cut()
    behind = filled.model_copy(
        update={
            "redis_url": through(filled.redis_url, cables["redis"].port),
            "elasticsearch_url": f"http://127.0.0.1:{cables['elasticsearch'].port}",
            "home": filled.home / "away",
        }
    )
    page = visit(served(behind), drawn=False)
    expect(page.locator(".banner")).to_have_count(2)
    expect(page.locator(".banner").first).to_contain_text("cannot be shown")
    expect(page.locator("#plays")).to_have_text("–")
    for cable in cables.values():
        cable.mend()
    expect(page.locator(".banner")).to_have_count(0, timeout=LONG)
    expect(page.locator("#plays")).not_to_have_text("–")


def test_the_server_killed_and_back(filled: Settings, visit: Visit) -> None:
    settings = filled.model_copy(update={"home": filled.home / "killed", "web_port": 0})
    settings.home.mkdir()
    address = web.start(settings)
    port = urlsplit(address).port
    try:
        page = visit(address, faults=("ERR_",))
        plays = page.inner_text("#plays")
        assert web.stop(settings)
        status = page.locator("#status")
        expect(status).to_have_attribute("data-state", "reconnecting", timeout=LONG)
        expect(status).to_contain_text("Reconnecting: figures from")
        expect(status).to_have_attribute("data-state", "stale", timeout=LONG)
        expect(status).to_contain_text("Stale since")
        expect(page.locator("#announce")).to_contain_text("Stale since")
        assert page.inner_text("#plays") == plays
        assert web.start(settings.model_copy(update={"web_port": port})) == address
        expect(status).to_have_attribute("data-state", "live", timeout=LONG)
        expect(status).to_contain_text("Live, updated")
    finally:
        web.stop(settings)


def test_paused_figures_stand_still_and_go_on(bare: Settings, served: Serve, visit: Visit) -> None:
    page = visit(served(bare))
    page.click("#pause")
    expect(page.locator("#status")).to_contain_text("Paused: figures from")
    redis = redis_client(bare)
    redis.xadd(bare.key("sms:dead"), {"reason": "test"})
    # The newer figures are there, and are not shown.
    page.wait_for_selector("body[data-newer=waiting]")
    expect(page.locator("#outbox")).to_contain_text("waiting, 0 dead letters")
    page.click("#pause")
    expect(page.locator("#outbox")).to_contain_text("waiting, 1 dead letter.")
    expect(page.locator("#status")).to_contain_text("Live")
