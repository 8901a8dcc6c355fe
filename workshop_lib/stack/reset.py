"""Start over: topics, indices, keys, checkpoints, logs and positions, all together.

Clearing one without the others is the classic trap: a checkpoint that remembers offsets
of a topic that was deleted, a shipper that remembers a place in a log that is gone.
The recorded world and the servers stay.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from kafka import KafkaAdminClient

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime.connections import elasticsearch, kafka_admin, redis_client
from workshop_lib.runtime.lock import running
from workshop_lib.runtime.wait import wait_until
from workshop_lib.schema.names import ALL_KEYS, DEAD_LETTER_TOPIC, PLAYS_TOPIC
from workshop_lib.schema.tables import INDICES
from workshop_lib.settings import Settings

LONG_RUNNING = ("replay", "ship-kafka", "ship-elasticsearch", "stream", "train")
#: What the exercises make: a topic and an index of this name.
PRACTICE = "practice-plays"
#: Topics of the lesson "Kafka by hand" begin so.
BY_HAND = "by-hand-"
#: Folders of the home that containers mount.
MOUNTED = ("log", "dead-letters")
#: Below the log's folder: empty files that hold the inodes of earlier logs.
KEPT_INODES = ".inodes"
TOPICS = (PLAYS_TOPIC, DEAD_LETTER_TOPIC, PRACTICE)
INDEX_NAMES = (*INDICES, PRACTICE)


def state_of_servers(settings: Settings) -> list[Path]:
    """Files and folders that say what the servers have got: they fit these servers only."""
    return [
        settings.checkpoints,
        settings.home / "ship-kafka.json",
        settings.home / "ship-elasticsearch.json",
        settings.home / "dead-letters",
        settings.home / "stream",
        settings.page_report,
        settings.home / "servers.json",
    ]


def local_state(settings: Settings) -> list[Path]:
    """Files and folders that remember how far each step has come."""
    return [
        *state_of_servers(settings),
        settings.live_log.parent,
        settings.home / "replay.json",
        settings.home / "models",  # of a world that may be replaced: better none than a wrong one
    ]


def apart(settings: Settings, name: str) -> Settings:
    """Settings of a place beside the real one: every name and folder is its own."""
    return settings.model_copy(
        update={
            "home": settings.home / "sandbox" / name,
            "data": settings.world,
            "namespace": f"{settings.namespace}{name}-",
        }
    )


def remove(mine: Settings) -> None:
    """Leave nothing of such a place behind, neither on the servers nor on disk."""
    reset(mine)
    shutil.rmtree(mine.home, ignore_errors=True)


def reset(settings: Settings) -> dict[str, int]:
    """Clear everything that flowed; counts of what was removed, by kind.

    Raises ``WorkshopError`` when a step is still running: it would write again what was
    just cleared, or fail on it.
    """
    busy = running(settings, *LONG_RUNNING)
    if busy:
        raise WorkshopError(
            f"Still running: {', '.join('workshop ' + name for name in busy)}.",
            "Stop them first (Ctrl-C in their terminals), then reset.",
        )
    # A lesson that was interrupted left its own place behind.
    places = [path for path in (settings.home / "sandbox").glob("*") if path.is_dir()]
    for place in places:
        remove(apart(settings, place.name))
    removed = {
        "topics": _delete_topics(settings),
        "indices": _delete_indices(settings),
        "keys": _delete_keys(settings),
        "files": len(places),
    }
    removed["files"] += sum(clear(path) for path in local_state(settings))
    return removed


def clear(path: Path) -> int:
    """Remove a file or a folder; how many of the two (0 or 1).

    A mounted folder stays and is emptied: a container would go on in the removed one.
    A log that Logstash reads keeps its inode, empty and under another name: a new log on the
    same inode would be taken for the one of which Logstash remembers that it has read it.
    """
    if path.is_dir() and path.name not in MOUNTED:
        shutil.rmtree(path)
        return 1
    if path.is_dir():
        for inner in path.iterdir():
            if inner.name == KEPT_INODES:
                continue
            if inner.is_dir():
                shutil.rmtree(inner)
            elif inner.suffix == ".log" and path.name == "log":
                os.truncate(inner, 0)
                kept = path / KEPT_INODES
                kept.mkdir(exist_ok=True)
                inner.rename(kept / str(inner.stat().st_ino))
            else:
                inner.unlink()
        return 1
    existed = path.exists()
    path.unlink(missing_ok=True)
    return int(existed)


def _delete_topics(settings: Settings) -> int:
    admin = kafka_admin(settings)
    try:
        ours = {settings.topic(name) for name in TOPICS}
        by_hand = settings.topic(BY_HAND)
        return delete_topics(admin, lambda topic: topic in ours or topic.startswith(by_hand))
    finally:
        admin.close()


def delete_topics(admin: KafkaAdminClient, which: Callable[[str], bool]) -> int:
    """Delete the topics that ``which`` holds of, and wait until they are gone; their number."""
    existing = [topic for topic in admin.list_topics() if which(topic)]
    if existing:
        admin.delete_topics(existing)
        # Deletion continues after the answer; a topic made meanwhile would vanish with it.
        wait_until(
            lambda: not set(existing) & set(admin.list_topics()), 30, "Kafka to delete the topics"
        )
    return len(existing)


def _delete_indices(settings: Settings) -> int:
    client = elasticsearch(settings)
    ours = [settings.index(name) for name in INDEX_NAMES]
    existing = [index for index in ours if client.indices.exists(index=index)]
    if existing:
        client.indices.delete(index=existing)
    return len(existing)


def _delete_keys(settings: Settings) -> int:
    client = redis_client(settings)
    deleted = 0
    # Not PREFIX*: with an empty namespace that would be the keys of all namespaces.
    for pattern in ALL_KEYS:
        for key in client.scan_iter(match=settings.key(pattern), count=1000):
            deleted += int(client.unlink(key))
    return deleted
