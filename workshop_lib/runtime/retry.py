"""Retry with exponential backoff and jitter: a server that is away for a while is waited for."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Event
from typing import TypeVar

import tenacity

from workshop_lib.errors import WorkshopError

T = TypeVar("T")

logger = logging.getLogger(__name__)


class Stopped(Exception):
    """The caller's ``stop`` was set while a call was waiting for its next attempt."""


def retry_with_backoff(
    call: Callable[[], T],
    on: type[Exception] | tuple[type[Exception], ...] | Callable[[BaseException], bool],
    *,
    server: str,
    seconds: float | None = None,
    first_pause: float = 0.2,
    longest_pause: float = 5.0,
    stop: Event | None = None,
    before_pause: Callable[[BaseException, float], None] | None = None,
) -> T:
    """``call()``, called again with growing pauses while it raises an error that ``on`` names.

    ``call`` must be safe to repeat. ``on`` is exception classes or a test of the exception.
    ``seconds``: raise ``WorkshopError`` naming ``server`` when it has failed for so long; None
    for no limit. ``stop``: raise ``Stopped`` when it is set during a pause. ``before_pause`` is
    called with the error and the length of the pause; by default both are logged at INFO.
    """

    def log_pause(error: BaseException, pause: float) -> None:
        logger.info("%s: %s; next attempt in %.1f s", server, type(error).__name__, pause)

    def before_sleep(state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if error is not None:
            (before_pause or log_pause)(error, state.upcoming_sleep)

    def sleep(pause: float) -> None:
        if (stop or Event()).wait(pause):
            raise Stopped

    def give_up(state: tenacity.RetryCallState) -> T:
        error = state.outcome.exception() if state.outcome else None
        # Our own errors say in one line what a server answered; those of clients are long.
        reason = f": {error}" if isinstance(error, ConnectionError) and str(error) else ""
        raise WorkshopError(
            f"{server} did not answer for {seconds:g} s ({type(error).__name__}{reason}).",
            "See `workshop status`; start again and it continues from there.",
        ) from error

    is_class = isinstance(on, type | tuple)
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(on) if is_class else tenacity.retry_if_exception(on),  # type: ignore[arg-type]
        stop=tenacity.stop_never if seconds is None else tenacity.stop_before_delay(seconds),
        # Half fixed, half random: many workers do not come back at the same moment.
        wait=tenacity.wait_exponential(first_pause / 2, longest_pause / 2)
        + tenacity.wait_random_exponential(first_pause / 2, longest_pause / 2),
        before_sleep=before_sleep,
        sleep=sleep,
        retry_error_callback=give_up,
    )(call)
