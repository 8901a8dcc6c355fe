"""What only a lesson needs: the start of a stage, exercises and their checks, starting over.

``begin(stage=N)`` makes what the stages before N leave behind; ``check.stageN("N.1", answer)``
says whether an exercise is solved. Nothing outside this folder but the commands and the demo
imports it.
"""

from workshop_lib.lessons.begin import begin
from workshop_lib.lessons.exercises import check

__all__ = ["begin", "check"]
