"""What a check says and does with each outcome. No server is behind it, but for a port."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workshop_lib.errors import WorkshopError
from workshop_lib.lessons.exercises import notebook_cells
from workshop_lib.lessons.exercises.check import Checks
from workshop_lib.lessons.exercises.outcome import (
    CheckFailed,
    Exercise,
    NotAttempted,
    NotYet,
    Outcome,
    attempted,
    call,
    equals,
    of_type,
    plain,
    shown,
)
from workshop_lib.settings import Settings


def three(settings: Settings, answer: Any) -> None:
    attempted(answer)
    of_type(answer, int, "a whole number")
    if answer == 0:
        raise WorkshopError("Nothing was replayed yet.", "Run `workshop replay`.")
    if answer == -1:
        raise ZeroDivisionError
    if answer != 3:
        raise NotYet(f"You have {answer} <b>.")


def nothing(settings: Settings) -> None:
    raise NotAttempted("Nothing there.")


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> Checks:
    module = ModuleType("workshop_lib.lessons.exercises.fake")
    module.EXERCISES = (  # type: ignore[attr-defined]
        Exercise("9.1", "Three", three, ("Count.", "Two and one.")),
        Exercise("9.2", "Nothing", nothing, (), live=True),
    )
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return Checks("fake")


@pytest.fixture
def listening(settings: Settings) -> Iterator[Settings]:
    """Settings whose servers take connections, and no more."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        yield settings.model_copy(
            update={
                "kafka_bootstrap": address,
                "elasticsearch_url": f"http://{address}",
                "redis_url": f"redis://{address}/0",
            }
        )


@pytest.mark.parametrize(
    ("answer", "outcome", "message"),
    [
        (3, Outcome.PASSED, "These checks passed."),
        (4, Outcome.NOT_YET, "You have 4 <b>."),
        ("3", Outcome.NOT_YET, "You have '3', of type str. Give a whole number."),
        (True, Outcome.NOT_YET, "You have True, of type bool. Give a whole number."),
        (..., Outcome.NOT_ATTEMPTED, "Replace the ... by your answer."),
        (0, Outcome.NOT_YET, "Nothing was replayed yet. Run `workshop replay`."),
    ],
)
def test_each_outcome_has_its_message(
    checks: Checks, listening: Settings, answer: Any, outcome: Outcome, message: str
) -> None:
    result = checks("9.1", answer, settings=listening)
    assert (result.outcome, result.message) == (outcome, message)
    assert result.passed == (outcome is Outcome.PASSED)


def test_a_server_that_is_away_is_told_before_anything_else(
    checks: Checks, listening: Settings
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    settings = listening.model_copy(update={"redis_url": f"redis://127.0.0.1:{port}/0"})
    result = checks("9.1", 4, settings=settings)
    assert result.outcome is Outcome.STACK_DOWN
    assert result.message.startswith("Redis: no answer. Run `workshop up`")


def test_an_error_while_judging_is_not_yet_and_never_a_traceback(
    checks: Checks, listening: Settings
) -> None:
    result = checks("9.1", -1, settings=listening)
    assert result.outcome is Outcome.NOT_YET
    assert result.message == "Judging your answer raised ZeroDivisionError. You gave -1."
    with pytest.raises(CheckFailed) as strict:
        checks("9.1", -1, settings=listening, strict=True)
    assert isinstance(strict.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize(
    ("answer", "plainly"),
    [
        (np.int64(3), 3),
        (np.array([1, 2]), [1, 2]),
        ({np.int32(1): np.float64(0.5)}, {1: 0.5}),
        (Counter({"a": np.int64(2)}), {"a": 2}),
        (pd.Series({"a": 1}), {"a": 1}),
        ({np.int64(1), 2}, {1, 2}),
        (np.True_, True),
    ],
    ids=repr,
)
def test_numbers_of_numpy_and_pandas_are_numbers(answer: Any, plainly: Any) -> None:
    assert plain(answer) == plainly and type(plain(answer)) is type(plainly)


def test_a_rounded_share_is_right() -> None:
    assert all(equals(yours, 0.123456) for yours in (0.12, 0.123, 0.1235, 0.123456))
    assert not any(equals(yours, 0.123456) for yours in (0.1, 0.13, 0.124, 0.2))


def test_a_share_half_way_may_be_rounded_to_either_side() -> None:
    for truth in (0.225, 0.22500000000000003, 0.22499999999999998, 45 / 200, 9 / 40):
        assert all(equals(yours, truth) for yours in (0.22, 0.23, 0.225))
        assert not any(equals(yours, truth) for yours in (0.21, 0.24, 0.2, 0.224, 0.226))


def test_a_cell_that_ended_with_an_error_is_not_judged_by_the_answer_before_it(
    checks: Checks, listening: Settings
) -> None:
    def ran(source: str, before: Exception | None = None, during: Exception | None = None) -> None:
        info = SimpleNamespace(raw_cell=source)
        notebook_cells.note(
            SimpleNamespace(info=info, error_before_exec=before, error_in_exec=during)
        )

    ran("# Exercise 9.1: Three\nanswer = = 3", before=SyntaxError("invalid syntax"))
    result = checks("9.1", 3, settings=listening)
    assert result.outcome is Outcome.NOT_YET
    assert "cell of exercise 9.1 ended with SyntaxError: invalid syntax" in result.message
    ran("# Exercise 9.1: Three\nanswer = x", during=NameError("name 'x' is not defined"))
    assert "NameError" in checks("9.1", 3, settings=listening).message
    ran("answer = 3")  # a cell of something else
    assert not checks("9.1", 3, settings=listening).passed
    ran("# Exercise 9.1: Three\nanswer = 3")
    assert checks("9.1", 3, settings=listening).passed


def test_text_and_page_say_the_same_and_not_by_colour_alone(
    checks: Checks, listening: Settings
) -> None:
    result = checks("9.1", 4, settings=listening)
    assert repr(result) == (
        '✗ Exercise 9.1: not yet\nYou have 4 <b>.\nA hint: check.fake.hint("9.1")'
    )
    page = result._repr_html_()
    assert "✗ Exercise 9.1: not yet" in page and "You have 4 &lt;b&gt;." in page
    assert "hint" not in repr(checks("9.1", 3, settings=listening))


def test_strict_mode_raises_unless_it_passed(checks: Checks, listening: Settings) -> None:
    strict = listening.model_copy(update={"strict_checks": True})
    assert checks("9.1", 3, settings=strict).passed
    for answer in (4, ...):
        with pytest.raises(CheckFailed, match=r"9\.1"):
            checks("9.1", answer, settings=strict)
        with pytest.raises(CheckFailed):
            checks("9.1", answer, settings=listening, strict=True)
        assert not checks("9.1", answer, settings=strict, strict=False).passed


def test_hints_come_one_after_the_other(checks: Checks, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(3):
        checks.hint("9.1")
    checks.hint("9.1", 1)
    first, second, none, again = capsys.readouterr().out.splitlines()
    assert (first, second) == ("Hint 1 of 2: Count.", "Hint 2 of 2: Two and one.")
    assert 'check.fake.solution("9.1")' in none and again == first
    with pytest.raises(WorkshopError, match=r"There are 9\.1, 9\.2"):
        checks.hint("9.7")


def test_a_terminal_knows_what_the_notebook_was_told(checks: Checks, listening: Settings) -> None:
    outcomes = [result.outcome for result in checks.live(listening)]
    assert outcomes == [Outcome.NOT_ATTEMPTED, Outcome.NOT_ATTEMPTED]
    checks("9.1", 3, settings=listening)
    first, second = checks.live(listening)
    assert first.passed and "in the notebook" in first.message
    assert second.message == "Nothing there."


def test_a_function_is_called_and_its_error_is_told() -> None:
    def blank() -> None:
        raise NotImplementedError("Exercise 9.1: …")

    assert call(lambda n: n + 1, 2) == 3
    with pytest.raises(NotAttempted):
        call(blank)
    with pytest.raises(NotYet, match=r"raised KeyError: 'lift', when called with nothing\."):
        call(lambda: {}["lift"], about="with nothing")
    with pytest.raises(NotYet, match=r"You have 3\. Give the function itself"):
        call(3)


def test_a_long_value_is_cut() -> None:
    assert shown({1: "a\nb"}) == r"{1: 'a\nb'}"
    assert len(shown(list(range(1000)))) <= 160


def test_in_a_notebook_an_error_that_can_be_acted_on_is_one_line() -> None:
    code = (
        "from workshop_lib.errors import WorkshopError\n"
        "raise WorkshopError('Nothing was replayed.', 'Run `workshop replay`.')"
    )
    done = subprocess.run(
        [sys.executable, "-m", "IPython", "--no-banner", "--colors=nocolor", "-c", code],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    told = done.stdout + done.stderr
    assert "Nothing was replayed. Run `workshop replay`." in told and "Traceback" not in told
