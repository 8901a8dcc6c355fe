"""What each exercise says to a blank, to right answers of different kinds, to typical mistakes,
and when a server is away.

The solutions' answers are those of ``solutions/``, run here cell by cell; most others are made
of them. All against the same live data, without a notebook.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from answers_stage1 import INDEXED
from answers_stage2 import SENT
from exercise_mistakes import Answer, all_answers

from workshop_lib.lessons.exercises import check
from workshop_lib.lessons.exercises.generate import TITLE, code_cells
from workshop_lib.lessons.exercises.outcome import Outcome, Result
from workshop_lib.runtime.connections import elasticsearch, kafka_admin
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
    "2.6": "to_index",
    "4.1": "busiest_states",
    "4.3": "count_artists",
    "4.5": "lag",
    "4.6": "read_events",
}
#: Without those of the lab, which ``test_lab_mistakes`` has.
ANSWERS = {number: each for number, each in all_answers().items() if number[0] != "L"}
CASES = [
    pytest.param(name, number, answer, id=f"{number} {answer.what}")
    for name, number in ANSWERED
    for answer in ANSWERS[number]
]

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


# Answers ----------------------------------------------------------------------------


def test_every_exercise_has_right_answers_of_three_kinds_and_five_mistakes() -> None:
    assert set(ANSWERS) == {number for _, number in ANSWERED}
    for each in (*ANSWERS.values(),):
        messages = [answer.message for answer in each]
        assert messages.count(None) >= 2  # beside the solution
        assert len(set(messages) - {None}) >= 5
    for told in (INDEXED, SENT):
        messages = [message for _, message in told.values()]
        assert messages.count(None) >= 3 and len(set(messages) - {None}) >= 5


@pytest.mark.parametrize(("name", "number"), ANSWERED)
def test_the_answer_of_the_solutions_passes(
    name: str, number: str, begun: Settings, right: dict[str, Any], spark: Any
) -> None:
    assert repr(ask(name, number, begun, right[number])).splitlines()[1:] == [
        "These checks passed."
    ]


@pytest.mark.parametrize(("name", "number", "answer"), CASES)
def test_right_answers_pass_and_a_mistake_gets_its_own_message_without_the_answer(
    name: str, number: str, answer: Answer, begun: Settings, right: dict[str, Any], spark: Any
) -> None:
    result = ask(name, number, begun, answer.made(right[number], begun))
    if answer.message is None:
        assert result.passed, result.message
        return
    assert result.outcome is Outcome.NOT_YET and answer.message in result.message
    assert "Judging your answer raised" not in result.message
    others = {other.message for other in ANSWERS[number]} - {answer.message, None}
    assert not [told for told in others if told and told in result.message]
    # A short number may stand within a longer one: the whole number may not be told.
    if isinstance(right[number], int):
        assert str(right[number]) not in re.findall(r"\d+", result.message.replace(",", ""))
    elif not callable(right[number]):
        assert repr(right[number]) not in result.message


@pytest.mark.parametrize(("name", "number"), ANSWERED)
def test_no_answer_raises_a_traceback(name: str, number: str, begun: Settings, spark: Any) -> None:
    for strange in (None, {}, object(), {1: {}}, lambda *of: None, lambda *of: {"a": {}}):
        result = ask(name, number, begun, strange)
        assert result.outcome is Outcome.NOT_YET and result.message


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


@pytest.mark.parametrize("which", INDEXED)
def test_1_4_judges_what_is_in_the_index(which: str, elsewhere: Settings) -> None:
    assert ask("stage1", "1.4", elsewhere).outcome is Outcome.NOT_ATTEMPTED
    put, message = INDEXED[which]
    put(elsewhere)
    result = ask("stage1", "1.4", elsewhere)
    assert message in result.message if message else result.passed, result.message


@pytest.mark.parametrize("which", SENT)
def test_2_5_judges_what_is_in_the_topic(which: str, elsewhere: Settings) -> None:
    assert ask("stage2", "2.5", elsewhere).outcome is Outcome.NOT_ATTEMPTED
    send, message = SENT[which]
    send(elsewhere)
    result = ask("stage2", "2.5", elsewhere)
    assert message in result.message if message else result.passed, result.message
