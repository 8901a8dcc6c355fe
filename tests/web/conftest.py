"""Fixtures of the page's tests: one browser, one filled world, one server of the page.

``visit`` opens a page and, at the end of the test, asks that it had no error and broke no
rule of its security policy. ``served`` starts further servers, for tests that break them.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import web_world
from page_reading import DRAWN, LIVE, Visit
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from workshop_lib.page import server as web
from workshop_lib.page.browser import browser as real_browser
from workshop_lib.runtime import process
from workshop_lib.settings import Settings

expect.set_options(timeout=30_000)  # for a busy machine; nobody waits so long otherwise

VIOLATIONS = """
window.violations = [];
addEventListener('securitypolicyviolation', (v) =>
  violations.push(`${v.violatedDirective} ${v.blockedURI} ${v.sourceFile}:${v.lineNumber}`));
"""


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Of this folder's tests only: while it runs, nobody else can use asyncio."""
    with real_browser() as started:
        yield started


def own(running_stack: Settings, home: Path) -> Settings:
    """Settings with a home and a namespace of their own on the real servers."""
    names = (
        *("kafka_bootstrap", "kafka_password"),
        *("elasticsearch_url", "elasticsearch_password", "redis_url"),
    )
    addresses: dict[str, Any] = {name: getattr(running_stack, name) for name in names}
    return Settings(home=home, namespace=f"t{uuid.uuid4().hex[:8]}-", **addresses)


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    """The page's server with these settings, as a process of its own; its address."""
    settings.home.mkdir(parents=True, exist_ok=True)
    chosen = settings.model_copy(update={"web_port": process.free_port(0)})
    try:
        yield web.start(chosen)
    finally:
        web.stop(chosen)


@pytest.fixture(scope="package")
def filled(running_stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A day of plays in the real stores; nobody changes it."""
    settings = own(running_stack, tmp_path_factory.mktemp("filled"))
    try:
        web_world.fill(settings)
        yield settings
    finally:
        web_world.clear(settings)


@pytest.fixture(scope="package")
def site(filled: Settings) -> Iterator[str]:
    """The address of the page that shows ``filled``."""
    with serving(filled) as address:
        yield address


@pytest.fixture
def bare(running_stack: Settings, tmp_path: Path) -> Iterator[Settings]:
    """This test's own namespace, with nothing in it."""
    settings = own(running_stack, tmp_path)
    yield settings
    web_world.clear(settings)


@pytest.fixture
def served() -> Iterator[Callable[[Settings], str]]:
    """Start a server of the page with these settings; stopped at the end of the test."""
    with ExitStack() as servers:
        yield lambda settings: servers.enter_context(serving(settings))


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Visit]:
    """visit(url, faults=…, **options of a context): an open page whose figures are drawn.

    ``faults`` are parts of console errors that the test brings about itself.
    """
    with ExitStack() as contexts:

        def open_page(
            url: str, faults: tuple[str, ...] = (), drawn: bool = True, **options: Any
        ) -> Page:
            options = {"viewport": {"width": 1440, "height": 900}, "locale": "en-US"} | options
            context = chromium.new_context(**options)
            context.set_default_timeout(30_000)
            context.add_init_script(VIOLATIONS)
            page = context.new_page()
            errors: list[str] = []

            def note(message: ConsoleMessage) -> None:
                if message.type in ("error", "warning"):
                    errors.append(message.text)

            def leave() -> None:
                violations = page.evaluate("violations")
                context.close()
                unexpected = [e for e in errors if not any(fault in e for fault in faults)]
                assert not unexpected and not violations, (unexpected, violations)

            page.on("console", note)
            page.on("pageerror", lambda error: errors.append(str(error)))
            contexts.callback(leave)
            page.goto(url)
            page.wait_for_selector(LIVE)
            if drawn:
                page.wait_for_selector(DRAWN)
            return page

        yield open_page
