"""What only lessons need: one module a notebook, the start of a stage, exercises and checks.

``begin(stage=N)`` makes what the stages before N leave behind; ``check.stageN("N.1", answer)``
says whether an exercise is solved. Nothing outside this folder but the commands and the demo
imports it.
"""

from workshop_lib.lessons import notebook_errors
from workshop_lib.lessons.begin import begin
from workshop_lib.lessons.exercises import check

__all__ = ["begin", "check", "notebook_errors"]
