"""What each exercise says to a blank, to typical mistakes, and when a server is away.

The right answers are those of ``solutions/``, run here cell by cell; most mistakes are made
of them. All against the same live data, without a notebook.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from elasticsearch.helpers import bulk
from exercise_mistakes import MISTAKES, Mistake
from kafka.admin import NewTopic

from workshop_lib.lessons.exercises import check, live
from workshop_lib.lessons.exercises.generate import TITLE, code_cells
from workshop_lib.lessons.exercises.outcome import Outcome, Result
from workshop_lib.runtime.connections import elasticsearch, kafka_admin, producer, redis_client
from workshop_lib.settings import PROJECT, Settings

NAMES = ("stage1", "stage2", "stage3", "stage4")
NUMBERS = [
    (name, number, exercise.live)
    for name in NAMES
    for number, exercise in getattr(check, name).exercises.items()
]
ANSWERED = [(name, number) for name, number, on_servers in NUMBERS if not on_servers]
LIVE = [(name, number) for name, number, on_servers in NUMBERS if on_servers]
#: The answers that are functions, by name.
FUNCTIONS = {
    "2.2": "enrich",
    "2.3": "per_minute",
    "2.4": "interests",
    "3.1": "day_shares",
    "3.2": "judge",
    "3.3": "gate",
    "3.4": "offer",
    "4.5": "lag",
}

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]


def answers(folder: Path, begun: Settings) -> dict[str, Any]:
    """What the notebooks of ``folder`` give to each check, without what is on the servers."""
    found: dict[str, Any] = {}
    for name in NAMES:
        path = folder / f"{name}.ipynb"
        space: dict[str, Any] = {"begun": begun}
        for cell in code_cells(json.loads(path.read_text()), path):
            title = TITLE.fullmatch(cell.lines[0])
            number = title[1] if title else ""
            if (name, number) in LIVE or (not title and "begin(" not in "\n".join(cell.lines)):
                continue
            # What begin(…) gives is there already.
            source = re.sub(r"begin\(stage=\d\)", "begun", "\n".join(cell.lines))
            exec(compile(source, f"{path.name} {number}", "exec"), space)
            if title:
                found[number] = space[FUNCTIONS.get(number, "answer")]
    return found


@pytest.fixture(scope="module")
def right(begun: Settings) -> dict[str, Any]:
    return answers(PROJECT / "solutions", begun)


@pytest.fixture(scope="module")
def blank(begun: Settings) -> dict[str, Any]:
    return answers(PROJECT / "exercises", begun)


def ask(name: str, number: str, settings: Settings, *answer: Any) -> Result:
    result: Result = getattr(check, name)(number, *answer, settings=settings, strict=False)
    return result


@pytest.mark.parametrize(("name", "number"), ANSWERED)
def test_a_blank_is_not_attempted(
    name: str, number: str, begun: Settings, blank: dict[str, Any], spark: Any
) -> None:
    assert ask(name, number, begun, blank[number]).outcome is Outcome.NOT_ATTEMPTED


@pytest.mark.parametrize(("name", "number", "on_servers"), NUMBERS)
def test_a_server_that_is_away_is_told_as_such(
    name: str, number: str, on_servers: bool, begun: Settings
) -> None:
    away = begun.model_copy(update={"kafka_bootstrap": "127.0.0.1:1"})
    result = ask(name, number, away, *([] if on_servers else [object()]))
    assert result.outcome is Outcome.STACK_DOWN and "Kafka: no answer" in result.message


@pytest.mark.parametrize(("name", "number", "on_servers"), NUMBERS)
def test_it_has_hints(name: str, number: str, on_servers: bool) -> None:
    assert len(getattr(check, name).exercises[number].hints) >= 3


# Mistakes ---------------------------------------------------------------------------


def test_every_exercise_has_its_mistakes() -> None:
    assert set(MISTAKES) == {number for _, number in ANSWERED}
    for mistakes in MISTAKES.values():
        assert len({mistake.told for mistake in mistakes}) >= 2


@pytest.mark.parametrize(("name", "number"), ANSWERED)
def test_the_answer_of_the_solutions_passes(
    name: str, number: str, begun: Settings, right: dict[str, Any], spark: Any
) -> None:
    assert repr(ask(name, number, begun, right[number])).splitlines()[1:] == [
        "These checks passed."
    ]


@pytest.mark.parametrize(
    ("name", "number", "mistake"),
    [
        pytest.param(name, number, mistake, id=f"{number} {mistake.what}")
        for name, number in ANSWERED
        for mistake in MISTAKES[number]
    ],
)
def test_a_mistake_gets_its_own_message_without_the_answer(
    name: str, number: str, mistake: Mistake, begun: Settings, right: dict[str, Any], spark: Any
) -> None:
    wrong = mistake.made(right[number], begun)
    result = ask(name, number, begun, wrong)
    assert result.outcome is Outcome.NOT_YET
    assert mistake.told in result.message
    others = {other.told for other in MISTAKES[number]} - {mistake.told}
    assert not [told for told in others if told in result.message]
    if not callable(right[number]):
        assert repr(right[number]) not in result.message
    if isinstance(right[number], int):
        words = result.message.replace(",", "").replace(".", " ").replace(":", " ").split()
        assert str(right[number]) not in words


# What is on the servers -------------------------------------------------------------


@pytest.fixture
def elsewhere(begun: Settings) -> Any:
    """The same log and servers, with a namespace in which nothing has been made yet."""
    settings = begun.model_copy(update={"namespace": f"{begun.namespace}x-"})
    yield settings
    client = elasticsearch(settings)
    client.indices.delete(index=settings.index("practice-plays"), ignore_unavailable=True)
    admin = kafka_admin(settings)
    if settings.topic("practice-plays") in admin.list_topics():
        admin.delete_topics([settings.topic("practice-plays")])
    admin.close()


def plays_of_log(settings: Settings) -> list[dict[str, Any]]:
    return [play._asdict() for play in live.log_plays(settings, 1000)]


KINDS = {"played_at": "date", "zip": "keyword", "event_id": "long", "customer_id": "integer"}


@pytest.mark.parametrize(
    ("kinds", "ids", "told"),
    [
        ({"played_at": "date"}, True, "Elasticsearch guessed"),
        (KINDS | {"zip": "integer"}, True, "does not fit its values"),
        (KINDS, False, "ids that Elasticsearch invents"),
    ],
    ids=["no mapping", "zip as a number", "automatic ids"],
)
def test_1_4_an_index_that_is_not_right_yet(
    kinds: dict[str, str], ids: bool, told: str, elsewhere: Settings
) -> None:
    assert ask("stage1", "1.4", elsewhere).outcome is Outcome.NOT_ATTEMPTED
    client, index = elasticsearch(elsewhere), elsewhere.index("practice-plays")
    fields = {name: {"type": kind} for name, kind in kinds.items()}
    client.indices.create(index=index, mappings={"properties": fields})
    plays = [play for play in plays_of_log(elsewhere) if play["zip"].isdigit()]
    bulk(
        client,
        (
            {"_index": index, "_source": play} | ({"_id": play["event_id"]} if ids else {})
            for play in plays
        ),
    )
    result = ask("stage1", "1.4", elsewhere)
    assert result.outcome is Outcome.NOT_YET and told in result.message


@pytest.mark.parametrize(
    ("key", "told"),
    [
        (lambda play: None, "have no key"),
        (lambda play: str(play["event_id"]).encode(), "different keys"),
        (lambda play: b"0", "in one partition"),
    ],
    ids=["no key", "by event", "one for all"],
)
def test_2_5_a_topic_that_is_not_right_yet(
    key: Callable[[dict[str, Any]], bytes | None], told: str, elsewhere: Settings
) -> None:
    assert ask("stage2", "2.5", elsewhere).outcome is Outcome.NOT_ATTEMPTED
    topic = elsewhere.topic("practice-plays")
    admin = kafka_admin(elsewhere)
    admin.create_topics([NewTopic(topic, num_partitions=2, replication_factor=1)])
    admin.close()
    sender = producer(elsewhere)
    for play in plays_of_log(elsewhere):
        sender.send(topic, b"{}", key(play))
    sender.close()
    result = ask("stage2", "2.5", elsewhere)
    assert result.outcome is Outcome.NOT_YET and told in result.message


def test_4_3_a_counter_that_is_not_right_yet(begun: Settings) -> None:
    client, key = redis_client(begun), begun.key("practice:artists")
    client.delete(key)
    assert ask("stage4", "4.3", begun).outcome is Outcome.NOT_ATTEMPTED
    artists = live.documents(begun, "plays", "event_id", "artist")["artist"].value_counts()
    twice = {artist: 2 * int(n) for artist, n in artists.items()}
    for values, told in (
        ({a: int(n) for a, n in artists.head(10).items()}, "ten buckets"),
        (twice, "a multiple of what it should be"),
        ({"nobody": 1}, "no artist of index plays"),
    ):
        client.delete(key)
        client.hset(key, mapping=values)
        result = ask("stage4", "4.3", begun)
        assert result.outcome is Outcome.NOT_YET and told in result.message
    client.delete(key)
    client.set(key, 1)
    assert "is a string" in ask("stage4", "4.3", begun).message
    client.delete(key)
