"""What the lesson on operating needs: a server that dies, a stream beside the notebook, lag.

In: Settings. Out: context managers that leave everything running as it was, and plain
numbers. Serves notebook 09.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psutil

from workshop_lib import stack
from workshop_lib.errors import WorkshopError
from workshop_lib.runtime import process
from workshop_lib.settings import Settings
from workshop_lib.stream.progress import checkpoint, offsets, progress
from workshop_lib.stream.run import run


@contextmanager
def outage(
    settings: Settings, name: str, say: Callable[[str], None] = print
) -> Iterator[psutil.Process]:
    """Server ``name`` is killed (kill -9); at the end, whatever happens, it is up again.

    Only a server of this home's own embedded stack; its data stays. Raises ``WorkshopError``
    when there is none.
    """
    found = process.find(name, settings.home / "pids")
    if found is None:
        raise WorkshopError(
            f"{name} is no server that was started from {settings.home}.",
            "`workshop up` starts one; in Docker, kill its container and start it again by hand.",
        )
    try:
        members = process.family(found)
        for member in members:
            member.kill()
        psutil.wait_procs(members, timeout=10)
        yield found
    finally:
        stack.up(settings, say)


@contextmanager
def streaming(settings: Settings, *queries: str) -> Iterator[Future[Any]]:
    """The queries run in the background, as `workshop stream` does, and are stopped at the end.

    An error of theirs is raised at the end, if not before by asking the future for its result.
    """
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run, settings, queries, stop=stop)
        try:
            yield running
        finally:
            stop.set()
    running.result()


def lag(settings: Settings, query: str) -> int:
    """Records of topic ``plays`` that ``query`` has not yet written."""
    done = (progress(settings, query) or {}).get("offsets") or offsets(settings, "beginning")
    ends = offsets(settings, "end")
    return sum(end - done.get(partition, 0) for partition, end in ends.items())


def forget_last_commit(settings: Settings, query: str) -> None:
    """What a crash between writing and committing leaves: the last batch is done again."""
    commits = checkpoint(settings, query) / "commits"
    last = max(commits.glob("[0-9]*"), key=lambda path: int(path.name))
    last.unlink()
    (commits / f".{last.name}.crc").unlink(missing_ok=True)
