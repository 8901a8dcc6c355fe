"""Where nothing can drive a browser, as in Docker's image, there is no picture and one line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from workshop_lib.errors import WorkshopError
from workshop_lib.page import browser, server


def test_without_playwright_a_picture_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("playwright", "playwright.sync_api"):
        monkeypatch.setitem(sys.modules, name, None)  # importing it fails
    with pytest.raises(WorkshopError, match="drive a browser"):
        server.screenshot("http://127.0.0.1:9", tmp_path / "page.png")
    with pytest.raises(WorkshopError, match="drive a browser"), browser.browser():
        pass
