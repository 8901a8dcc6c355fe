"""``check.stage2("2.1", answer)``: is it right? ``.hint("2.1")`` helps, ``.solution`` shows it.

In: the number of an exercise and what it asks for. Out: ``Result``. Looks at the servers as
they are now. An error while judging is an outcome, too, never a traceback. In strict mode
(``strict=True`` or WORKSHOP_STRICT_CHECKS=1) anything but "passed" raises, so that a test sees
it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cached_property
from importlib import import_module
from typing import Any, Final

from workshop_lib.errors import WorkshopError
from workshop_lib.lessons.exercises import notebook_cells
from workshop_lib.lessons.exercises.outcome import (
    CheckFailed,
    Exercise,
    NotAttempted,
    NotYet,
    Outcome,
    Result,
    first_line,
    plain,
    shown,
)
from workshop_lib.lessons.servers import sentence, without_answer
from workshop_lib.settings import Settings

PASSED: Final = "These checks passed."


class Checks:
    """The checks of one notebook of exercises.

    ``name``: of the notebook in ``solutions/`` and of the module in
    ``workshop_lib.lessons.exercises``, which has a table ``EXERCISES``.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._asked: dict[str, int] = {}

    @cached_property
    def exercises(self) -> dict[str, Exercise]:
        module = import_module(f"workshop_lib.lessons.exercises.{self.name}")
        return {exercise.number: exercise for exercise in module.EXERCISES}

    def __call__(
        self,
        number: str,
        *answer: Any,
        settings: Settings | None = None,
        strict: bool | None = None,
    ) -> Result:
        """Check exercise ``number``; its outcome is also noted for ``workshop check``."""
        settings = settings or Settings()
        result, cause = self._judge(self._exercise(number), answer, settings)
        note(settings, self.name, result)
        if (settings.strict_checks if strict is None else strict) and not result.passed:
            raise CheckFailed(repr(result)) from cause
        return result

    def _judge(
        self, exercise: Exercise, answer: tuple[Any, ...], settings: Settings
    ) -> tuple[Result, BaseException | None]:
        """The outcome, and the error that it came from."""

        def result(
            outcome: Outcome, message: str, cause: BaseException | None = None
        ) -> tuple[Result, BaseException | None]:
            return Result(exercise.number, outcome, message, f"check.{self.name}"), cause

        away = without_answer(settings)
        if away:
            return result(Outcome.STACK_DOWN, sentence(away))
        failed = notebook_cells.failure(exercise.number)
        if failed:
            return result(Outcome.NOT_YET, failed)
        try:
            exercise.check(settings, *map(plain, answer))
        except NotAttempted as nothing:
            return result(Outcome.NOT_ATTEMPTED, str(nothing))
        except (NotYet, WorkshopError) as why:
            return result(Outcome.NOT_YET, str(why), why)
        except (Exception, SystemExit) as error:
            away = without_answer(settings)
            if away:  # since we looked
                return result(Outcome.STACK_DOWN, sentence(away))
            yours = f" You gave {shown(answer[0])}." if answer else ""
            return result(
                Outcome.NOT_YET, f"Judging your answer raised {first_line(error)}.{yours}", error
            )
        return result(Outcome.PASSED, PASSED)

    def _exercise(self, number: str) -> Exercise:
        if number not in self.exercises:
            raise WorkshopError(
                f"There is no exercise {number!r} here.", f"There are {', '.join(self.exercises)}."
            )
        return self.exercises[number]

    def hint(self, number: str, which: int | None = None) -> None:
        """Print the next hint, or hint ``which`` (from 1)."""
        hints = self._exercise(number).hints
        turn = which or self._asked.get(number, 0) + 1
        if not 1 <= turn <= len(hints):
            print(f'No more hints. The solution: check.{self.name}.solution("{number}")')
            return
        self._asked[number] = turn
        print(f"Hint {turn} of {len(hints)}: {hints[turn - 1]}")

    def solution(self, number: str) -> None:
        """Print one way to do it. There may be others."""
        if self.name == "capstone":
            print("One way is in the folder solutions/capstone.")
            return
        from workshop_lib.lessons.exercises.generate import SOLUTIONS, solution

        print(solution(SOLUTIONS / f"{self.name}.ipynb", self._exercise(number).number))

    def live(self, settings: Settings | None = None) -> list[Result]:
        """All exercises: what is on the servers is checked now; of the others, the outcome that
        the notebook noted last."""
        settings = settings or Settings()
        known = noted(settings, self.name)
        results = []
        for exercise in self.exercises.values():
            if exercise.live:
                results.append(self(exercise.number, settings=settings, strict=False))
            else:
                results.append(_as_noted(exercise.number, known.get(exercise.number), self.name))
        return results


def _as_noted(number: str, known: dict[str, str] | None, name: str) -> Result:
    where = f"check.{name}"
    if known is None:
        return Result(number, Outcome.NOT_ATTEMPTED, "Not checked in the notebook yet.", where)
    message = f"{known['message']} (in the notebook, {known['at']} UTC)"
    return Result(number, Outcome(known["outcome"]), message, where)


def noted(settings: Settings, name: str) -> dict[str, dict[str, str]]:
    """The last outcome of each exercise of ``name`` that was checked."""
    from workshop_lib.runtime.state_file import load

    return load(settings.home / "checks" / f"{name}.json") or {}


def note(settings: Settings, name: str, result: Result) -> None:
    """Note the outcome, for ``workshop check`` in a terminal."""
    from workshop_lib.runtime.state_file import save

    at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
    known = {"outcome": str(result.outcome), "message": result.message, "at": at}
    path = settings.home / "checks" / f"{name}.json"
    save(path, noted(settings, name) | {result.exercise: known})


notebook_cells.watch()
stage1: Final = Checks("stage1")
stage2: Final = Checks("stage2")
stage3: Final = Checks("stage3")
stage4: Final = Checks("stage4")
lab: Final = Checks("lab")
capstone: Final = Checks("capstone")
