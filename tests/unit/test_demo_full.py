"""``workshop demo --full``: the same steps, on all of a million plays."""

from __future__ import annotations

from typing import Any

import pytest

from workshop_lib.lessons import demo
from workshop_lib.settings import Settings


@pytest.mark.parametrize(
    ("full", "plays", "replay"), [(False, 200_000, "--last"), (True, 10**6, "--rate")]
)
def test_its_world_and_its_replay(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, full: bool, plays: int, replay: str
) -> None:
    made: dict[str, Any] = {}
    settings.world.mkdir(parents=True)
    monkeypatch.setattr(demo, "generate", lambda folder, **sizes: made.update(sizes))
    demo.make_world(settings, full)
    assert made["plays"] == plays
    steps = demo.steps(settings, 8025, full)
    assert replay in steps["replay"]
    assert {name: words for name, words in steps.items() if name != "replay"} == {
        name: words for name, words in demo.steps(settings, 8025).items() if name != "replay"
    }
