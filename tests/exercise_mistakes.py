"""Answers to each exercise, right ones of different kinds and typical mistakes, most of them made
of the solution; and what a check says about each mistake alone.

In: nothing. Out: ``ANSWERS``, by number of the exercise, of the modules ``answers_…`` beside this.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from workshop_lib.settings import Settings


class Answer(NamedTuple):
    """``made`` of the solution's answer and the settings; ``message`` is in the check's message
    alone, or None when the answer is right."""

    what: str
    made: Callable[[Any, Settings], Any]
    message: str | None = None


def fixed(answer: Any) -> Callable[[Any, Settings], Any]:
    """An answer that does not need the solution's."""
    return lambda solution, settings: answer


def right(what: str, made: Callable[[Any, Settings], Any]) -> Answer:
    return Answer(what, made)


def without(answer: dict[Any, Any], key: Any) -> dict[Any, Any]:
    return {k: v for k, v in answer.items() if k != key}


def all_answers() -> dict[str, list[Answer]]:
    import answers_lab
    import answers_stage1
    import answers_stage2
    import answers_stage3
    import answers_stage4

    modules = (answers_stage1, answers_stage2, answers_stage3, answers_stage4, answers_lab)
    return {number: each for module in modules for number, each in module.ANSWERS.items()}
