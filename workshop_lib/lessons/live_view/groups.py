"""``view_group(settings, topic, group)``: a consumer group as a picture that moves.

In: Settings, the full names of a topic and of a group that reads it. Out: a widget that, within a
``with`` block, follows what Kafka's administration says: the group's state, its members and their
partitions, committed offsets and ends. A frame is added whenever one of them changes.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Self

from IPython.display import display
from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import OffsetSpec
from kafka.errors import KafkaError

from workshop_lib.charts.pictures.style import Picture, picture
from workshop_lib.lessons.kafka_by_hand import draw_groups
from workshop_lib.lessons.live_view.widget import KEPT, Player
from workshop_lib.runtime.connections import kafka_admin
from workshop_lib.settings import Settings

#: Between two questions: short, for a rebalance on one machine takes a moment only.
SECONDS: Final = 0.1


def frame(
    topic: str,
    group: Mapping[str, Any],
    committed: Mapping[TopicPartition, Any],
    ends: Mapping[TopicPartition, Any],
) -> dict[str, Any]:
    """What Kafka's administration says of a group, without the time: its state, members in order
    of name with their partitions, and partitions with committed and end offset."""
    members = sorted(
        (str(each["client_id"]), _assigned(topic, each.get("member_assignment")))
        for each in group.get("members", ())
    )
    return {
        "state": group["group_state"],
        "members": [{"name": name, "partitions": numbers} for name, numbers in members],
        "partitions": [
            {
                "number": each.partition,
                "committed": committed[each].offset if each in committed else None,
                "end": ends[each].offset,
            }
            for each in sorted(ends)
        ],
    }


def describe(frames: Sequence[Mapping[str, Any]], title: str) -> str:
    """What the last frame shows, in words."""
    if not frames:
        return f"{title}: nothing seen yet."
    last = frames[-1]
    members = "; ".join(
        f"{each['name']} reads {', '.join(map(str, each['partitions'])) or 'nothing'}"
        for each in last["members"]
    )
    return (
        f"{title}: {last['state']}, {len(frames)} changes seen. Members: {members or 'none'}. "
        f"Partitions: {_offsets(last)}."
    )


class GroupView(Player):
    """Follows a group within a ``with`` block, and keeps its last frame."""

    def __init__(self, settings: Settings, topic: str, group: str, title: str) -> None:
        super().__init__(kind="group", title=title)
        self._settings, self._topic, self._group = settings, topic, group
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._stop.clear()
        self.note = ""  # an earlier block's
        display(self)
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join()
        self._show_last()

    def picture(self) -> Picture:
        words = describe(self.frames, self.title)
        last = self.frames[-1] if self.frames else {"members": [], "partitions": []}
        shares = {each["name"]: each["partitions"] for each in last["members"]}
        figure = draw_groups([shares], len(last["partitions"]))
        figure.suptitle(f"partition: committed of end\n{_offsets(last)}", size=8)
        return picture(figure, words)

    def _follow(self) -> None:
        try:
            admin = kafka_admin(self._settings)
            try:
                last = False
                while not last:
                    last = self._stop.is_set()  # before asking: what was done by then is seen
                    try:
                        self._add(self._ask(admin))
                    except KafkaError as error:
                        # The first group of a new broker: Kafka makes its topic of offsets now.
                        if last or not error.retriable:
                            raise
                    self._stop.wait(SECONDS)
            finally:
                admin.close()
        except Exception as error:  # the picture ends, not the group; and it says so
            self.note = f"The picture has ended: {error}"

    def _ask(self, admin: KafkaAdminClient) -> dict[str, Any]:
        (topic,) = admin.describe_topics([self._topic])
        numbers = [each["partition_index"] for each in topic["partitions"]]
        latest = {TopicPartition(self._topic, number): OffsetSpec.LATEST for number in numbers}
        group = admin.describe_groups([self._group])[self._group]
        try:
            committed = admin.list_group_offsets([self._group])[self._group]
        except KafkaError:  # a group that nobody has joined yet has no coordinator to ask
            committed = {}
        return frame(self._topic, group, committed, admin.list_partition_offsets(latest))

    def _add(self, now: dict[str, Any]) -> None:
        before = self.frames[-1] if self.frames else {}
        if any(before.get(name) != value for name, value in now.items()):
            time = datetime.now(UTC).isoformat(timespec="milliseconds")
            self.frames = [*self.frames, {"time": time, **now}][-KEPT:]


def view_group(settings: Settings, topic: str, group: str, title: str = "Your group") -> GroupView:
    """A live picture of ``group``, which reads ``topic``: use it as ``with view_group(…):``."""
    return GroupView(settings, topic, group, title)


def _assigned(topic: str, assignment: Any) -> list[int]:
    """Partitions of ``topic``; none while the group is still agreeing on them."""
    given = assignment.get("assigned_partitions", ()) if isinstance(assignment, Mapping) else ()
    return sorted(n for each in given if each["topic"] == topic for n in each["partitions"])


def _offsets(last: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{each['number']}: {each['committed'] if each['committed'] is not None else 'none'}"
        f" of {each['end']}"
        for each in last["partitions"]
    )
