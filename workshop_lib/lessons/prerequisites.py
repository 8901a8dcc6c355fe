"""What must be there before a stage can begin, each with its test and its maker.

In: Settings of servers that answer. Out: yes or no for each, and ``PREREQUISITES``, in the
order of making. Traces that disagree (a position without its index, a checkpoint without its
topic) count as missing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from workshop_lib.ingest.recording import fingerprint
from workshop_lib.ingest.replay import read_state
from workshop_lib.ingest.ship import shipped
from workshop_lib.lessons import make
from workshop_lib.runtime.connections import elasticsearch, redis_client
from workshop_lib.runtime.lock import running
from workshop_lib.schema import names
from workshop_lib.settings import Settings
from workshop_lib.stream import progress


class Prerequisite(NamedTuple):
    """Needed from ``stage`` on. ``lock``: held by the process that makes it. ``make`` is None
    for what the one Spark process makes."""

    name: str
    stage: int
    lock: str
    is_met: Callable[[Settings], bool]
    make: make.Maker | None = None


def world(settings: Settings) -> bool:
    return (settings.world / "tracks.csv").exists()


def world_changed(settings: Settings) -> bool:
    """Whether the replayed plays are of an older world than the one that is there now."""
    state = read_state(settings)
    return (
        state is not None
        and world(settings)
        and state.fingerprint != fingerprint(settings.world / "tracks.csv")
    )


def log(settings: Settings) -> bool:
    """A replay that is done, or a live one, which has no end to wait for."""
    state = read_state(settings)
    if state is None or not settings.live_log.exists():
        return False
    live = state.mode == "live" or bool(running(settings, "replay"))
    return state.done or (live and state.next_line > state.first_line)


def raw(settings: Settings) -> bool:
    return shipped(settings, "elasticsearch") and documents(settings, names.PLAYS_RAW_INDEX) > 0


def topic(settings: Settings) -> bool:
    return shipped(settings, "kafka") and records(settings) > 0


def model(settings: Settings) -> bool:
    from workshop_lib.marketing.registry import current

    return current(settings) is not None


def streamed(query: str) -> Callable[[Settings], bool]:
    """Whether ``query`` has read the whole topic, and its index holds documents."""

    def is_met(settings: Settings) -> bool:
        return (
            progress.progress(settings, query) is not None  # or there is nothing to ask Kafka
            and records(settings) > 0
            and progress.caught_up(settings, [query])
            and documents(settings, names.INDEX_OF_QUERY[query]) > 0
        )

    return is_met


plays = streamed(names.PLAYS_QUERY)


def interests(settings: Settings) -> bool:
    listed = redis_client(settings).scan_iter(
        match=settings.key(names.interests_key("*")), count=1000
    )
    return streamed(names.INTERESTS_QUERY)(settings) and any(True for _ in listed)


def messages(settings: Settings) -> bool:
    """Every target has a message that needs no more work."""
    tried_again = {"term": {"status": "failed"}}
    pending = documents(settings, names.SMS_INDEX, tried_again)
    return (
        documents(settings, names.SMS_INDEX) - pending
        >= documents(settings, names.TARGETS_INDEX)
        > 0
    )


def records(settings: Settings) -> int:
    """Records that were ever sent to topic ``plays``; 0 when there is no such topic."""
    return sum(progress.offsets(settings, "end").values())


def documents(settings: Settings, index: str, query: dict[str, Any] | None = None) -> int:
    """Documents of ``index`` (name without namespace), those just written too."""
    client = elasticsearch(settings)
    name = settings.index(index)
    if not client.indices.exists(index=name):
        return 0
    client.indices.refresh(index=name)
    return int(client.count(index=name, query=query or {"match_all": {}})["count"])


def make_visible(settings: Settings) -> None:
    """The next search finds everything written so far."""
    elasticsearch(settings).indices.refresh(index=settings.index("*"), allow_no_indices=True)


PREREQUISITES: Final = (
    Prerequisite("the world's files", 1, "", world, make.world),
    Prerequisite("the replayed log", 2, "replay", log, make.log),
    Prerequisite(make.MODEL, 4, "train", model),
    Prerequisite("topic plays", 2, "ship-kafka", topic, make.topic),
    Prerequisite("index plays-raw", 2, "ship-elasticsearch", raw, make.raw),
    Prerequisite(names.PLAYS_QUERY, 3, "stream", plays),
    Prerequisite(names.AGGREGATES_QUERY, 3, "stream", streamed(names.AGGREGATES_QUERY)),
    Prerequisite(names.INTERESTS_QUERY, 3, "stream", interests),
    Prerequisite(names.TARGETS_QUERY, 4, "stream", streamed(names.TARGETS_QUERY)),
    Prerequisite("sent messages", 4, "", messages, make.messages),
)
