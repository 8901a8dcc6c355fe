"""A place beside the real one, to break things in.

In: Settings. Out: Settings of the same servers and the same world, with topics, indices,
keys and files of their own, empty. What goes wrong there changes nothing here.
"""

from __future__ import annotations

from workshop_lib.settings import Settings
from workshop_lib.teach.reset import reset


def playground(settings: Settings, name: str) -> Settings:
    """Settings of the playground ``name``; what an earlier run left there is cleared."""
    place = settings.model_copy(
        update={
            "namespace": f"{settings.namespace}{name}-",
            "home": settings.home / name,
            "data": settings.world,
        }
    )
    reset(place)
    return place
