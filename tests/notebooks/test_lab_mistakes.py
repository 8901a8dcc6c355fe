"""The find-the-bug lab: the solution passes, the code as found is "not attempted", and each
half-way repair gets a message of its own."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from workshop_lib.lessons.exercises import check
from workshop_lib.lessons.exercises.generate import as_found
from workshop_lib.lessons.exercises.lab import NOTEBOOK
from workshop_lib.lessons.exercises.open_redis import problem
from workshop_lib.lessons.exercises.outcome import Outcome
from workshop_lib.schema.play import parse
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


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))[1:]


def once(lines: list[bytes]) -> dict[int, int]:
    return {parse(line).customer_id: 1 for line in lines}


def one_by_one(path: Path) -> tuple[list[Any], list[Any]]:
    lines = path.read_text(errors="replace").splitlines()
    accepted = [line for line in lines if len(next(csv.reader([line]), [])) == 6]
    return accepted, lines[len(accepted) :]


def good_ones(path: Path) -> tuple[list[Any], list[Any]]:
    accepted = []
    for line in path.read_bytes().splitlines():
        try:
            accepted.append(parse(line))
        except ValueError:
            continue
    return accepted, []


CLOSED = "bind 127.0.0.1\nprotected-mode yes\nrequirepass "
MISTAKES: dict[str, tuple[tuple[Any, str], ...]] = {
    "L.1": (
        (lambda path: {n: int(row[7]) for n, row in enumerate(rows(path))}, "out of order"),
        (lambda path: {row[0]: int(row[7]) for row in rows(path)}, "are numbers"),
        (lambda path: {int(r[0]): int(r[7]) for r in rows(path) if int(r[0])}, "missing"),
        (lambda path: {int(r[0]): int(r[6]) for r in rows(path)}, "somebody else's"),
        (lambda path: [int(row[7]) for row in rows(path)], "dictionary"),
    ),
    "L.2": (
        (once, "more than once"),
        (lambda lines: Counter([parse(lines[0]).customer_id]), "How often"),
        (lambda lines: len(lines), "dictionary"),
    ),
    "L.3": (
        (lambda plays, out: sorted({p.customer_id for p in plays}), "opted out"),
        (lambda plays, out: sorted({p.customer_id for p in plays} - out - {1}), "is not in it"),
        (lambda plays, out: [p.customer_id for p in plays if p.customer_id not in out], "twice"),
        (lambda plays, out: sorted({p.customer_id for p in plays} - out)[::-1], "in order"),
        (lambda plays, out: {p.customer_id for p in plays} - out, "list"),
    ),
    "L.4": (
        (one_by_one, "every line once"),
        (good_ones, "gone"),
        (lambda path: path.read_bytes().splitlines(), "two lists"),
    ),
    "L.5": (
        (lambda plays: dict(Counter(p["arrived_at"][:16] for p in plays)), "Kafka took"),
        (lambda plays: dict(Counter(p["played_at"][:13] for p in plays)), "form"),
        (lambda plays: dict(Counter(p["played_at"][:16] for p in plays[1:])), "not those"),
    ),
    "L.6": (
        ("protected-mode yes\nrequirepass try-and-guess-this-one", "every address"),
        ("bind 127.0.0.1 192.168.1.4\nrequirepass try-and-guess-this-one", "192.168.1.4"),
        ("bind 127.0.0.1", "no password"),
        (CLOSED + "secret", "6 characters"),
        ("bind 127.0.0.1\nprotected-mode no\nrequirepass try-and-guess-this-one", "no. The day"),
        (CLOSED + "try-and-guess-this-one\nmaxmemory a-lot", "did not start"),
        (CLOSED + "try-and-guess-this-one\nloadmodule /tmp/x.so", "loadmodule"),
    ),
}


def test_each_exercise_of_the_lab_has_its_mistakes() -> None:
    assert set(check.lab.exercises) == set(NAMES) == set(MISTAKES)
    assert min(map(len, MISTAKES.values())) >= 2


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
    ("number", "which"), [(n, i) for n, each in MISTAKES.items() for i in range(len(each))]
)
def test_a_half_way_repair_is_told_what_it_does(number: str, which: int, begun: Settings) -> None:
    mistake, words = MISTAKES[number][which]
    result = check.lab(number, mistake, settings=begun)
    assert result.outcome is Outcome.NOT_YET
    assert words in result.message


@pytest.mark.parametrize("number", NAMES)
def test_no_two_mistakes_get_the_same_message(number: str, begun: Settings) -> None:
    told = [check.lab(number, mistake, settings=begun).message for mistake, _ in MISTAKES[number]]
    assert len(set(told)) == len(told)


def test_a_redis_that_would_be_open_is_never_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(*words: Any, **how: Any) -> None:
        raise AssertionError("it was started")

    monkeypatch.setattr("workshop_lib.lessons.exercises.open_redis.subprocess.Popen", start)
    for text, _ in MISTAKES["L.6"][:2]:
        assert "not started" in problem(text)
    with pytest.raises(AssertionError, match="it was started"):
        problem(CLOSED + "try-and-guess-this-one")
