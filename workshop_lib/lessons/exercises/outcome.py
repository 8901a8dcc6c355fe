"""What a check says: an outcome, and first of all a message about the learner's own value.

In: what a check found. Out: ``Result``, which shows itself as text and as simple HTML. A
check passes by returning, and says anything else by raising ``NotYet`` or ``NotAttempted``.
No message holds the expected value: the learner finds it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from html import escape
from typing import Any

import numpy as np
import pandas as pd


class Outcome(StrEnum):
    PASSED = "passed"
    NOT_YET = "not yet"
    NOT_ATTEMPTED = "not attempted"
    STACK_DOWN = "stack down"


#: Never colour alone: the sign and the word say the same.
SIGNS = {
    Outcome.PASSED: "✓",
    Outcome.NOT_YET: "✗",
    Outcome.NOT_ATTEMPTED: "○",
    Outcome.STACK_DOWN: "!",
}
_COLOURS = {
    Outcome.PASSED: "#2e7d32",
    Outcome.NOT_YET: "#b26a00",
    Outcome.NOT_ATTEMPTED: "#757575",
    Outcome.STACK_DOWN: "#b71c1c",
}


class NotYet(Exception):
    """What is not right yet about the learner's own value."""


class NotAttempted(Exception):
    """Nothing to judge: the blank is still blank."""


class CheckFailed(AssertionError):
    """In strict mode: an exercise has not passed."""


@dataclass(frozen=True)
class Exercise:
    """``check(settings, *answer)`` looks at the answer and at the servers.

    ``live``: it takes no answer, all that counts is on the servers.
    """

    number: str
    title: str
    check: Callable[..., None]
    hints: tuple[str, ...]
    live: bool = False


@dataclass(frozen=True, repr=False)
class Result:
    """The outcome of one exercise; ``where`` names its checks, as ``check.stage2``."""

    exercise: str
    outcome: Outcome
    message: str
    where: str = ""

    @property
    def passed(self) -> bool:
        return self.outcome is Outcome.PASSED

    @property
    def head(self) -> str:
        return f"{SIGNS[self.outcome]} Exercise {self.exercise}: {self.outcome}"

    @property
    def foot(self) -> str:
        """Where to find a hint, unless it has passed."""
        helps = self.outcome in (Outcome.NOT_YET, Outcome.NOT_ATTEMPTED) and self.where
        return f'A hint: {self.where}.hint("{self.exercise}")' if helps else ""

    def __repr__(self) -> str:
        return "\n".join(filter(None, (self.head, self.message, self.foot)))

    def _repr_html_(self) -> str:
        style = f"border-left: 4px solid {_COLOURS[self.outcome]}; padding: 4px 12px"
        foot = f"<br><code>{escape(self.foot)}</code>" if self.foot else ""
        message = escape(self.message).replace("\n", "<br>")
        return f'<div style="{style}"><b>{escape(self.head)}</b><br>{message}{foot}</div>'


def shown(value: Any, longest: int = 160) -> str:
    """The learner's value, in one line that is not too long."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # a class of the learner's own may have a broken __repr__
        text = f"a {type(value).__name__}"
    return text if len(text) <= longest else text[: longest - 2] + " …"


def plain(value: Any) -> Any:
    """``value`` with Python's own numbers, lists and dictionaries instead of those of numpy and
    pandas: a right answer is right in either."""
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, np.ndarray | pd.Index):
        return [plain(each) for each in value.tolist()]
    if isinstance(value, pd.Series):
        return {plain(key): plain(each) for key, each in value.items()}
    if isinstance(value, Mapping):
        return {plain(key): plain(each) for key, each in value.items()}
    if type(value) in (list, tuple, set, frozenset):
        return type(value)(plain(each) for each in value)
    return value


def attempted(answer: Any) -> None:
    """``NotAttempted`` when ``answer`` is the blank of the exercise."""
    if answer is ...:
        raise NotAttempted("Replace the ... by your answer.")


def of_type(answer: Any, kind: type | tuple[type, ...], called: str) -> None:
    """``NotYet`` when ``answer`` is not of ``kind``; ``called`` says what is asked for."""
    if not isinstance(answer, kind) or isinstance(answer, bool):
        raise NotYet(f"You have {shown(answer)}, of type {type(answer).__name__}. Give {called}.")


def numbers(values: Iterable[Any], called: str) -> None:
    """``NotYet`` for the first of ``values`` that is not a number; ``called`` names it."""
    for value in values:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise NotYet(
                f"You have {shown(value)} as {called}, of type {type(value).__name__}. That must"
                " be a number."
            )


def equals(yours: float, truth: float) -> bool:
    """Whether ``yours`` is ``truth``, or ``truth`` rounded to two decimals or more.

    A truth half way between two numbers may be rounded to either: the last bit of a division
    decides, and Elasticsearch, pandas and Spark divide in their own order.
    """
    away = abs(yours - truth)
    return away < 1e-6 or any(
        abs(yours - round(yours, digits)) < 1e-9 and away <= 0.5 * 10**-digits + 1e-9
        for digits in range(2, 7)
    )


def call(function: Callable[..., Any], *arguments: Any, about: str = "") -> Any:
    """What the learner's ``function`` returns, as ``plain`` has it; its error in one line.

    ``about``: in which case it was called.
    """
    attempted(function)
    if not callable(function):
        raise NotYet(f"You have {shown(function)}. Give the function itself.")
    try:
        return plain(function(*arguments))
    except NotImplementedError:
        raise NotAttempted("Replace the line that raises NotImplementedError.") from None
    except (Exception, SystemExit) as error:
        raise NotYet(
            f"Your function raised {first_line(error)}"
            + (f", when called {about}." if about else ".")
        ) from error


def first_line(error: BaseException) -> str:
    """Type and first line of an error."""
    first = (str(error).splitlines() or [""])[0][:200]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
