"""The first cell of a notebook, where the servers do not run yet."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from workshop_lib.settings import Settings
from workshop_lib.stack import elasticsearch, kafka, passwords, record, redis

begin = import_module("workshop_lib.lessons.begin")


def test_servers_that_it_starts_let_it_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = Settings(home=tmp_path)
    secrets = redis.urls(passwords.passwords(before), 1)
    secrets |= elasticsearch.secrets(before) | kafka.secrets(before)
    addresses = {"kafka_bootstrap": "127.0.0.1:2", "elasticsearch_url": "http://127.0.0.1:3"}

    def up(settings: Settings) -> None:
        record.remember(settings, "embedded", addresses, secrets, "its identity")

    away = iter([["Kafka"], []])
    monkeypatch.setattr(begin, "without_answer", lambda settings: next(away))
    monkeypatch.setattr("workshop_lib.stack.up", up)
    found = begin.running_servers(before, lambda text: None)
    now = Settings(home=tmp_path)
    for name in ("identity", *addresses, *secrets):
        assert getattr(found, name) == getattr(now, name) != getattr(before, name), name
    assert found.kafka_login("shipper") == now.kafka_login("shipper") != {}
