"""Every number on the page is what the stores hold, in any view.

What they hold is read whole and counted here by pandas; nothing of the page's server is used.
"""

from __future__ import annotations

import urllib.request
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pandas as pd
import pytest
import web_world
from page_reading import Visit, rows
from playwright.sync_api import Page, expect

from workshop_lib.runtime.connections import redis_client
from workshop_lib.settings import Settings

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]

MINUTE = 60_000
STEPS = {"15m": 1, "1h": 1, "6h": 5, "24h": 15}
VIEWS = [
    {},
    {"range": "6h", "device": "mobile"},
    {"gender": "female", "level": "Free"},
    {"state": "CA", "device": "pc"},
    {"device": "unknown"},
    {"range": "1h"},
]


def ms(text: str) -> int:
    moment = datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
    return int(moment.timestamp() * 1000)


def number(text: str) -> int:
    return int(text.replace(",", ""))


def counts(table: list[list[str]], column: int = 1) -> dict[str, int]:
    """Label → count of a table's rows, without zeros."""
    return {row[0]: number(row[column]) for row in table if number(row[column])}


def held(column: pd.Series) -> dict[Any, int]:
    return {key: int(n) for key, n in column.value_counts().items()}


def in_view(table: pd.DataFrame, view: dict[str, str], when: str, span: tuple[int, int]) -> Any:
    """The rows of ``table`` that ``view`` is about."""
    seen = table[table[when].between(*span, inclusive="left")]
    for name, value in view.items():
        if name in seen and name != "range":
            seen = seen[seen[name] == value]
    return seen


def span_of(page: Page, view: dict[str, str]) -> tuple[int, int]:
    """The view's time as the page's own table has it, which must be about now."""
    step = STEPS[view.get("range", "24h")] * MINUTE
    times = [ms(row[0]) for row in rows(page, "minutes-table")]
    now = datetime.now(UTC).timestamp() * 1000
    end = times[0] + 2 * step  # the running step is not in the table
    assert end - 2 * step <= now <= end + step
    assert times[0] - times[-1] == (len(times) - 1) * step
    return times[-1], end


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: urlencode(view) or "everything")
def test_all_counts_of_a_view(
    view: dict[str, str], filled: Settings, site: str, visit: Visit
) -> None:
    page = visit(f"{site}/?{urlencode(view)}")
    span = span_of(page, view)
    plays = web_world.read(filled, "plays")
    seen = in_view(plays, view, "played_at", span)
    assert len(seen) > 10, "a view of nothing would prove nothing"

    assert number(page.inner_text("#plays")) == len(seen)
    assert number(page.inner_text("#listeners")) == seen["customer_id"].nunique()
    assert page.inner_text("#plays-note") == f"of {len(plays):,} stored"
    minutes = rows(page, "minutes-table")
    step = STEPS[view.get("range", "24h")] * MINUTE
    whole = seen[seen["played_at"] < span[1] - step]
    for column, device in ((1, "mobile"), (2, "pc"), (3, "unknown")):
        of_device = whole[whole["device"] == device]["played_at"] // step * step
        assert {ms(row[0]): number(row[column]) for row in minutes if number(row[column])} == held(
            of_device
        )
    assert counts(rows(page, "gender-table")) == held(seen["gender"])
    assert counts(rows(page, "ages-table")) == held(seen["age_band"])
    hours = {int(hour[:2]): n for hour, n in counts(rows(page, "hours-table")).items()}
    assert hours == held(seen["hour"])
    assert [(row[0], number(row[2])) for row in rows(page, "tracks-table")] == top(seen, "track_id")
    assert [(row[0], number(row[1])) for row in rows(page, "artists-table")] == top(seen, "artist")
    check_states(page, plays, view, span)


def top(seen: pd.DataFrame, by: str) -> list[tuple[str, int]]:
    """The ten most played, equal ones in order of ``by``, with title or artist."""
    groups = seen.groupby(by).agg(
        plays=("event_id", "size"), name=("artist" if by == "artist" else "title", "first")
    )
    ranked = groups.reset_index().sort_values(["plays", by], ascending=[False, True]).head(10)
    return list(zip(ranked["name"], ranked["plays"].astype(int), strict=True))


def check_states(
    page: Page, plays: pd.DataFrame, view: dict[str, str], span: tuple[int, int]
) -> None:
    """The map's table has every state, whichever is chosen; names are checked on the map."""
    others = {name: value for name, value in view.items() if name != "state"}
    seen = in_view(plays, others, "played_at", span)
    table = rows(page, "states-table")
    assert sorted(number(row[1]) for row in table) == sorted(held(seen["state"]).values())
    listeners = seen.groupby("state")["customer_id"].nunique()
    assert sorted(number(row[2]) for row in table) == sorted(listeners)
    california = seen[seen["state"] == "CA"]
    title = page.locator("#map path[data-state=CA] title").text_content()
    assert title and title.startswith(f"California: {len(california):,} play")


def test_interests_offers_and_messages(filled: Settings, site: str, visit: Visit) -> None:
    page = visit(site)
    span = span_of(page, {})
    interests = in_view(web_world.read(filled, "interests"), {}, "interested_at", span)
    assert number(page.inner_text("#interests")) == len(interests) > 3
    newest = interests.sort_values(["interested_at", "event_id"], ascending=False).iloc[0]
    first = page.locator("#interests-list li").first
    expect(first).to_contain_text(newest["title"])
    expect(first).to_contain_text(f"listener {newest['customer_id']}, {newest['level']}")

    offers = in_view(web_world.read(filled, "targets"), {}, "played_at", span)
    assert number(page.inner_text("#offers")) == len(offers) > 3
    newest = offers.sort_values(["played_at", "event_id"], ascending=False).head(7)
    status = web_world.read(filled, "sms").set_index("_id")["status"]
    shown = [(row[1], row[5], row[6][2:]) for row in rows(page, "offers-table")]
    assert shown == [
        (f"listener {o.customer_id}", f"{o.score:.2f}", status.get(o.target_id, "waiting"))
        for o in newest.itertuples()
    ]
    assert "waiting" in {row[2] for row in shown}
    sent = int((status == "sent").sum())
    assert page.inner_text("#messages-note") == f"messages: {sent} sent, 1 dead"


def test_the_model_and_why_the_newest_was_refused(site: str, visit: Visit) -> None:
    model = visit(site).locator("#model")
    expect(model).to_contain_text(f"In use: {web_world.MODEL['version']}")
    for words in ("Accepted by the gate", "2.7 %", "87.3 %", "98.1 %", "5.2 ×"):
        expect(model).to_contain_text(words)
    expect(model).to_contain_text(f"Newest: {web_world.REFUSED['version']}")
    expect(model).to_contain_text("Refused by the gate")
    expect(model).to_contain_text("lift 1.2 is below 3")


def test_what_redis_holds(filled: Settings, site: str, visit: Visit) -> None:
    """The last whole minute, the streams, the outbox; a counter that grows is seen to grow."""
    web_world.tell(filled)
    page = visit(site)
    table = {row[0]: row[1:] for row in rows(page, "streams")}
    assert {name: number(row[0]) for name, row in table.items()} == web_world.STREAMS
    measures = ["813", "10 min", "4,321", "1.5 s", "8,765", "2", "1", "running"]
    assert all(row[1:] == measures for row in table.values())
    outbox = "Outbox: 3 waiting, 1 dead letter. Kafka: 7 dead letters."
    expect(page.locator("#outbox")).to_have_text(outbox)
    with urllib.request.urlopen(f"{site}/metrics", timeout=30) as answer:  # noqa: S310
        text = answer.read().decode()
    for name, lag in web_world.STREAMS.items():
        assert f'workshop_stream_lag_records{{query="{name}"}} {lag}\n' in text
    assert "workshop_outbox_waiting 3\n" in text
    assert "workshop_dead_letters 7\n" in text

    redis = redis_client(filled)
    now = datetime.now(UTC).timestamp()
    for ago in (0, 1, 2):  # the minute may change meanwhile
        minute = datetime.fromtimestamp(now - 60 * ago, UTC).strftime("%Y-%m-%dT%H:%MZ")
        redis.hset(filled.key(f"live:{minute}"), "all:all", 4321)
    expect(page.locator("#now")).to_have_text("4,321")
    web_world.tell(filled, running=False, lag=99)
    expect(page.locator("#streams")).to_contain_text("stopped")
    assert {row[1] for row in rows(page, "streams")} == {"99"}


def test_the_delay_is_that_of_the_latest_plays(site: str, visit: Visit) -> None:
    """Two seconds for every play of this world, from Kafka to the index."""
    page = visit(site)
    assert page.inner_text("#delay") == "2 s"
    assert page.inner_text("#delay-note") == "median; 95 % within 2 s, latest 200"
