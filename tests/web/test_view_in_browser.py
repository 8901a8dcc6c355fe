"""The live picture in JupyterLab, in a real browser: it plays, steps, runs again, by keyboard."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest

from workshop_lib.lessons import lab
from workshop_lib.runtime import http
from workshop_lib.runtime.process import free_port
from workshop_lib.runtime.wait import JUPYTER_SECONDS, wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

TESTS = Path(__file__).parents[1]
CELL = (
    f"import sys; sys.path.insert(0, {str(TESTS)!r}); import live_world; live_world.recorded_view()"
)


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a notebook with one cell, in a JupyterLab of its own."""
    tmp_path = tmp_path_factory.mktemp("view")
    cell = nbformat.v4.new_code_cell(CELL)
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    made = nbformat.v4.new_notebook(cells=[cell], metadata=kernel)
    nbformat.write(made, tmp_path / "view.ipynb")
    port = free_port(0)
    address = f"http://127.0.0.1:{port}"
    words = [f"--ServerApp.root_dir={tmp_path}", f"--ServerApp.port={port}"]
    if os.geteuid() == 0:
        words.append("--allow-root")
    words = [*(word for word in lab.JUPYTER if "root_dir" not in word), *words]
    environment = {"JUPYTER_TOKEN": "view", "JUPYTER_CONFIG_PATH": str(lab.CONFIGURATION)}
    process = subprocess.Popen(
        [sys.executable, "-m", *words],
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def answers() -> bool:
        with suppress(OSError):
            return bool(http.get(f"{address}/api", timeout=5))
        return False

    try:
        wait_until(answers, JUPYTER_SECONDS, "JupyterLab to answer")
        yield f"{address}/lab/tree/view.ipynb?token=view"
    finally:
        process.terminate()
        process.wait(60)


def opened(page: Page, url: str) -> Locator:
    """The picture, after the notebook's only cell has run."""
    page.goto(url, timeout=60_000)
    page.get_by_text("ipykernel) | Idle").wait_for(timeout=60_000)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()
    picture = page.locator(".wl-player")
    picture.locator("path.dot.dropped").first.wait_for(timeout=60_000)
    return picture


def test_it_plays_steps_and_runs_again_by_keyboard(notebook: str, chromium: Browser) -> None:
    page = chromium.new_page(
        viewport={"width": 1366, "height": 768}, locale="en-US", reduced_motion="reduce"
    )
    picture = opened(page, notebook)
    dots = picture.locator(".figure path.dot")
    told = picture.locator(".told")
    assert (dots.count(), picture.locator(".figure path.dropped").count()) == (15, 3)
    assert "2 too late, dropped" not in told.inner_text() and "Batch 4" in told.inner_text()
    box = picture.bounding_box()
    assert box and box["width"] < 1366 and box["height"] < 768 - 150

    picture.locator(".figure").focus()
    page.keyboard.press("Home")
    assert (dots.count(), "Batch 0" in told.inner_text()) == (3, True)
    page.keyboard.press("ArrowRight")
    assert (dots.count(), "Batch 1" in told.inner_text()) == (6, True)
    assert dots.last.evaluate("dot => getComputedStyle(dot).animationName") == "none"
    page.keyboard.press("Space")
    picture.get_by_role("button", name="Pause").wait_for()
    page.keyboard.press("Space")
    picture.get_by_role("button", name="Play from here").wait_for()

    picture.locator("summary").press("Enter")
    rows = picture.locator("tbody tr")
    assert rows.count() == 5 and rows.nth(3).locator("td").nth(5).inner_text() == "2"

    picture.get_by_label("Lateness").press("ArrowRight")
    picture.get_by_text("waited 15 minutes: counted 15, dropped 0").wait_for(timeout=30_000)
    assert picture.locator(".figure path.dropped").count() == 0
    page.screenshot(path=os.environ.get("WORKSHOP_TEST_SCREENSHOT", os.devnull), type="png")
    page.close()


def test_motion_is_shown_to_who_wants_it(notebook: str, chromium: Browser) -> None:
    page = chromium.new_page(reduced_motion="no-preference")
    picture = opened(page, notebook)
    new = picture.locator(".figure path.dot.new").first
    assert new.evaluate("dot => getComputedStyle(dot).animationName") == "wl-come"
    page.close()
