"""Retries: pauses grow, a limit ends them with one clear line, ``stop`` ends them at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime.retry import Stopped, retry_with_backoff


def failing(times: int, error: type[Exception] = ConnectionError) -> Callable[[], int]:
    """A call that fails so many times, then returns the number of its attempts."""
    attempts = 0

    def call() -> int:
        nonlocal attempts
        attempts += 1
        if attempts <= times:
            raise error("away")
        return attempts

    return call


def test_a_call_is_repeated_with_growing_pauses_until_it_succeeds() -> None:
    pauses: list[float] = []
    result = retry_with_backoff(
        failing(5),
        ConnectionError,
        server="Kafka",
        first_pause=0.01,
        longest_pause=0.04,
        before_pause=lambda error, pause: pauses.append(pause),
    )
    assert result == 6
    for pause, longest in zip(pauses, (0.01, 0.02, 0.04, 0.04, 0.04), strict=True):
        assert longest / 2 <= pause <= longest


def test_after_the_limit_one_line_names_the_server() -> None:
    with pytest.raises(WorkshopError, match=r"Redis did not answer for 0\.05 s \(OSError\)"):
        retry_with_backoff(
            failing(10**6, OSError), OSError, server="Redis", seconds=0.05, first_pause=0.01
        )


def test_other_errors_are_not_repeated() -> None:
    with pytest.raises(KeyError):
        retry_with_backoff(failing(1, KeyError), (OSError, ValueError), server="Redis")


def test_a_test_of_the_exception_decides() -> None:
    with pytest.raises(ValueError, match="away"):
        retry_with_backoff(
            failing(1, ValueError), lambda error: "full" in str(error), server="Redis"
        )


def test_stop_ends_a_pause_at_once_and_without_another_attempt() -> None:
    stop = threading.Event()
    call = failing(1)
    threading.Timer(0.05, stop.set).start()
    begin = time.monotonic()
    with pytest.raises(Stopped):
        retry_with_backoff(
            call, ConnectionError, server="Redis", first_pause=60, longest_pause=60, stop=stop
        )
    assert time.monotonic() - begin < 5
    assert call() == 2
