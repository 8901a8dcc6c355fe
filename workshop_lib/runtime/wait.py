"""Waiting for a condition, never for a length of time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from workshop_lib.errors import WorkshopError

T = TypeVar("T")


def wait_until(
    predicate: Callable[[], T],
    timeout: float,
    what: str = "the condition",
    every: float = 0.1,
) -> T:
    """Call ``predicate`` until it returns something true, and return that.

    ``timeout`` and ``every`` are seconds. Raises ``WorkshopError`` naming ``what``
    when the time is up. An exception of the predicate is the caller's: a predicate
    that may fail for a while catches what it expects.
    """
    deadline = time.monotonic() + timeout
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise WorkshopError(f"Waited {timeout:g} s for {what}, in vain.")
        time.sleep(every)
