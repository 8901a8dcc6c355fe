"""A notebook that has made its own session and then runs the library's streams in it."""

from __future__ import annotations

from typing import Any

from workshop_lib.settings import Settings
from workshop_lib.stream import session


def test_a_session_of_this_machine_waits_for_no_executor_of_a_cluster(
    spark: Any, settings: Settings, monkeypatch: Any
) -> None:
    waited: list[Settings] = []
    monkeypatch.setattr(session, "_wait_for_an_executor", lambda _, s: waited.append(s))
    cluster = settings.model_copy(update={"spark_master": "spark://nobody:7077"})
    assert session.spark_session(cluster) is spark
    assert waited == []
