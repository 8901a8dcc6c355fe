"""The start of a stage: what the stages before it leave behind is there.

In: the number of a stage. Out: Settings of running servers that hold it. What is there is
left alone; what is missing is made in the order of ``PREREQUISITES``, with a line for each.
"""

from __future__ import annotations

import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from typing import Final

from workshop_lib.errors import WorkshopError
from workshop_lib.lessons import make, prerequisites
from workshop_lib.lessons.prerequisites import PREREQUISITES, Prerequisite
from workshop_lib.lessons.servers import without_answer
from workshop_lib.runtime.identity import ADDRESS, require_own_servers
from workshop_lib.runtime.progress import Progress, messages_to
from workshop_lib.settings import Settings

STAGES: Final = (1, 2, 3, 4)

#: Writes text as it is; the end of a line is part of it.
Say = Callable[[str], None]


def write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def begin(stage: int, settings: Settings | None = None, say: Say = write) -> Settings:
    """Make sure that ``stage`` (1–4) can begin; the settings of the running servers.

    Starts the servers if they do not answer. Prints a line for each thing that it makes, and
    one at the end. Interrupted, it stops what it started; the next call continues. Raises
    ``WorkshopError`` when a step fails, with what to do.
    """
    if stage not in STAGES:
        raise WorkshopError(f"There is no stage {stage}.", "Choose 1, 2, 3 or 4.")
    settings = running_servers(settings or Settings(), say)
    require_own_servers(settings)
    needed = [each for each in PREREQUISITES if each.stage <= stage]
    with _one_at_a_time(settings, say):
        if prerequisites.world_changed(settings):
            _delete_all(settings, say)
        with make.Spark(settings) as spark:
            _make(settings, spark, needed, say)
        prerequisites.make_visible(settings)
    if stage > 1:  # notebooks of Stage 2 make a session of Spark by hand
        from workshop_lib.runtime import spark_environment

        spark_environment.offer(settings.spark_short, settings.spark_master.startswith("local"))
    ready = f"Ready for stage {stage}: {', '.join(each.name for each in needed)}."
    # JupyterLab would break a long line within a word.
    say(textwrap.fill(ready, 100, break_on_hyphens=False) + "\n")
    return settings


def start_over(stage: int, settings: Settings | None = None, say: Say = write) -> Settings:
    """Delete all but the world's files, then ``begin``, as for a learner who has just come.

    Raises ``WorkshopError`` when a step is still running.
    """
    settings = running_servers(settings or Settings(), say)
    _delete_all(settings, say)
    return begin(stage, settings, say)


def running_servers(settings: Settings, say: Say) -> Settings:
    """``settings`` with the addresses of servers that answer, started if they did not."""
    if not without_answer(settings):
        return settings
    from workshop_lib import stack

    with messages_to(lambda text: say(text + "\n")):
        stack.up(settings)
    now = Settings(home=settings.home)  # read again, with the ports that were free
    more = ("identity", "redis_url_web", "kafka_password", "kafka_passwords")
    passwords = ("elasticsearch_password", "elasticsearch_password_web")
    addresses = (*ADDRESS.values(), *more, *passwords)
    settings = settings.model_copy(update={name: getattr(now, name) for name in addresses})
    away = without_answer(settings)
    if away:
        raise WorkshopError(f"{' and '.join(away)}: no answer.", "See `workshop status`.")
    return settings


def _delete_all(settings: Settings, say: Say) -> None:
    from workshop_lib.stack.reset import reset

    say("Clearing the topics, indices, keys and checkpoints of before …")
    reset(settings)
    say(" done\n")


def _make(settings: Settings, spark: make.Spark, needed: list[Prerequisite], say: Say) -> None:
    """Make what is missing, or wait for the process that makes it now."""

    def missing(among: list[Prerequisite]) -> list[Prerequisite]:
        return [each for each in among if not each.is_met(settings)]

    by_spark = [each for each in needed if each.make is None]
    for (maker, _), neighbours in groupby(needed, lambda e: (e.make, e.name == make.MODEL)):
        absent = missing(list(neighbours))
        if not absent:
            continue
        if not spark.process and missing(by_spark):
            spark.start()  # Java needs seconds to start, while others work
        names = [each.name for each in _not_made_by_others(settings, absent, say)]
        if names == [make.MODEL]:
            say(f"Training {make.MODEL} in the background.\n")
            spark.order(names)
        elif names:
            work = partial(maker, settings) if maker else partial(spark.make, names)
            _timed(f"Making {', '.join(names)}", work, say)
    if spark.ordered:
        _timed(f"Waiting for {', '.join(spark.ordered)}", spark.finish, say)


def _not_made_by_others(
    settings: Settings, missing: list[Prerequisite], say: Say
) -> list[Prerequisite]:
    """Wait for what other processes are making now; what of ``missing`` is left to us."""
    from workshop_lib.runtime.lock import running
    from workshop_lib.runtime.wait import SPARK_SECONDS, wait_until

    for lock in running(settings, *sorted({each.lock for each in missing if each.lock})):
        theirs = [each for each in missing if each.lock == lock]
        names = ", ".join(each.name for each in theirs)

        def made(
            progress: Progress, theirs: list[Prerequisite] = theirs, names: str = names
        ) -> None:
            def all_met() -> bool:
                progress(names)
                return all(each.is_met(settings) for each in theirs)

            wait_until(all_met, SPARK_SECONDS, f"{names}, made by another process", 1)

        _timed(f"Waiting for {names}: `workshop {lock.split('-')[0]}` is running", made, say)
        missing = [each for each in missing if each not in theirs]
    return missing


def _timed(title: str, work: Callable[[Progress], None], say: Say) -> None:
    """Do ``work`` on a line of its own: a dot every two seconds, then how long it took."""
    start = last = time.monotonic()

    def dots(step: str, done: float = 0, total: float | None = None, detail: str = "") -> None:
        nonlocal last
        if time.monotonic() - last >= 2:
            last = time.monotonic()
            say(".")

    say(f"{title} …")
    work(dots)
    say(f" {time.monotonic() - start:.0f} s\n")


@contextmanager
def _one_at_a_time(settings: Settings, say: Say) -> Iterator[None]:
    """Two notebooks begin one after the other: the second finds what the first has made."""
    from workshop_lib.runtime.lock import only_one, running
    from workshop_lib.runtime.wait import SPARK_SECONDS, wait_until

    if running(settings, "begin"):
        say("Another notebook is preparing the same; waiting for it …\n")
        wait_until(lambda: not running(settings, "begin"), SPARK_SECONDS, "the other notebook", 0.5)
    with only_one(settings, "begin"):
        yield
