"""Titles and artists are whatever somebody typed: they are shown as text, wherever they appear."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import web_world
from page_reading import Visit, get, rows
from playwright.sync_api import Page, expect
from test_page_says import made_up_play

from workshop_lib.settings import Settings

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]

#: (title, artist): markup, an entity, a line end, text that runs right to left, nothing.
NAMES = [
    ("<img src=x onerror=alert(1)>", "<script>alert(2)</script>"),
    ('"><svg onload=alert(3)>', "' onmouseover='alert(4)"),
    ("&lt;b&gt; &amp; {=TITLE}", "</td><td style=color:red>"),
    ("two\nlines\u2028and\u0000more", "\u202eright to left"),
    ("", " "),
    ("W" * 250, "Ünö 🎵 漢字"),
]
#: What would be on the page if a name were taken for HTML.
MADE = "[...document.querySelectorAll('img, script:not([src]), [onload], [onerror], [style*=red]')]"


def test_names_are_text_everywhere(
    bare: Settings, served: Callable[[Settings], str], visit: Visit
) -> None:
    plays, interests = {}, {}
    for n, (title, artist) in enumerate(NAMES):
        for copy in range(len(NAMES) - n):  # the first is the most played one
            id_ = 10 * n + copy + 1
            plays[str(id_)] = made_up_play(title, artist) | {"event_id": id_, "track_id": n}
        play = plays[str(10 * n + 1)]
        names = ("event_id", "customer_id", "track_id", "title", "artist", "level", "state")
        interests[str(n)] = {
            **{name: play[name] for name in names},
            "interested_at": play["played_at"],
        }
    web_world.write(bare, "plays", plays)
    web_world.write(bare, "interests", interests)
    page = visit(served(bare))
    page.on("dialog", lambda dialog: pytest.fail(f"a name ran: {dialog.message}"))

    assert [tuple(row[:2]) for row in rows(page, "tracks-table")] == NAMES
    assert [row[0] for row in rows(page, "artists-table")] == [artist for _, artist in NAMES]
    for title, _ in NAMES[:3]:
        expect(page.locator("#interests-list")).to_contain_text(title[:20])
    axis = page.locator("#tracks .bb-axis-x .tick text").all_text_contents()
    assert axis[0].startswith("<img src=x onerror") and axis[4] == "(no title)"
    for n, (title, artist) in enumerate(NAMES[:3]):
        tip = hover(page, n)
        assert title in tip and artist in tip
    assert page.evaluate(f"{MADE}.length") == 0
    # What the test looks for is what it would find.
    page.evaluate("document.body.append(document.createElement('img'))")
    assert page.evaluate(f"{MADE}.length") == 1
    assert "<img src=x onerror=alert(1)>" in get(f"{page.url}snapshot").decode()


def hover(page: Page, bar: int) -> str:
    """The tooltip of a bar, as text."""
    page.locator("#tracks .bb-bar").nth(bar).hover(force=True, position={"x": 3, "y": 3})
    tip = page.locator("#tracks .bb-tooltip-container .tip")
    expect(tip).to_be_visible()
    expect(tip).to_contain_text(f"Plays{len(NAMES) - bar}")
    return tip.text_content() or ""
