"""Is it there? What ``begin`` asks of each thing before it makes it.

In: Settings of servers that answer. Out: yes or no. A thing whose traces disagree (a
position without its index, a checkpoint without its topic) is not there.
"""

from __future__ import annotations

from contextlib import closing
from typing import Any

from workshop_lib.ingest.follow import Follower
from workshop_lib.ingest.recorded import fingerprint
from workshop_lib.ingest.replay import ReplayState, read_state
from workshop_lib.ingest.ship import read_ship_state
from workshop_lib.runtime.connections import elasticsearch, redis_client
from workshop_lib.runtime.lock import running
from workshop_lib.schema.names import (
    AGGREGATES_QUERY,
    INTERESTS_INDEX,
    INTERESTS_QUERY,
    PLAYS_INDEX,
    PLAYS_PER_MINUTE_INDEX,
    PLAYS_QUERY,
    PLAYS_RAW_INDEX,
    SMS_INDEX,
    TARGETS_INDEX,
    TARGETS_QUERY,
    interests_key,
)
from workshop_lib.settings import Settings


def world(settings: Settings) -> bool:
    return (settings.world / "tracks.csv").exists()


def of_another_world(settings: Settings) -> bool:
    """Whether what flowed is of a world that is no more: a new one was made meanwhile."""
    state = read_state(settings)
    return state is not None and world(settings) and not _of_this_world(settings, state)


def _of_this_world(settings: Settings, state: ReplayState) -> bool:
    return state.fingerprint == fingerprint(settings.world / "tracks.csv")


def log(settings: Settings) -> bool:
    """A replay that is done; or one as live as it gets, which has no end to wait for."""
    state = read_state(settings)
    if state is None or not settings.live_log.exists():
        return False
    live = state.mode == "live" or bool(running(settings, "replay"))
    return state.done or (live and state.next_line > state.first_line)


def raw(settings: Settings) -> bool:
    return shipped(settings, "elasticsearch") and documents(settings, PLAYS_RAW_INDEX) > 0


def topic(settings: Settings) -> bool:
    return shipped(settings, "kafka") and records(settings) > 0


def shipped(settings: Settings, to: str) -> bool:
    """Whether the shipper has reached the end of the log."""
    state = read_ship_state(settings, to)
    if state is None or not state.lines:
        return False
    if running(settings, f"ship-{to}"):
        return True
    with closing(Follower(settings.live_log, state.position)) as rest:
        return not rest.read()


def model(settings: Settings) -> bool:
    from workshop_lib.marketing.registry import current

    return current(settings) is not None


def plays(settings: Settings) -> bool:
    return caught_up(settings, PLAYS_QUERY) and documents(settings, PLAYS_INDEX) > 0


def aggregates(settings: Settings) -> bool:
    return caught_up(settings, AGGREGATES_QUERY) and documents(settings, PLAYS_PER_MINUTE_INDEX) > 0


def interests(settings: Settings) -> bool:
    listed = redis_client(settings).scan_iter(match=settings.key(interests_key("*")), count=1000)
    return (
        caught_up(settings, INTERESTS_QUERY)
        and documents(settings, INTERESTS_INDEX) > 0
        and any(True for _ in listed)
    )


def targets(settings: Settings) -> bool:
    return caught_up(settings, TARGETS_QUERY) and documents(settings, TARGETS_INDEX) > 0


def messages(settings: Settings) -> bool:
    """Every target has a message that needs no more work."""
    tried_again = {"term": {"status": "failed"}}
    pending = documents(settings, SMS_INDEX, tried_again)
    return documents(settings, SMS_INDEX) - pending >= documents(settings, TARGETS_INDEX) > 0


def caught_up(settings: Settings, query: str) -> bool:
    from workshop_lib.stream.progress import caught_up, progress

    # One that never ran has nothing to ask Kafka about.
    return (
        progress(settings, query) is not None
        and records(settings) > 0
        and caught_up(settings, [query])
    )


def records(settings: Settings) -> int:
    """Records that were ever sent to topic ``plays``; 0 when there is no such topic."""
    from workshop_lib.stream.progress import offsets

    return sum(offsets(settings, "end").values())


def documents(settings: Settings, index: str, query: dict[str, Any] | None = None) -> int:
    """Documents of ``index`` (name without namespace), those just written too."""
    client = elasticsearch(settings)
    name = settings.index(index)
    if not client.indices.exists(index=name):
        return 0
    client.indices.refresh(index=name)
    return int(client.count(index=name, query=query or {"match_all": {}})["count"])


def visible(settings: Settings) -> None:
    """Everything written so far is found by the next search."""
    elasticsearch(settings).indices.refresh(index=settings.index("*"), allow_no_indices=True)
