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
from workshop_lib.stream.live import tell, told
from workshop_lib.stream.progress import offsets

pytestmark = pytest.mark.stack


def heard(settings: Settings) -> dict[str, dict[str, Any]]:
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
    tell(stack, ["plays", "interests"], running=True)
    found = heard(stack)
    assert (found["plays"]["lag"], found["plays"]["batch"], found["plays"]["running"]) == (
        3,
        7,
        True,
    )
    assert (found["interests"]["lag"], found["interests"]["batch"]) == (40, None)

    send(stack, [play(n, n, customer=n) for n in range(40, 45)])
    tell(stack, ["plays", "interests"], running=False)
    found = heard(stack)
    assert (found["plays"]["lag"], found["interests"]["lag"]) == (8, 45)
    assert found["plays"]["running"] is False


def test_it_is_told_while_the_streams_run_and_at_their_end(stack: Settings) -> None:
    create_topics(stack)
    with told(stack, ["plays"]):
        first = wait_until(lambda: heard(stack).get("plays"), 30, "a first word")
        assert first["running"] is True
        wait_until(lambda: heard(stack)["plays"]["at"] > first["at"], 30, "another word")
    assert heard(stack)["plays"]["running"] is False


def test_redis_away_does_not_end_the_streams(settings: Settings) -> None:
    """Whoever writes into Redis says so; this is only a look at them."""
    away = settings.model_copy(
        update={"redis_url": "redis://127.0.0.1:1/0", "kafka_bootstrap": "127.0.0.1:1"}
    )
    with told(away, ["plays"]):
        pass
