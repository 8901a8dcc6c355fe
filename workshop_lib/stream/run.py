"""Stage 2: start the queries, follow them, stop them in order.

In: Settings and the names of queries. Out: what they write, and ``progress`` of each. If one
fails, the run ends, whatever the others do: half a result must not look like a whole one.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from workshop_lib.runtime import connections
from workshop_lib.runtime.identity import require_own_servers
from workshop_lib.runtime.lock import only_one
from workshop_lib.schema.names import INDEX_OF_QUERY
from workshop_lib.settings import Settings
from workshop_lib.stream.failure import cause, one_line_if_jvm_ends
from workshop_lib.stream.pipeline import QUERIES, Builder
from workshop_lib.stream.progress import caught_up, check_topic, progress
from workshop_lib.stream.publish import publishing_progress
from workshop_lib.stream.query_run import QueryRun, Report, unread_records
from workshop_lib.stream.reference import load, to_spark
from workshop_lib.stream.session import spark_session

__all__ = ["caught_up", "cause", "progress", "run"]

POLL_SECONDS = 0.2
#: From so many unread records on, Java's second compiler pays off: it costs more than half a
#: minute of a core, half of what 100,000 plays cost without it.
LONG_BACKLOG = 500_000


def run(
    settings: Settings,
    names: Sequence[str] = tuple(QUERIES),
    available_now: bool = False,
    stop: threading.Event | None = None,
    report: Report | None = None,
    more: Mapping[str, Builder] | None = None,
) -> dict[str, dict[str, Any] | None]:
    """Run the queries until ``stop`` is set or, ``available_now``, until all there is is done.

    ``names`` are of ``QUERIES`` and of ``more``, which are other stages'. Returns the progress
    of each. Raises ``WorkshopError`` when a server is not there, a query
    fails, or another process runs streams of this home.
    """
    stop = stop or threading.Event()
    require_own_servers(settings)
    with only_one(settings, "stream"):
        prepare(settings)
        check_topic(settings, names)
        tables = load(settings)
        backlog = max(sum(unread_records(settings, name).values()) for name in names)
        builders = {**QUERIES, **(more or {})}
        with one_line_if_jvm_ends(settings), publishing_progress(settings, names):
            spark = spark_session(settings, short=available_now and backlog < LONG_BACKLOG)
            reference = to_spark(spark, *tables)
            running: list[QueryRun] = []
            try:
                # Those of other stages first: they may have something to load.
                for name in sorted(names, key=lambda name: name in QUERIES):
                    running.append(
                        QueryRun(spark, settings, name, builders[name], reference, available_now)
                    )
                while not stop.is_set() and any([each.go_on(report) for each in running]):
                    stop.wait(POLL_SECONDS)
            finally:
                for each in running:
                    each.stop()
                for table in reference:
                    table.unpersist()  # the session may go on, as a notebook's does
            for each in running:
                each.follow(report)
    return {name: progress(settings, name) for name in names}


def prepare(settings: Settings) -> None:
    """Topics and indices are there, or ``WorkshopError`` says which server is not."""
    connections.prepare(settings, *(INDEX_OF_QUERY[name] for name in QUERIES), topics=True)
