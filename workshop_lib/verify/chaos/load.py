"""The load of a chaos run: a log that grows, by a writer that knows all that it wrote.

In: the path of the log, ids of customers and tracks, a rate. Out: lines in the log, and
``Written``. One line in 200 is broken, one in 500 is written twice.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from workshop_lib.verify.chaos.check import Written, WrittenPlay

STEP = 0.1  # seconds between two appends


class Writer(threading.Thread):
    """Appends to ``log`` until it is stopped; plays are dated now."""

    def __init__(self, log: Path, customers: int, tracks: int, rate: float, seed: int) -> None:
        super().__init__(name="writer", daemon=True)
        self.log, self.customers, self.tracks, self.rate = log, customers, tracks, rate
        self.written = Written()
        self.latest = 0
        self._draw = random.Random(seed)
        self._writing = threading.Lock()
        self._stop_writing = threading.Event()

    def run(self) -> None:
        owed = 0.0
        while not self._stop_writing.wait(STEP):
            owed += self.rate * STEP
            with self._writing:
                self._append(int(owed))
            owed -= int(owed)

    def stop(self) -> None:
        self._stop_writing.set()
        self.join()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Nothing is written in the body."""
        with self._writing:
            yield

    def _append(self, count: int) -> None:
        now = time.time_ns() // 1_000_000
        lines: list[str] = []
        for _ in range(count):
            if self._draw.random() < 1 / 200:
                lines.append(f"broken line {self.written.lines + len(lines)}")
                self.written.broken.add(lines[-1])
                continue
            self.latest += 1
            # Half of the listeners' plays are of one track of theirs, so interests form.
            customer = self._draw.randrange(self.customers)
            favourite = self._draw.random() < 0.5
            track = customer % self.tracks if favourite else self._draw.randrange(self.tracks)
            self.written.plays[self.latest] = WrittenPlay(customer, track, now)
            date = datetime.fromtimestamp(now / 1000, UTC).isoformat(" ", "milliseconds")[:23]
            mobile = self._draw.randrange(2)
            lines.append(f'{self.latest},{customer},{track},"{date}",{mobile},"02139"')
            if self._draw.random() < 1 / 500:
                lines.append(lines[-1])
        self.log.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(handle, "".join(f"{line}\n" for line in lines).encode())
        finally:
            os.close(handle)
        self.written.lines += len(lines)
