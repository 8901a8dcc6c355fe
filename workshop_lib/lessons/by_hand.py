"""What the notebook "Kafka by hand" need not show: an evening of plays, waiting, clearing.

In: Settings, and the consumers that the learner made. Out: records, who reads what, and how
far a group is behind. Serves Stage 2's first lesson; its topics and groups are all named
``by-hand-…`` in the namespace, and ``clear`` removes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple

from kafka import KafkaConsumer, TopicPartition

from workshop_lib.runtime.connections import consumer, kafka_admin, redis_client
from workshop_lib.runtime.wait import wait_until
from workshop_lib.schema.play import Play
from workshop_lib.settings import Settings
from workshop_lib.stack.reset import BY_HAND, delete_topics

MINUTE: Final = 60_000
#: Members that ``member`` made and that may still be in their groups.
_MEMBERS: list[KafkaConsumer] = []
#: (minutes after the start, listener, track): four listeners, twelve plays.
_EVENING: Final = (
    *((0, 0, 7), (1, 1, 12), (4, 0, 8), (6, 3, 7), (9, 4, 30), (11, 0, 7)),
    *((15, 1, 12), (16, 3, 9), (20, 0, 7), (23, 4, 31), (26, 1, 5), (29, 0, 2)),
)


def evening(start: int) -> list[Play]:
    """Twelve plays of listeners 0, 1, 3 and 4 within half an hour from ``start`` (ms)."""
    return [
        Play(number, listener, track, start + minute * MINUTE, True, "02108")
        for number, (minute, listener, track) in enumerate(_EVENING, 1)
    ]


def rest(reader: KafkaConsumer) -> list[Any]:
    """All records from where ``reader`` stands to the present end of its partitions."""
    return take(reader, None)


def take(reader: KafkaConsumer, most: int | None) -> list[Any]:
    """Up to ``most`` records from where ``reader`` stands; fewer only at the end."""
    if not reader.assignment():  # a subscribed reader gets its partitions while it polls
        wait_until(lambda: _poll(reader), 60, "Kafka to assign partitions")
        _go_back(reader)
    lanes = sorted(reader.assignment())
    ends = reader.end_offsets(lanes)
    taken: list[Any] = []
    while len(taken) != most and any(reader.position(lane) < ends[lane] for lane in lanes):
        want = None if most is None else most - len(taken)
        for records in reader.poll(timeout_ms=500, max_records=want).values():
            taken += records
    return taken


def _poll(reader: KafkaConsumer) -> bool:
    """Take part in the group's next round; whether it got partitions. What it reads on the way
    is undone by ``_go_back``."""
    reader.poll(timeout_ms=2000, max_records=1)
    return bool(reader.assignment())


def _go_back(reader: KafkaConsumer) -> None:
    """To where the reader's group has committed, or to the beginning."""
    for lane in reader.assignment():
        committed = reader.committed(lane) if reader.config["group_id"] else None
        if committed is None:
            reader.seek_to_beginning(lane)
        else:
            reader.seek(lane, committed)


def new_group(settings: Settings, name: str) -> str:
    """A group that has no members and no bookmarks, whatever an earlier run of a cell left;
    its full name."""
    group = settings.topic(name)
    admin = kafka_admin(settings)
    try:
        _delete(admin, [g["group_id"] for g in admin.list_groups() if g["group_id"] == group])
    finally:
        admin.close()
    return group


def member(settings: Settings, group: str) -> KafkaConsumer:
    """A member of ``group`` who hears soon that others come and go."""
    joined = consumer(settings, f"{BY_HAND}plays", group_id=group, heartbeat_interval_ms=200)
    _MEMBERS.append(joined)
    return joined


def share(
    settings: Settings, group: str, members: Mapping[str, KafkaConsumer]
) -> dict[str, list[int]]:
    """Which partitions each of ``members`` reads, once the group has agreed on it."""
    admin = kafka_admin(settings)

    def agreed() -> bool:
        # All at once: in a new round, each waits until the others have come, too.
        with ThreadPoolExecutor(len(members)) as together:
            list(together.map(_poll, members.values()))
        found = admin.describe_groups([group])[group]
        return found["group_state"] == "Stable" and len(found["members"]) == len(members)

    try:
        wait_until(agreed, 60, "the group to share out the partitions", every=0.05)
    finally:
        admin.close()
    for member in members.values():
        _go_back(member)
    return {
        name: sorted(lane.partition for lane in member.assignment())
        for name, member in members.items()
    }


class Lag(NamedTuple):
    """Of one partition: records that a group has committed, and records that there are."""

    partition: int
    committed: int
    end: int

    @property
    def records(self) -> int:
        return self.end - self.committed


def lag(settings: Settings, topic: str, group: str) -> list[Lag]:
    """How far ``group`` is behind the end of ``topic`` (both full names), by partition."""
    reader = consumer(settings, group_id=group)
    try:
        lanes = [TopicPartition(topic, n) for n in sorted(reader.partitions_for_topic(topic) or ())]
        ends = reader.end_offsets(lanes)
        return [Lag(lane.partition, reader.committed(lane) or 0, ends[lane]) for lane in lanes]
    finally:
        reader.close()


def clear(settings: Settings) -> None:
    """Delete the topics, groups and keys of the notebook, also those of an earlier run."""
    prefix = settings.topic(BY_HAND)
    admin = kafka_admin(settings)
    try:
        delete_topics(admin, lambda topic: topic.startswith(prefix))
        groups = [g["group_id"] for g in admin.list_groups()]
        _delete(admin, [group for group in groups if group.startswith(prefix)])
    finally:
        admin.close()
    redis = redis_client(settings)
    for key in redis.scan_iter(match=settings.key(f"{BY_HAND}*"), count=1000):
        redis.unlink(key)


def _delete(admin: Any, groups: list[str]) -> None:
    """Delete ``groups`` once their last members, ours or a dead process's, have left."""
    while _MEMBERS:
        _MEMBERS.pop().close()
    if groups:
        wait_until(lambda: _empty(admin, groups), 60, "the last members to leave their groups")
        admin.delete_groups(groups)


def _empty(admin: Any, groups: list[str]) -> bool:
    found = admin.describe_groups(groups)
    return all(group["group_state"] in ("Empty", "Dead") for group in found.values())
