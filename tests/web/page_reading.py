"""How the tests of the page read it: when its figures are there, and the tables behind charts."""

from __future__ import annotations

from collections.abc import Callable
from urllib.request import urlopen

from playwright.sync_api import Page

LIVE = "#status[data-state=live]"
DRAWN = "body[data-drawn=all]:not(.waiting)"

#: The fixture ``visit``.
Visit = Callable[..., Page]


def rows(page: Page, table: str) -> list[list[str]]:
    """The table behind a chart, opened if need be, as text."""
    folded = page.locator(f"details:has(#{table})")
    if folded.count() and folded.get_attribute("open") is None:
        folded.locator("summary").click()
    page.wait_for_selector(f"#{table} tbody tr")
    found: list[list[str]] = page.locator(f"#{table} tbody tr").evaluate_all(
        "rows => rows.map((row) => [...row.children].map((cell) => cell.textContent))"
    )
    return found


def get(url: str) -> bytes:
    with urlopen(url, timeout=30) as answer:  # noqa: S310
        content: bytes = answer.read()
    return content
