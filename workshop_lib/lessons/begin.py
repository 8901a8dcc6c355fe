"""The start of a stage: everything that the stages before it leave behind is there.

In: the number of a stage. Out: Settings of running servers that hold it. What is there is
left alone; what is missing is made, in the order of ``things``, with a line for each. A
learner who comes late, or whose stream broke, begins any stage with all the others.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from typing import Final, NamedTuple

from workshop_lib.errors import WorkshopError
from workshop_lib.lessons import make
from workshop_lib.lessons import prerequisites as there
from workshop_lib.lessons.servers import silent
from workshop_lib.settings import Settings

STAGES: Final = (1, 2, 3, 4)
#: What somebody else is making right now must be there by then (seconds).
PATIENCE: Final = 900

#: Writes text as it is; the end of a line is part of it.
Say = Callable[[str], None]
#: Makes the things of these names.
Maker = Callable[[Settings, list[str], make.Tick], None]


class Thing(NamedTuple):
    """What must be there from ``stage`` on. ``lock``: whoever makes it holds it."""

    name: str
    stage: int
    lock: str
    is_there: Callable[[Settings], bool]
    make: Maker


def things(spark: make.Spark) -> tuple[Thing, ...]:
    """In the order of making. Neighbours that are made in the same way are made together."""
    return (
        Thing("the world's files", 1, "", there.world, make.world),
        Thing("the replayed log", 2, "replay", there.log, make.log),
        Thing(make.MODEL, 4, "train", there.model, spark.order),
        Thing("topic plays", 2, "ship-kafka", there.topic, make.topic),
        Thing("index plays-raw", 2, "ship-elasticsearch", there.raw, make.raw),
        Thing("plays", 3, "stream", there.plays, spark.make),
        Thing("aggregates", 3, "stream", there.aggregates, spark.make),
        Thing("interests", 3, "stream", there.interests, spark.make),
        Thing("targets", 4, "stream", there.targets, spark.make),
        Thing("sent messages", 4, "", there.messages, make.messages),
    )


def write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def begin(stage: int, settings: Settings | None = None, say: Say = write) -> Settings:
    """Make sure that ``stage`` (1–4) can begin; the settings of the servers that run.

    Starts the servers if they do not answer. Prints a line for each thing that it makes, and
    one at the end. Interrupted, it stops what it started and goes on the next time. Raises
    ``WorkshopError`` when a step fails, with what to do.
    """
    if stage not in STAGES:
        raise WorkshopError(f"There is no stage {stage}.", "Choose 1, 2, 3 or 4.")
    settings = servers(settings or Settings(), say)
    with _one_after_the_other(settings, say):
        if there.of_another_world(settings):
            _clear(settings, say)
        with make.Spark(settings) as spark:
            wanted = [thing for thing in things(spark) if thing.stage <= stage]
            _make(settings, spark, wanted, say)
        there.visible(settings)
    say(f"Ready for stage {stage}: {', '.join(thing.name for thing in wanted)}.\n")
    return settings


def start_over(stage: int, settings: Settings | None = None, say: Say = write) -> Settings:
    """Clear all that flowed, then ``begin``: a stage as one finds it who has just come to it.

    The world's files stay. Raises ``WorkshopError`` when a step is still running.
    """
    settings = servers(settings or Settings(), say)
    _clear(settings, say)
    return begin(stage, settings, say)


def servers(settings: Settings, say: Say) -> Settings:
    """``settings`` with the addresses of servers that answer, started if they did not."""
    if not silent(settings):
        return settings
    from workshop_lib import stack

    stack.up(settings, lambda text: say(text + "\n"))
    now = Settings(home=settings.home)  # read again, with the ports that were free
    addresses = ("kafka_bootstrap", "elasticsearch_url", "elasticsearch_api_key", "redis_url")
    settings = settings.model_copy(update={name: getattr(now, name) for name in addresses})
    away = silent(settings)
    if away:
        raise WorkshopError(f"{' and '.join(away)}: no answer.", "See `workshop status`.")
    return settings


def _clear(settings: Settings, say: Say) -> None:
    from workshop_lib.stack.reset import reset

    say("Clearing what flowed before: topics, indices, keys, checkpoints …")
    reset(settings)
    say(" done\n")


def _make(settings: Settings, spark: make.Spark, wanted: list[Thing], say: Say) -> None:
    """Make what is missing, or wait for whoever makes it now."""
    by_spark = [thing for thing in wanted if thing.make in (spark.order, spark.make)]
    for way, together in groupby(wanted, key=lambda thing: thing.make):
        missing = [thing for thing in together if not thing.is_there(settings)]
        if not missing:
            continue
        if not spark.step and any(not thing.is_there(settings) for thing in by_spark):
            spark.start()  # Java takes its seconds while others work
        names = [thing.name for thing in _not_made_by_others(settings, missing, say)]
        if names and way == spark.order:
            say(f"Making {', '.join(names)} beside what follows.\n")
            spark.order(settings, names)
        elif names:
            _timed(f"Making {', '.join(names)}", partial(way, settings, names), say)
    if spark.ordered:
        _timed(f"Waiting for {', '.join(spark.ordered)}", spark.finish, say)


def _not_made_by_others(settings: Settings, missing: list[Thing], say: Say) -> list[Thing]:
    """Wait for whoever makes some of ``missing`` now; what is left."""
    from workshop_lib.runtime.lock import running
    from workshop_lib.runtime.wait import wait_until

    locks = {thing.lock for thing in missing if thing.lock}
    for lock in running(settings, *sorted(locks)):
        theirs = [thing for thing in missing if thing.lock == lock]
        names = ", ".join(thing.name for thing in theirs)

        def made(tick: make.Tick, theirs: list[Thing] = theirs, names: str = names) -> None:
            def there_now() -> bool:
                tick()
                return all(thing.is_there(settings) for thing in theirs)

            wait_until(there_now, PATIENCE, f"{names}, made by another process", 1)

        _timed(f"Waiting for {names}: `workshop {lock.split('-')[0]}` is running", made, say)
        missing = [thing for thing in missing if thing not in theirs]
    return missing


def _timed(title: str, work: Callable[[make.Tick], None], say: Say) -> None:
    """Do ``work`` on a line of its own: a dot every two seconds, at the end how long it took."""
    start = last = time.monotonic()

    def tick() -> None:
        nonlocal last
        if time.monotonic() - last >= 2:
            last = time.monotonic()
            say(".")

    say(f"{title} …")
    work(tick)
    say(f" {time.monotonic() - start:.0f} s\n")


@contextmanager
def _one_after_the_other(settings: Settings, say: Say) -> Iterator[None]:
    """Two notebooks begin one after the other: the second finds what the first has made."""
    from workshop_lib.runtime.lock import only_one, running
    from workshop_lib.runtime.wait import wait_until

    if running(settings, "begin"):
        say("Another notebook is making the same; waiting for it …\n")
        wait_until(lambda: not running(settings, "begin"), PATIENCE, "the other notebook", 0.5)
    with only_one(settings, "begin"):
        yield
