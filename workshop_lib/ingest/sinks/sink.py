"""What a shipper asks of its target.

A target delivers and has it acknowledged; or raises ``Unavailable``, then the caller delivers the
same batch again: at least once, and ids make duplicates harmless. It connects, and creates its
topic or index, when it first needs them and after each failure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from workshop_lib.ingest.dead_letters import DeadLetter
from workshop_lib.schema.play import Play


class Unavailable(Exception):
    """The server does not take the batch now, but may later. The message is one line."""


class RejectedPlay(NamedTuple):
    """Play number ``place`` of the batch, which the target will never take, and why."""

    place: int
    reason: str


class Sink(Protocol):
    """One of the two targets."""

    def deliver(self, plays: Sequence[Play]) -> list[RejectedPlay]:
        """Send ``plays`` and wait until all but those returned are acknowledged."""

    def send_to_dead_letter(self, letters: Sequence[DeadLetter]) -> None:
        """Write ``letters`` to this target's dead letters, and wait until they are stored."""

    def close(self) -> None:
        """Close the connection without waiting for acknowledgements."""
