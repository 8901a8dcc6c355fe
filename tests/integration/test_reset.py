"""Reset clears what interrupted lessons left behind, and nothing of anybody else's."""

from __future__ import annotations

import pytest

from workshop_lib.lessons.sandbox import sandbox
from workshop_lib.runtime.connections import create_index, create_topics, elasticsearch, kafka_admin
from workshop_lib.settings import Settings
from workshop_lib.stack.reset import reset

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]


def topics(settings: Settings) -> list[str]:
    admin = kafka_admin(settings)
    try:
        return sorted(t for t in admin.list_topics() if t.startswith(settings.namespace))
    finally:
        admin.close()


def test_what_an_interrupted_lesson_left_goes_with_the_rest(stack: Settings) -> None:
    create_topics(stack)
    by_hand = stack.model_copy(update={"namespace": f"{stack.namespace}by-hand-"})
    create_topics(by_hand)
    mine = sandbox(stack, "by-spark")
    client = elasticsearch(stack)
    create_index(mine, client, "plays")
    neighbour = stack.model_copy(update={"namespace": f"next-{stack.namespace}"})
    create_topics(neighbour)
    assert len(topics(stack)) == 6 and mine.home.exists()
    try:
        reset(stack)
        assert topics(stack) == []
        assert not client.indices.exists(index=mine.index("plays"))
        assert not mine.home.exists()
        assert topics(neighbour) == sorted(neighbour.topic(n) for n in ("plays", "plays.dlq"))
    finally:
        reset(neighbour)
