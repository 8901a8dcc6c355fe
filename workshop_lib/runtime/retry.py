"""A server that is away for a while: wait for it, then say so."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from workshop_lib.errors import WorkshopError

T = TypeVar("T")


def patiently(
    call: Callable[[], T],
    unreachable: tuple[type[Exception], ...],
    seconds: float,
    server: str,
) -> T:
    """``call()``, again with growing pauses while it raises one of ``unreachable``.

    Raises ``WorkshopError`` naming ``server`` when that lasted ``seconds``. ``call`` must
    bear being repeated.
    """
    deadline = time.monotonic() + seconds
    pause = 0.2
    while True:
        try:
            return call()
        except unreachable as error:
            if time.monotonic() + pause > deadline:
                raise WorkshopError(
                    f"{server} did not answer for {seconds:g} s ({type(error).__name__}).",
                    "See `workshop status`; start again and the stream goes on from there.",
                ) from error
        time.sleep(pause)
        pause = min(2 * pause, 5.0)
