"""A topic, indices and keys of a lesson's own, beside the real ones.

In: Settings and a name. Out: Settings whose every name and folder is apart, so that all of
``workshop_lib.stream`` runs on them unchanged, and nothing of the learner's is touched.
"""

from __future__ import annotations

from workshop_lib.runtime.connections import create_topics
from workshop_lib.settings import Settings
from workshop_lib.stack.reset import apart, remove, reset

__all__ = ["remove", "sandbox"]


def sandbox(settings: Settings, name: str, partitions: int = 1) -> Settings:
    """Settings of a clean place ``name``; its topic ``plays`` has so many partitions.

    With one partition, plays arrive in the order in which they are sent.
    """
    mine = apart(settings, name).model_copy(update={"plays_partitions": partitions})
    reset(mine)
    create_topics(mine)
    return mine
