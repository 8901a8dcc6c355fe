"""The three queries on the real servers: every record ends in its place, once."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from stream_world import (
    MINUTE,
    NOON,
    counted,
    documents,
    hits,
    minutes,
    play,
    random_plays,
    send,
    write_world,
)

from workshop_lib.errors import WorkshopError
from workshop_lib.ingest.dead_letters import read_topic
from workshop_lib.runtime import connections
from workshop_lib.schema.labels import UNKNOWN
from workshop_lib.schema.names import DEAD_LETTER_HEADER, DEAD_LETTER_HEADERS
from workshop_lib.schema.tables import DIMENSIONS, mapping
from workshop_lib.settings import Settings
from workshop_lib.stack.reset import reset
from workshop_lib.stream import run as runner
from workshop_lib.stream.progress import caught_up, checkpoint, progress
from workshop_lib.stream.publish import watermark_seconds
from workshop_lib.stream.run import run

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures("spark")]

PLAYS = random_plays(11, 300, 240)
STRANGE = [
    play(1, 5 * MINUTE, customer=0, track=2, zip="94103"),
    play(2, 5 * MINUTE, customer=777, track=888, zip="99999", is_mobile=True),
]
BAD: list[tuple[bytes | None, bytes | None]] = [
    (b"k1", b"\x00\xffjunk"),
    (None, json.dumps({"event_id": 5}).encode()),
    (b"3", b'{"event_id":5,"customer_id":1,"track_id":1,"played_at":"2099-01-01T00:00:00.000Z",'
           b'"is_mobile":true,"zip":""}'),
    (b"gone", None),
]  # fmt: skip
GOOD = [*PLAYS, *STRANGE]


def own(running: Settings, home: Path) -> Settings:
    names = (
        *("kafka_bootstrap", "kafka_password"),
        *("elasticsearch_url", "elasticsearch_password", "redis_url"),
    )
    addresses = {name: getattr(running, name) for name in names}
    settings = Settings(home=home, namespace=f"t{uuid.uuid4().hex[:8]}-")
    write_world(settings)
    return settings.model_copy(update=addresses)


@pytest.fixture(scope="module")
def flowed(running_stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of a stack through which plays, duplicates and bad records have gone."""
    settings = own(running_stack, tmp_path_factory.mktemp("flowed"))
    connections.create_topics(settings)
    send(settings, [*GOOD[:150], *BAD, *GOOD[100:]])  # fifty of them twice
    run(settings, available_now=True)
    yield settings
    reset(settings)


@pytest.fixture
def fresh(running_stack: Settings, tmp_path: Path) -> Iterator[Settings]:
    """Settings of a stack with a world and empty topics."""
    settings = own(running_stack, tmp_path)
    connections.create_topics(settings)
    yield settings
    reset(settings)


def test_every_play_is_in_its_document(flowed: Settings) -> None:
    found = documents(flowed, "plays")
    assert set(found) == {str(each.event_id) for each in GOOD}
    for each in GOOD:
        row = found[str(each.event_id)]
        assert (row["event_id"], row["customer_id"], row["track_id"], row["zip"]) == (
            each.event_id,
            each.customer_id,
            each.track_id,
            each.zip,
        )
        assert pd.Timestamp(row["played_at"]).value == each.played_at * 1_000_000
        assert row["is_mobile"] is each.is_mobile


def test_customer_0_is_joined_and_an_unknown_one_stays(flowed: Settings) -> None:
    found = documents(flowed, "plays")
    known, unknown = found["1"], found["2"]
    assert (known["gender"], known["level"], known["state"]) == ("female", "Gold", "CA")
    assert {name: round(value) for name, value in known["location"].items()} == {
        "lat": 38,
        "lon": -122,
    }
    assert (known["title"], known["customer_known"], known["track_known"]) == (
        "<b>Drei</b>",
        True,
        True,
    )
    assert {unknown[f] for f in ("gender", "age_band", "level", "title", "state")} == {UNKNOWN}
    assert not unknown["customer_known"]
    assert not unknown["track_known"]
    assert "location" not in unknown


def test_counts_per_minute_agree_in_both_stores(flowed: Settings) -> None:
    assert counted(flowed) == minutes(GOOD)
    rows = documents(flowed, "plays-per-minute")
    client = connections.redis_client(flowed)
    for id_, row in rows.items():
        minute, dimension, value = id_.split("|")
        assert (dimension, value) == (row["dimension"], row["value"])
        key = flowed.key(f"live:{minute}")
        assert int(client.hget(key, f"{dimension}:{value}") or 0) == row["plays"]
        assert 0 < client.ttl(key) <= 48 * 3600
    by_dimension = Counter(row["dimension"] for row in rows.values() for _ in range(row["plays"]))
    assert by_dimension == dict.fromkeys(("all", *DIMENSIONS), len(GOOD))


def test_interests_are_those_of_the_rule_in_both_stores(flowed: Settings) -> None:
    found = documents(flowed, "interests")
    assert {int(id_) for id_ in found} == hits(GOOD)
    latest: dict[tuple[str, str], int] = {}
    for row in found.values():
        key = str(row["customer_id"]), str(row["track_id"])
        moment = pd.Timestamp(row["interested_at"]).value // 1_000_000
        latest[key] = max(latest.get(key, 0), moment)
    client = connections.redis_client(flowed)
    for (customer, track), moment in latest.items():
        assert client.zscore(flowed.key(f"interests:{customer}"), track) == moment


def test_bad_records_are_dead_letters_with_their_own_bytes(flowed: Settings) -> None:
    reader = connections.consumer(flowed, "plays.dlq", consumer_timeout_ms=2000)
    letters = list(reader)
    reader.close()
    assert sorted(((m.key, m.value) for m in letters), key=str) == sorted(BAD, key=str)
    source = connections.consumer(flowed, "plays", consumer_timeout_ms=2000)
    originals = {(m.partition, m.offset): (m.key, m.value) for m in source}
    source.close()
    for letter in letters:
        headers = {name: value.decode() for name, value in letter.headers}
        assert set(headers) == {DEAD_LETTER_HEADER + h for h in DEAD_LETTER_HEADERS}
        header = {name.removeprefix(DEAD_LETTER_HEADER): v for name, v in headers.items()}
        assert header["topic"] == flowed.topic("plays")
        assert header["stage"] == "stream"
        assert header["exception.message"]
        origin = int(header["partition"]), int(header["offset"])
        assert originals[origin] == (letter.key, letter.value)


def test_progress_tells_what_was_done(flowed: Settings) -> None:
    sent = len(GOOD) + 50 + len(BAD)
    for query in ("plays", "aggregates", "interests"):
        known = progress(flowed, query)
        assert known is not None
        assert known["input_rows"] == sum(known["offsets"].values()) == sent
        assert known["failed"] is None
    plays = progress(flowed, "plays") or {}
    assert (plays["written"], plays["dead_lettered"]) == (len(GOOD) + 50, len(BAD))


def test_each_batch_leaves_the_measures_that_status_shows(flowed: Settings) -> None:
    for query, stateful in (("plays", False), ("aggregates", True), ("interests", True)):
        known = progress(flowed, query) or {}
        assert known["batch_seconds"] > 0
        assert known["rows_per_second"] > 0
        assert (known["state_rows"] > 0) == stateful, query
        assert (known["newest_event"] is not None) == stateful, query
        if stateful:
            assert watermark_seconds(known) is None or watermark_seconds(known) >= 0


def test_a_batch_that_was_written_but_not_committed_changes_nothing(flowed: Settings) -> None:
    """What a crash between the two leaves behind."""
    assert caught_up(flowed)
    indices = ("plays-per-minute", "interests")
    before = {index: documents(flowed, index) for index in indices}
    plays = set(documents(flowed, "plays"))
    states = {query: progress(flowed, query) for query in ("plays", "aggregates", "interests")}
    letters = len(list(read_topic(flowed)))
    for query in states:
        commits = (checkpoint(flowed, query) / "commits").glob("[0-9]*")
        last = max(commits, key=lambda path: int(path.name))
        last.unlink()
        (last.parent / f".{last.name}.crc").unlink(missing_ok=True)
    run(flowed, available_now=True)
    for query, state in states.items():
        again = progress(flowed, query)
        assert again is not None
        assert state is not None
        assert again["at"] > state["at"], "the batch ran again"
        # What a batch says of its own time is another each time.
        own_time = dict.fromkeys(("at", "batch_seconds", "rows_per_second"))
        assert again | own_time == state | own_time
    assert {index: documents(flowed, index) for index in indices} == before
    assert set(documents(flowed, "plays")) == plays
    assert len(list(read_topic(flowed))) == letters


def test_a_refused_document_is_a_dead_letter_and_the_others_arrive(
    fresh: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = fresh
    monkeypatch.setattr(connections, "check_mapping", lambda *_: None)  # changed after the start
    narrow = mapping("plays")
    narrow["mappings"]["properties"]["length_seconds"] = {"type": "byte"}  # at most 127
    connections.elasticsearch(settings).indices.create(index=settings.index("plays"), **narrow)
    fits, does_not = play(1, 0, track=0), play(2, 0, track=1)
    send(settings, [fits, does_not])
    run(settings, ["plays"], available_now=True)
    assert set(documents(settings, "plays")) == {"1"}
    (letter,) = read_topic(settings)
    assert (letter.stage, letter.key) == ("elasticsearch", b"0")
    assert json.loads(letter.value)["event_id"] == 2
    assert "length_seconds" in letter.reason
    known = progress(settings, "plays") or {}
    assert (known["written"], known["dead_lettered"]) == (1, 1)


def test_a_server_away_fails_the_query_in_words_and_the_next_start_goes_on(
    fresh: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = fresh
    send(settings, [play(n, n * MINUTE) for n in range(5)])
    away = settings.model_copy(
        update={"elasticsearch_url": "http://127.0.0.1:9", "patience_seconds": 0.5}
    )
    monkeypatch.setattr(runner, "prepare", lambda settings: None)
    with pytest.raises(WorkshopError, match="`plays` failed: Elasticsearch did not answer"):
        run(away, ["plays"], available_now=True)
    monkeypatch.undo()
    known = progress(settings, "plays") or {}
    assert "Elasticsearch did not answer" in known["failed"]
    assert not caught_up(settings)
    run(settings, available_now=True)
    assert set(documents(settings, "plays")) == {"0", "1", "2", "3", "4"}
    assert (progress(settings, "plays") or {})["failed"] is None
    assert caught_up(settings)


@pytest.mark.parametrize(
    ("name", "address", "server"),
    [
        ("kafka_bootstrap", "127.0.0.1:9", "Kafka"),
        ("elasticsearch_url", "http://127.0.0.1:9", "Elasticsearch"),
        ("redis_url", "redis://127.0.0.1:9/0", "Redis"),
    ],
)
def test_a_server_that_is_not_there_at_the_start_is_named(
    stack: Settings, name: str, address: str, server: str
) -> None:
    with pytest.raises(WorkshopError, match=f"{server} does not answer at {address}"):
        runner.prepare(stack.model_copy(update={name: address}))


def test_noon_is_a_whole_minute() -> None:
    assert NOON % MINUTE == 0  # the expected minutes above rest on it
