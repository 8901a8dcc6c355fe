"""A step in a process of its own: it ends with us, and its last words are told."""

from __future__ import annotations

import psutil
import pytest

from workshop_lib.errors import WorkshopError
from workshop_lib.settings import Settings
from workshop_lib.teach.make import _workshop


def steps() -> list[psutil.Process]:
    return [p for p in psutil.Process().children() if p.status() != psutil.STATUS_ZOMBIE]


def test_interrupted_it_leaves_nothing_running(settings: Settings) -> None:
    log = settings.logs / "begin-sms-gateway.log"
    before = steps()  # the servers and the Spark of other tests

    def tick() -> None:
        if "The phone is at" in log.read_text():  # it runs, and would for ever
            assert len(steps()) == len(before) + 1
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _workshop(settings, tick, "sms-gateway", "--port", "0")
    assert steps() == before


def test_when_it_fails_its_last_words_are_told(settings: Settings) -> None:
    with pytest.raises(WorkshopError) as told:
        _workshop(settings, lambda: None, "replay", "--speed", "1000")
    assert str(settings.world / "tracks.csv") in told.value.message
    assert "begin-replay.log" in told.value.todo
