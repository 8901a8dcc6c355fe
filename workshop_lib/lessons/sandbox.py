"""A place of a lesson's own beside the real one; and streams that run again from the beginning.

In: Settings and a name. Out of ``sandbox``: Settings whose names and folders are apart, so that
all of ``workshop_lib.stream`` runs on them unchanged, and nothing of the learner's is touched.
"""

from __future__ import annotations

from typing import Final

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime.connections import create_topics, elasticsearch, redis_client
from workshop_lib.runtime.lock import running
from workshop_lib.schema import names
from workshop_lib.settings import Settings
from workshop_lib.stack.reset import apart, remove, reset
from workshop_lib.stream.progress import start_over

__all__ = ["forget", "remove", "sandbox"]

#: Indices and patterns of Redis keys that each query, and what follows it, leave behind.
#: Opt-outs are not among them.
_WRITTEN: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    names.PLAYS_QUERY: ((names.PLAYS_INDEX,), ()),
    names.AGGREGATES_QUERY: ((names.PLAYS_PER_MINUTE_INDEX,), (names.live_key("*Z"),)),
    names.INTERESTS_QUERY: ((names.INTERESTS_INDEX,), (names.interests_key("*"),)),
    names.TARGETS_QUERY: ((names.TARGETS_INDEX, names.SMS_INDEX), names.OFFER_KEYS),
}


def sandbox(settings: Settings, name: str, partitions: int = 1) -> Settings:
    """Settings of an empty place ``name``; its topic ``plays`` has so many partitions.

    With one partition, plays arrive in the order in which they are sent.
    """
    mine = apart(settings, name).model_copy(update={"plays_partitions": partitions})
    reset(mine)
    create_topics(mine)
    return mine


def forget(settings: Settings, *queries: str) -> None:
    """Delete what ``queries`` have written, and how far they have read: the next run does it all.

    Raises ``WorkshopError`` while a stream is running: it would continue where it was.
    """
    if running(settings, "stream"):
        raise WorkshopError("`workshop stream` is running.", "Stop it first (Ctrl-C).")
    client, redis = elasticsearch(settings), redis_client(settings)
    for query in queries:
        indices, patterns = _WRITTEN[query]
        for index in indices:
            client.indices.delete(index=settings.index(index), ignore_unavailable=True)
        for pattern in patterns:
            for key in redis.scan_iter(match=settings.key(pattern), count=1000):
                redis.unlink(key)
        start_over(settings, query)
