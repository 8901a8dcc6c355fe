"""The one exception a user is meant to read: what went wrong, and what to do about it."""

from __future__ import annotations


class WorkshopError(Exception):
    """A failure the user can act on.

    ``message`` says what is wrong in one line, ``todo`` what to do next. The
    command line prints both and exits with 1; a traceback only with ``--debug``.
    """

    def __init__(self, message: str, todo: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.todo = todo

    def __str__(self) -> str:
        return f"{self.message} {self.todo}".strip()

    def _render_traceback_(self) -> list[str]:
        """In a notebook, too, one line instead of a traceback: IPython asks for this."""
        return [str(self)]
