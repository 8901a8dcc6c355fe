"""What happened to the cells of a notebook: a check must not judge an older answer.

In: IPython's events; a cell of an exercise begins with ``# Exercise 1.2: …``. Out: why the
exercise's last run gave no answer. A cell with an error leaves the variables of the exercise
before it, and a check of those would say something false.
"""

from __future__ import annotations

from typing import Any

from workshop_lib.lessons.exercises.generate import TITLE
from workshop_lib.lessons.exercises.outcome import first_line

#: Exercise number → the error of its last run, or None.
_LAST: dict[str, BaseException | None] = {}
#: The shell whose events are noted.
_shell: Any = None


def watch() -> None:
    """Note from now on how cells end; once, and only inside IPython."""
    global _shell
    try:
        from IPython.core.getipython import get_ipython
    except ImportError:
        return
    shell = get_ipython()
    if shell is not None and shell is not _shell:
        _shell = shell
        shell.events.register("post_run_cell", note)


def note(result: Any) -> None:
    """IPython's ``post_run_cell``."""
    source = getattr(result.info, "raw_cell", None) or ""
    title = TITLE.match(source.lstrip().split("\n")[0])
    if title:
        _LAST[title[1]] = result.error_before_exec or result.error_in_exec


def failure(number: str) -> str | None:
    """What to say of an exercise whose cell ended with an error, else None."""
    error = _LAST.get(number)
    if error is None or isinstance(error, NotImplementedError):
        return None
    where = f" in line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
    return (
        f"The cell of exercise {number} ended with {first_line(error)}{where}. Correct it and run"
        " it again, then the check."
    )
