"""Python's garbage collector, where it only costs."""

from __future__ import annotations

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

#: Objects that were made and not freed before the youngest are looked at; Python's own is 700.
YOUNGEST: Final = 10_000


def look_seldom() -> None:
    """Collect less often in this process, and not once more when it ends.

    The clients of all servers are 150,000 objects that stay. While they are imported, the
    collector would go through them nearly 400 times, and once more when Python ends: together a
    third of the processor time of a short command.
    """
    gc.set_threshold(YOUNGEST)
    atexit.register(gc.freeze)  # registered first, it comes last


@contextmanager
def paused() -> Iterator[None]:
    """In the body nothing is collected: for code that makes very many objects at once.

    Each time that their number has grown, the collector would look at all of them again, and find
    that they are in use.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
