"""Waiting for a condition, never for a length of time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

from workshop_lib.errors import WorkshopError

T = TypeVar("T")

#: Seconds after which something that is slow on a busy machine counts as failed.
SERVER_SECONDS: Final = 120
CONTAINERS_SECONDS: Final = 600  # the slowest is Kibana's first start
KIBANA_SECONDS: Final = 120.0
PAGE_SECONDS: Final = 30
JUPYTER_SECONDS: Final = 120
CLASS_ARCHIVE_SECONDS: Final = 600
SPARK_SECONDS: Final = 900
LOGSTASH_SECONDS: Final = 300
DEMO_SECONDS: Final = 600

#: Seconds between two questions of whoever waits: a tenth of what has passed, within these.
SHORTEST, LONGEST = 0.1, 0.5


def wait_until(
    predicate: Callable[[], T],
    timeout: float,
    what: str = "the condition",
    every: float | None = None,
) -> T:
    """Call ``predicate`` until it returns something true, and return that.

    ``timeout`` and ``every`` are seconds. Without ``every`` it is called ten times a second, and
    less often the longer it takes, as each question costs somebody's processor time. Raises
    ``WorkshopError`` naming ``what`` when the time is up. An exception of the predicate is the
    caller's: a predicate that may fail for a while catches what it expects.
    """
    began = time.monotonic()
    deadline = began + timeout
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise WorkshopError(f"Timed out after {timeout:g} s waiting for {what}.")
        passed = time.monotonic() - began
        time.sleep(min(max(SHORTEST, passed / 10), LONGEST) if every is None else every)
