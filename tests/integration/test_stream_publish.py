"""How far the streams are, as Redis hears it: the truth about the topic, again and again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from stream_world import play, send

from workshop_lib.runtime.connections import create_topics, redis_client
from workshop_lib.runtime.state_file import save
from workshop_lib.runtime.wait import wait_until
from workshop_lib.schema.names import STREAMS_PROGRESS
from workshop_lib.settings import Settings
from workshop_lib.stream.progress import offsets
from workshop_lib.stream.publish import publish_progress, publishing_progress

pytestmark = pytest.mark.stack


def published(settings: Settings) -> dict[str, dict[str, Any]]:
    client = redis_client(settings)
    return {
        name: json.loads(text)
        for name, text in client.hgetall(settings.key(STREAMS_PROGRESS)).items()
    }


def test_lag_is_what_the_topic_has_and_the_query_has_not_written(stack: Settings) -> None:
    create_topics(stack)
    send(stack, [play(n, n, customer=n) for n in range(40)])
    done = offsets(stack, "end")
    some = {**done, "0": done["0"] - 3}
    save(stack.home / "stream" / "plays.json", {"offsets": some, "batch": 7, "input_rows": 37})
    publish_progress(stack, ["plays", "interests"], running=True)
    found = published(stack)
    assert (found["plays"]["lag"], found["plays"]["batch"], found["plays"]["running"]) == (
        3,
        7,
        True,
    )
    assert (found["interests"]["lag"], found["interests"]["batch"]) == (40, None)

    send(stack, [play(n, n, customer=n) for n in range(40, 45)])
    publish_progress(stack, ["plays", "interests"], running=False)
    found = published(stack)
    assert (found["plays"]["lag"], found["interests"]["lag"]) == (8, 45)
    assert found["plays"]["running"] is False


def test_progress_is_published_while_the_streams_run_and_at_their_end(stack: Settings) -> None:
    create_topics(stack)
    with publishing_progress(stack, ["plays"]):
        first = wait_until(lambda: published(stack).get("plays"), 30, "a first message")
        assert first["running"] is True
        wait_until(lambda: published(stack)["plays"]["at"] > first["at"], 30, "another message")
    assert published(stack)["plays"]["running"] is False


def test_redis_away_does_not_end_the_streams(settings: Settings) -> None:
    """Whoever writes into Redis says so; this is only a look at them."""
    away = settings.model_copy(
        update={"redis_url": "redis://127.0.0.1:1/0", "kafka_bootstrap": "127.0.0.1:1"}
    )
    with publishing_progress(away, ["plays"]):
        pass
