"""For everyone: axe finds nothing, the keyboard reaches all, a link brings the same view."""

from __future__ import annotations

import re
from typing import Any

import pytest
from page_reading import DRAWN, LIVE, Visit, rows
from playwright.sync_api import Page, expect

from workshop_lib.runtime.node import WEB

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

AXE = WEB / "node_modules" / "axe-core" / "axe.min.js"


def axe(page: Page) -> list[str]:
    """What axe has to say, a line each. Its script comes in past the page's own policy."""
    page.evaluate(AXE.read_text())
    found: dict[str, Any] = page.evaluate("axe.run({resultTypes: ['violations']})")
    assert len(found["passes"]) > 20
    return [
        f"{v['id']}: {v['help']}: {[n['html'][:120] for n in v['nodes'][:3]]}"
        for v in found["violations"]
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(theme: str, site: str, visit: Visit) -> None:
    page = visit(site, color_scheme=theme)
    assert page.locator("html").get_attribute("data-theme") == theme
    for table in ("minutes-table", "states-table", "tracks-table"):
        rows(page, table)
    assert axe(page) == []
    # A fault that is made is found.
    page.evaluate("document.querySelector('#plays').style.color = '#80808055'")
    assert any(line.startswith("color-contrast") for line in axe(page))


def test_the_keyboard_filters_drills_down_and_pauses(site: str, visit: Visit) -> None:
    page = visit(site)
    whole = page.inner_text("#plays")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "state":
            break
    page.keyboard.type("Cal")
    expect(page).to_have_url(re.compile(r"state=CA"))
    page.wait_for_selector(DRAWN)
    expect(page.locator("#summary")).to_contain_text("in California")
    assert page.inner_text("#plays") != whole
    expect(page.locator("#map path[data-state=CA]")).to_have_class("chosen")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # Show all
    expect(page.locator("#plays")).to_have_text(whole)
    page.locator("#pause").focus()
    page.keyboard.press("Space")
    expect(page.locator("#status")).to_contain_text("Paused")


def test_a_click_on_a_state_is_in_the_link_and_the_link_brings_it_back(
    site: str, visit: Visit
) -> None:
    page = visit(f"{site}/?device=mobile")
    page.locator("label:has([name=map][value=rate])").click()
    page.locator("#map path[data-state=TX]").click(force=True)
    expect(page).to_have_url(re.compile(r"device=mobile&state=TX&map=rate"))
    page.wait_for_selector(DRAWN)
    expect(page.locator("#summary")).to_contain_text("on mobile, in Texas")
    seen = page.inner_text("#plays")

    other = visit(page.get_attribute("#permalink", "href") and page.url)
    expect(other.locator("#plays")).to_have_text(seen)
    assert other.input_value("#state") == "TX"
    assert other.is_checked("[name=map][value=rate]")
    other.locator("#map path[data-state=TX]").click(force=True)  # once more: all of them
    expect(other.locator("#state")).to_have_value("")


def test_a_phone_shows_all_of_it_without_scrolling_sideways(site: str, visit: Visit) -> None:
    page = visit(site, viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    for part in ("#plays", "#map", "#tracks svg", "#offers-table", "#streams"):
        assert page.locator(part).is_visible()
    for button in page.locator("button, select").all():
        box = button.bounding_box()
        assert box and box["height"] >= 24  # a thumb finds it (WCAG 2.2, 2.5.8)


def test_nobody_who_asks_for_less_motion_gets_any(site: str, visit: Visit) -> None:
    moves = "document.getAnimations().length"
    start = """document.querySelector('.feed li').classList.add('new')"""
    page = visit(site, reduced_motion="reduce")
    page.evaluate(start)
    assert page.evaluate(moves) == 0
    page.emulate_media(reduced_motion="no-preference")
    assert page.evaluate(moves) > 0


def test_the_theme_is_kept(site: str, visit: Visit) -> None:
    page = visit(site, color_scheme="light")
    page.click("#theme")
    page.reload()
    page.wait_for_selector(LIVE)
    assert page.locator("html").get_attribute("data-theme") == "dark"
