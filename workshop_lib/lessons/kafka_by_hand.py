"""Notebook 03, Kafka by hand: twelve plays, reading, groups, lag, and their pictures.

In: Settings, and the consumers that the learner made. Out: records, the partitions that each
member of a group reads, the group's lag, and figures, shown as the value of a cell. Topics,
groups and keys are all named ``by-hand-…`` in the namespace; ``clear`` removes them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import matplotlib.pyplot as plt
from kafka import KafkaConsumer, TopicPartition
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from workshop_lib.lessons.figures import COLOURS, GREY, INK, PALE, finished
from workshop_lib.runtime.connections import consumer, kafka_admin, redis_client
from workshop_lib.runtime.wait import wait_until
from workshop_lib.schema.play import Play
from workshop_lib.settings import Settings
from workshop_lib.stack.reset import BY_HAND, delete_topics

MINUTE: Final = 60_000
#: Members that ``join_group`` made and that may still be in their groups.
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


def read_to_end(reader: KafkaConsumer) -> list[Any]:
    """All records from the position of ``reader`` to the present end of its partitions."""
    return read_n(reader, None)


def read_n(reader: KafkaConsumer, most: int | None) -> list[Any]:
    """Up to ``most`` records from the position of ``reader``; fewer only at the end."""
    if not reader.assignment():  # a subscribed reader gets its partitions while it polls
        wait_until(lambda: _poll(reader), 60, "Kafka to assign partitions")
        _go_back(reader)
    partitions = sorted(reader.assignment())
    ends = reader.end_offsets(partitions)
    taken: list[Any] = []
    while len(taken) != most and any(reader.position(p) < ends[p] for p in partitions):
        want = None if most is None else most - len(taken)
        for records in reader.poll(timeout_ms=500, max_records=want).values():
            taken += records
    return taken


def _poll(reader: KafkaConsumer) -> bool:
    """Take part in the group's next rebalance; whether it got partitions. ``_go_back`` undoes
    what it reads on the way."""
    reader.poll(timeout_ms=2000, max_records=1)
    return bool(reader.assignment())


def _go_back(reader: KafkaConsumer) -> None:
    """To where the reader's group has committed, or to the beginning."""
    for partition in reader.assignment():
        committed = reader.committed(partition) if reader.config["group_id"] else None
        if committed is None:
            reader.seek_to_beginning(partition)
        else:
            reader.seek(partition, committed)


def new_group(settings: Settings, name: str) -> str:
    """The full name of a group without members and committed offsets: those of an earlier run
    of the cell are deleted."""
    group = settings.topic(name)
    admin = kafka_admin(settings)
    try:
        _delete(admin, [g["group_id"] for g in admin.list_groups() if g["group_id"] == group])
    finally:
        admin.close()
    return group


def join_group(settings: Settings, group: str, name: str = "member") -> KafkaConsumer:
    """A member of ``group``, ``name`` to Kafka, that soon notices when others join or leave."""
    joined = consumer(
        *(settings, f"{BY_HAND}plays"), group_id=group, client_id=name, heartbeat_interval_ms=200
    )
    _MEMBERS.append(joined)
    return joined


def wait_for_assignment(
    settings: Settings, group: str, members: Mapping[str, KafkaConsumer]
) -> dict[str, list[int]]:
    """Which partitions each of ``members`` reads, once the group has agreed on it."""
    admin = kafka_admin(settings)

    def agreed() -> bool:
        # All at once: in a rebalance, each member waits for all others.
        with ThreadPoolExecutor(len(members)) as together:
            list(together.map(_poll, members.values()))
        found = admin.describe_groups([group])[group]
        return found["group_state"] == "Stable" and len(found["members"]) == len(members)

    try:
        wait_until(agreed, 60, "the group to assign its partitions", every=0.05)
    finally:
        admin.close()
    for member in members.values():
        _go_back(member)
    return {
        name: sorted(each.partition for each in member.assignment())
        for name, member in members.items()
    }


class PartitionLag(NamedTuple):
    """Of one partition: records that a group has committed, and records that there are."""

    partition: int
    committed: int
    end: int

    @property
    def records(self) -> int:
        return self.end - self.committed


def lag(settings: Settings, topic: str, group: str) -> list[PartitionLag]:
    """How far ``group`` is behind the end of ``topic`` (both full names), by partition."""
    reader = consumer(settings, group_id=group)
    try:
        numbers = sorted(reader.partitions_for_topic(topic) or ())
        partitions = [TopicPartition(topic, number) for number in numbers]
        ends = reader.end_offsets(partitions)
        return [PartitionLag(p.partition, reader.committed(p) or 0, ends[p]) for p in partitions]
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


def draw_partitions(
    records: Iterable[Any], times: Mapping[tuple[int, int], int] | None = None
) -> Figure:
    """Each record as a dot at its offset, with its key (the listener) and the minute of its
    timestamp. ``times`` ({(partition, offset): n}) writes ×n at a dot instead, where n is not 1.
    """
    records = list(records)
    partitions = sorted({record.partition for record in records})
    keys = sorted({int(record.key) for record in records})
    colour = {key: COLOURS[place % len(COLOURS)] for place, key in enumerate(keys)}
    longest = max(record.offset for record in records) + 1
    figure, ax = plt.subplots(figsize=(9, 0.95 * len(partitions) + 0.9), layout="constrained")
    for row, partition in enumerate(partitions):
        _box(ax, -0.55, row - 0.36, longest + 0.1, 0.72, facecolor=PALE)
        ax.annotate(
            "", (longest + 0.25, row), (longest - 0.45, row), arrowprops={"arrowstyle": "->"}
        )
        ax.text(-0.75, row, f"partition {partition}", ha="right", va="center", color=INK)
    for record in records:
        row = partitions.index(record.partition)
        ax.scatter(record.offset, row - 0.06, s=330, color=colour[int(record.key)], zorder=3)
        _text(ax, record.offset, row - 0.05, record.key.decode(), color="white", weight="bold")
        minute = datetime.fromtimestamp(record.timestamp / 1000, UTC).strftime("%H:%M")
        count = 1 if times is None else times.get((record.partition, record.offset), 0)
        note, weight = (minute, "normal") if count == 1 else (f"× {count}", "bold")
        _text(ax, record.offset, row + 0.27, note, color=INK, size=8, weight=weight)
        if count != 1:
            ax.scatter(
                record.offset, row - 0.06, s=520, facecolor="none", edgecolor=INK, lw=1.6, zorder=2
            )
    ax.set(xlim=(-2.0, longest + 0.5), ylim=(len(partitions) - 0.5, -0.6), xticks=range(longest))
    ax.set(xlabel="offset", yticks=[])
    return finished(figure, ax)


def draw_groups(shares: Sequence[Mapping[str, Sequence[int]]], count: int) -> Figure:
    """One panel per state of a group: lines from partitions to the member that reads them."""
    figure, axes = plt.subplots(
        1, len(shares), figsize=(3.4 * len(shares), 3.0), squeeze=False, layout="constrained"
    )
    height = max(count, *(len(shared) for shared in shares))
    for ax, shared in zip(axes[0], shares, strict=True):
        at = {name: _spread(place, len(shared), height) for place, name in enumerate(shared)}
        for partition in range(count):
            y = _spread(partition, count, height)
            _box(ax, 0, y - 0.3, 1.5, 0.6, facecolor=PALE)
            _text(ax, 0.75, y, f"partition {partition}", color=INK, size=9)
            for name, partitions in shared.items():
                if partition in partitions:
                    ax.plot([1.6, 2.9], [y, at[name]], color=COLOURS[0], lw=1.8)
        for name, partitions in shared.items():
            idle = {} if partitions else {"linestyle": "--"}
            face = COLOURS[0] if partitions else "white"
            _box(ax, 3.0, at[name] - 0.3, 1.5, 0.6, facecolor=face, edgecolor=GREY, **idle)
            label = name if partitions else f"{name}: idle"
            _text(ax, 3.75, at[name], label, color="white" if partitions else INK, size=9)
        ax.set_title(f"{len(shared)} member{'s' * (len(shared) != 1)}", size=11)
        ax.set(xlim=(-0.1, 4.6), ylim=(height - 0.4, -0.6))
        ax.axis("off")
    return finished(figure)


def draw_lag(before: Sequence[PartitionLag], after: Sequence[PartitionLag]) -> Figure:
    """Two panels, one bar a partition: what was committed, and hatched what is left."""
    figure, axes = plt.subplots(
        1, 2, figsize=(9, 0.55 * len(before) + 1.1), sharey=True, sharex=True, layout="constrained"
    )
    for ax, title, lags in zip(axes, ("before", "after"), (before, after), strict=True):
        for row, lag in enumerate(lags):
            ax.barh(row, lag.committed, color=COLOURS[0], height=0.6)
            ax.barh(
                *(row, lag.records, 0.6, lag.committed),
                color="white",
                edgecolor=COLOURS[5],
                hatch="///",
            )
            ax.text(lag.end + 0.15, row, f"lag {lag.records}", va="center", color=INK, size=9)
        ax.set_title(f"{title}: lag {sum(lag.records for lag in lags)} in all", size=11)
        ax.set_xlabel("offset: committed ■   not yet ▨")
        ax.set(yticks=range(len(lags)), yticklabels=[f"partition {lag.partition}" for lag in lags])
    axes[0].invert_yaxis()
    axes[0].set_xlim(0, max(lag.end for lag in after) * 1.2)
    for ax in axes:
        ax.xaxis.get_major_locator().set_params(integer=True)
    return finished(figure, *axes)


def times_read(records: Iterable[Any]) -> Counter[tuple[int, int]]:
    """How many times each place of a topic is among ``records``, for ``draw_partitions``."""
    return Counter((record.partition, record.offset) for record in records)


def _spread(place: int, count: int, height: int) -> float:
    return (place + 0.5) * height / count - 0.5


def _box(ax: Axes, x: float, y: float, width: float, height: float, **style: Any) -> None:
    look: dict[str, Any] = {"edgecolor": "none", "linewidth": 1.2, "zorder": 0, **style}
    ax.add_patch(FancyBboxPatch((x, y), width, height, "round,pad=0,rounding_size=0.12", **look))


def _text(ax: Axes, x: float, y: float, text: str, **style: Any) -> None:
    ax.text(x, y, text, ha="center", va="center", zorder=4, **style)
