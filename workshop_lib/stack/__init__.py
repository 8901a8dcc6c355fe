"""The servers of the workshop: fetched, started, watched and stopped.

``up`` starts what is not running, ``down`` stops all of it, ``status`` says how each is.
"""

from workshop_lib.stack.embedded import ServiceStatus, down, remove, resident, status, up

__all__ = ["ServiceStatus", "down", "remove", "resident", "status", "up"]
