"""How far the streams are, as Redis hears it: the truth about the topic, again and again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from stream_world import play, send

from workshop_lib.runtime.connections import create_topics, producer, redis_client
from workshop_lib.runtime.state_file import save
from workshop_lib.runtime.wait import wait_until
from workshop_lib.schema.names import DEAD_LETTER_COUNT, DEAD_LETTER_TOPIC, STREAMS_PROGRESS
from workshop_lib.settings import Settings
from workshop_lib.stream.progress import offsets, record_committed
from workshop_lib.stream.publish import publish_progress, publishing_progress, watermark_seconds

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


def test_a_batch_s_measures_and_the_dead_letters_are_published(stack: Settings) -> None:
    create_topics(stack)
    report = {
        "eventTime": {"max": "2026-01-31T12:10:00.500Z", "watermark": "2026-01-31T12:00:00.000Z"},
        "stateOperators": [
            {"numRowsTotal": 5, "numRowsDroppedByWatermark": 1},
            {"numRowsTotal": 7, "numRowsDroppedByWatermark": 0},
        ],
        "durationMs": {"triggerExecution": 1500},
        "processedRowsPerSecond": 80.0,
    }
    record_committed(stack, "plays", report)
    with producer(stack) as sending:
        for _ in range(3):
            sending.send(stack.topic(DEAD_LETTER_TOPIC), b"broken")
        sending.flush()
    publish_progress(stack, ["plays", "interests"], running=True)
    found = published(stack)["plays"]
    measures = ("watermark_seconds", "state_rows", "batch_seconds", "rows_per_second")
    assert [found[name] for name in measures] == [600.5, 12, 1.5, 80.0]
    assert found["dropped_by_watermark"] == 1
    assert published(stack)["interests"]["watermark_seconds"] is None
    assert redis_client(stack).get(stack.key(DEAD_LETTER_COUNT)) == "3"
    first = {"watermark": "1970-01-01T00:00:00.000Z", "newest_event": "2026-01-31T12:10:00.000Z"}
    assert watermark_seconds(first) is None


def test_redis_away_does_not_end_the_streams(settings: Settings) -> None:
    """Whoever writes into Redis says so; this is only a look at them."""
    away = settings.model_copy(
        update={"redis_url": "redis://127.0.0.1:1/0", "kafka_bootstrap": "127.0.0.1:1"}
    )
    with publishing_progress(away, ["plays"]):
        pass
