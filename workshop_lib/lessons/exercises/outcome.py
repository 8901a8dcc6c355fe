"""What a check says: an outcome, and first of all a message about the learner's own value.

In: what a check found. Out: ``Result``, which shows itself as text and as simple HTML. A
check passes by returning, and says anything else by raising ``NotYet`` or ``NotAttempted``.
No message ever holds the expected value: whoever reads it still has the pleasure of finding it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from html import escape
from typing import Any


class Outcome(StrEnum):
    PASSED = "passed"
    NOT_YET = "not yet"
    NOT_ATTEMPTED = "not attempted"
    STACK_DOWN = "stack down"


#: Never colour alone: a sign and the word say the same.
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
    """What is not right yet, told from the learner's side."""


class NotAttempted(Exception):
    """Nothing to judge: the blank is still blank."""


class CheckFailed(AssertionError):
    """In strict mode: the outcome is another than passed."""


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
        """Where help is; only for whom it may help."""
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
    text = " ".join(repr(value).split())
    return text if len(text) <= longest else text[: longest - 2] + " …"


def attempted(answer: Any) -> None:
    """``NotAttempted`` when ``answer`` is the blank of the exercise."""
    if answer is ...:
        raise NotAttempted("Replace the ... by your answer.")


def of_type(answer: Any, kind: type | tuple[type, ...], called: str) -> None:
    """``NotYet`` when ``answer`` is not of ``kind``; ``called`` says what is asked for."""
    if not isinstance(answer, kind) or isinstance(answer, bool):
        raise NotYet(f"You have {shown(answer)}, of type {type(answer).__name__}. Give {called}.")


def call(function: Callable[..., Any], *arguments: Any, about: str = "") -> Any:
    """What the learner's ``function`` returns; its error, if it has one, in one line.

    ``about``: in which case it was called.
    """
    attempted(function)
    if not callable(function):
        raise NotYet(f"You have {shown(function)}. Give the function itself.")
    try:
        return function(*arguments)
    except NotImplementedError:
        raise NotAttempted("Replace the line that raises NotImplementedError.") from None
    except Exception as error:
        first = (str(error).splitlines() or [""])[0][:200]
        raise NotYet(
            f"Your function raised {type(error).__name__}: {first}"
            + (f", when called {about}." if about else ".")
        ) from error
