"""Notebook 09, operate it: a server that is killed, a stream beside the notebook, lag.

In: Settings. Out: context managers that leave everything running as it was, and plain
numbers; figures and tables.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from typing import Any, Final

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import psutil

from workshop_lib import stack
from workshop_lib.errors import WorkshopError
from workshop_lib.lessons import figures
from workshop_lib.lessons.figures import BLUE, ORANGE
from workshop_lib.runtime import process
from workshop_lib.runtime.progress import messages_to
from workshop_lib.schema.names import PLAYS_INDEX, PLAYS_RAW_INDEX
from workshop_lib.schema.play import when
from workshop_lib.settings import PROJECT, Settings
from workshop_lib.stream.progress import checkpoint, offsets, progress
from workshop_lib.stream.run import run

#: What `make bench-million` measured, for a picture in which the learner's own numbers are, too.
BENCHMARKS: Final = PROJECT / "docs" / "benchmarks.json"


@contextmanager
def outage(
    settings: Settings, name: str, show: Callable[[str], object] = print
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
        with messages_to(show):
            stack.up(settings)


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


def hops(found: Mapping[str, Any], last: int = 6) -> pd.DataFrame:
    """The ``last`` plays of a listener (from ``trace``), a column per hop."""
    plays = found["plays"][-last:]
    return pd.DataFrame(
        {
            "play": play.event_id,
            "played at (UTC)": when(play.played_at)[5:19],
            "line of the log": play.log_line,
            PLAYS_RAW_INDEX: "✓" if play.raw else "–",
            "Kafka partition:offset": " ".join(play.kafka),
            PLAYS_INDEX: "✓" if play.processed_at else "–",
            "Kafka → plays, s": play.delays["kafka_to_elasticsearch"],
            "interest": "★" if play.interest else "",
            "title": play.title,
        }
        for play in plays
    ).set_index("play")


def draw_lag(behind: Sequence[tuple[float, int]], started: float) -> None:
    """Lag over time (seconds, records); the stream was started at ``started``."""
    axes = figures.axes()
    seconds, records = zip(*behind, strict=True)
    axes.plot(seconds, records, "o-", color=BLUE)
    axes.axvline(started, color="black", linestyle="--")
    axes.text(started, max(records) * 1.05, " the stream starts", va="bottom")
    axes.set(
        ylim=(0, max(records) * 1.2),
        xlabel="seconds",
        ylabel="plays not yet processed",
        title="Lag grows while nobody reads, and shrinks afterwards",
    )
    plt.show()


def measured_runs(file: Path = BENCHMARKS) -> list[tuple[int, float]]:
    """(plays, seconds) of the whole runs of `workshop stream` that ``make bench-million`` measured.

    Runs that failed are left out; none where the documentation is not there.
    """
    if not file.exists():
        return []
    curve = json.loads(file.read_text(encoding="utf-8")).get("curve", {}).get("result", [])
    good = [run for run in curve if "seconds" in run and "failed" not in run]
    return [(run["plays"], run["seconds"]) for run in good]


def draw_costs(costs: Mapping[int, Sequence[tuple[int, float]]], fixed: float, each: float) -> None:
    """µs a play against plays at once: the batches of ``costs`` (size → plays and seconds of
    each), the formula with ``fixed`` seconds a batch and ``each`` seconds a play, and our runs."""
    axes = figures.axes(height=3.6)
    own = [batch for batches in costs.values() for batch in batches]
    ours = measured_runs()
    low = min(plays for plays, _ in own) / 2
    high = max(plays for plays, _ in own + ours) * 2
    sizes = np.geomspace(low, high, 100)
    axes.plot(sizes, (fixed / sizes + each) * 1e6, color=BLUE, label="your formula")
    axes.axhline(each * 1e6, color=BLUE, linestyle=":", label="the play alone")
    axes.scatter(*_costs(own), color=BLUE, zorder=3, label="your batches of query plays")
    if ours:
        label = "our runs of all queries, Spark's start included"
        axes.plot(*_costs(ours), "s--", color=ORANGE, label=label)
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="plays in a batch, or in a run",
        ylabel="µs a play",
        title="The more plays at once, the less each one costs",
    )
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:,.0f}")
    axes.legend(frameon=False, loc="upper right", fontsize=9)
    plt.show()


def _costs(runs: Sequence[tuple[int, float]]) -> tuple[list[int], list[float]]:
    return [plays for plays, _ in runs], [seconds / plays * 1e6 for plays, seconds in runs]


def draw_headroom(needed: Mapping[int, float], box: float) -> None:
    """Plays per second that so many times the load need, against what one machine does."""
    axes = figures.axes()
    factors = list(needed)
    axes.plot(factors, list(needed.values()), "o-", color=BLUE, label="needed at the peak hour")
    axes.axhline(box, color=ORANGE, linestyle="--", label=f"this machine: {box:,.0f} a second")
    for factor, rate in needed.items():
        text = "fits" if rate <= box else f"{ceil(rate / box):,} machines"
        axes.annotate(
            *(text, (factor, rate), (-4, 8)),
            textcoords="offset points",
            ha="right",
            bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none"},
        )
    axes.margins(y=0.12)
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="times the load of today",
        ylabel="plays a second",
        title="What one machine can do",
    )
    axes.legend(frameon=False, loc="lower right")
    plt.show()
