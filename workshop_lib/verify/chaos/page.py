"""Whether the live page shows what the stores hold right now.

In: Settings and the page's address. Out: yes or no. The numbers only grow while plays come in:
what the page shows lies between what the stores hold just before and just after, read with plain
clients.
"""

from __future__ import annotations

import json
import time
from contextlib import closing
from typing import Any, NamedTuple

from workshop_lib.runtime import http
from workshop_lib.runtime.connections import redis_client
from workshop_lib.schema.names import PLAYS_INDEX, SMS_INDEX, live_key
from workshop_lib.schema.play import when
from workshop_lib.schema.tables import ALL
from workshop_lib.settings import Settings
from workshop_lib.verify import actual

MINUTE, MINUTES = 60_000, 60


class Numbers(NamedTuple):
    """Documents of plays and messages, and plays that Redis counted in the last hour."""

    plays: int
    messages: int
    counted: int

    def between(self, low: Numbers, high: Numbers) -> bool:
        return all(a <= n <= b for a, n, b in zip(low, self, high, strict=True))


def shows_the_stores(settings: Settings, url: str) -> bool:
    """Whether both stores' numbers on the page at ``url`` are those of now.

    False also when a minute begins in between; who asks again gets the answer. Raises ``OSError``
    when the page does not answer, and what the stores' clients raise.
    """
    before = stored(settings)
    shown = json.loads(http.get(f"{url}/snapshot", timeout=10))
    if not (shown["redis"]["ok"] and shown["elasticsearch"]["ok"]):
        return False
    return before.plays > 0 and on_page(shown).between(before, stored(settings))


def on_page(shown: dict[str, Any]) -> Numbers:
    """The numbers of a snapshot."""
    documents = shown["elasticsearch"]["data"]
    counted = sum(plays for _, plays in shown["redis"]["data"]["minutes"])
    return Numbers(documents["everything"]["plays"], documents["messages"]["count"], counted)


def stored(settings: Settings) -> Numbers:
    """The same from the stores themselves."""
    running = time.time_ns() // 1_000_000 // MINUTE * MINUTE
    minutes = (running - n * MINUTE for n in range(MINUTES))
    with closing(redis_client(settings)) as client:
        keys = [settings.key(live_key(f"{when(at, iso=True)[:16]}Z")) for at in minutes]
        counts = [client.hget(key, f"{ALL}:{ALL}") for key in keys]
    return Numbers(
        actual.count(settings, PLAYS_INDEX),
        actual.count(settings, SMS_INDEX),
        sum(int(str(count or 0)) for count in counts),
    )
