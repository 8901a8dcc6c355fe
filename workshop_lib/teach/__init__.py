"""What only a lesson needs: the start of a stage, exercises and their checks, starting over.

``begin(stage=N)`` makes what the stages before N leave behind. Nothing outside this folder
but the commands and the demo imports it.
"""

from workshop_lib.teach.begin import begin

__all__ = ["begin"]
