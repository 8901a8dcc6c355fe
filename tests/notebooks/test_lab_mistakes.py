"""The find-the-bug lab: the solution passes, the code as found is "not attempted", and each
half-way repair gets a message of its own."""

from __future__ import annotations

from typing import Any

import pytest
from answers_lab import ANSWERS, CLOSED, SECRET
from exercise_mistakes import Answer

from workshop_lib.lessons.exercises import check
from workshop_lib.lessons.exercises.generate import as_found
from workshop_lib.lessons.exercises.lab import NOTEBOOK
from workshop_lib.lessons.exercises.open_redis import problem
from workshop_lib.lessons.exercises.outcome import Outcome
from workshop_lib.settings import Settings

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

NAMES = {
    "L.1": "levels",
    "L.2": "plays_per_listener",
    "L.3": "recipients",
    "L.4": "read_plays",
    "L.5": "per_minute",
    "L.6": "answer",
}


def test_each_exercise_of_the_lab_has_right_answers_and_mistakes() -> None:
    assert set(check.lab.exercises) == set(NAMES) == set(ANSWERS)
    for answers in ANSWERS.values():
        messages = [answer.message for answer in answers]
        assert messages.count(None) >= 2 and len(set(messages) - {None}) >= 5


@pytest.mark.parametrize("number", NAMES)
def test_the_code_as_found_is_not_attempted(number: str, begun: Settings) -> None:
    scope: dict[str, Any] = {}
    exec(as_found(NOTEBOOK, number), scope)
    result = check.lab(number, scope[NAMES[number]], settings=begun)
    assert result.outcome is Outcome.NOT_ATTEMPTED
    # Another comment or line does not make it another code.
    exec("\n\n# looked at\n" + as_found(NOTEBOOK, number), scope)
    result = check.lab(number, scope[NAMES[number]], settings=begun)
    assert result.outcome is Outcome.NOT_ATTEMPTED


@pytest.mark.parametrize(
    ("number", "answer"),
    [pytest.param(n, each, id=f"{n} {each.what}") for n, all_ in ANSWERS.items() for each in all_],
)
def test_a_correction_passes_and_a_half_way_one_is_told_what_it_does(
    number: str, answer: Answer, begun: Settings
) -> None:
    result = check.lab(number, answer.made(None, begun), settings=begun)
    if answer.message is None:
        assert result.passed, result.message
        return
    assert result.outcome is Outcome.NOT_YET and answer.message in result.message
    assert "Judging your answer raised" not in result.message


@pytest.mark.parametrize("number", NAMES)
def test_no_two_mistakes_get_the_same_message(number: str, begun: Settings) -> None:
    told = [
        check.lab(number, answer.made(None, begun), settings=begun).message
        for answer in ANSWERS[number]
        if answer.message
    ]
    assert len(set(told)) == len(told)


def test_a_redis_that_would_be_open_is_never_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(*words: Any, **how: Any) -> None:
        raise AssertionError("it was started")

    monkeypatch.setattr("workshop_lib.lessons.exercises.open_redis.subprocess.Popen", start)
    for text in ("protected-mode yes", f"bind 127.0.0.1 192.168.1.4\nrequirepass {SECRET}"):
        assert "not started" in problem(text)
    with pytest.raises(AssertionError, match="it was started"):
        problem(CLOSED + SECRET)
