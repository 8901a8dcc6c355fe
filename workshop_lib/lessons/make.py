"""How each thing is made that ``begin`` found missing.

In: Settings, the names of what is missing, and a function that is called while it lasts.
Spark runs in a process of its own: the notebook keeps a session of its own, or none.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from workshop_lib.errors import WorkshopError
from workshop_lib.ingest.replay import read_state, replay
from workshop_lib.ingest.ship import ship
from workshop_lib.lessons import prerequisites as there
from workshop_lib.runtime import step
from workshop_lib.runtime.connections import create_topics
from workshop_lib.runtime.console import quiet_clients
from workshop_lib.runtime.wait import wait_until
from workshop_lib.settings import Settings

#: Called now and then while something is being made.
Tick = Callable[[], None]

#: Dates are moved by hours, and nobody waits: the gaps between plays stay what they are.
FASTEST: Final = 1_000_000.0
#: A step of Spark that takes longer than so many seconds has come to nothing.
PATIENCE: Final = 900
POLL: Final = 0.2
#: The simulated phone takes them as fast as they come, from so many workers.
MESSAGES_PER_SECOND: Final = 1000
WORKERS: Final = 4
STOP_SECONDS: Final = 30
SPARK_LOG: Final = "begin-spark"
#: What is no query of those that one Spark makes.
MODEL: Final = "a model"


def world(settings: Settings, names: list[str], tick: Tick) -> None:
    """Two weeks that end now, so that its evenings are today's."""
    from workshop_lib.world.generate import WORLD, generate

    now = datetime.now(UTC).replace(second=0, microsecond=0)
    generate(settings.world, until=now, report=lambda name: tick(), **WORLD)


def log(settings: Settings, names: list[str], tick: Tick) -> None:
    """The last hours, or the rest of a replay that was stopped."""
    begun = read_state(settings) is not None and settings.live_log.exists()
    hours = None if begun else settings.live_hours
    replay(
        settings,
        speed=FASTEST,
        last_hours=hours,
        restart=not begun,
        on_progress=lambda done, total: tick(),
    )


def raw(settings: Settings, names: list[str], tick: Tick) -> None:
    _ship(settings, "elasticsearch", tick)


def topic(settings: Settings, names: list[str], tick: Tick) -> None:
    create_topics(settings)
    _ship(settings, "kafka", tick)


def _ship(settings: Settings, to: str, tick: Tick) -> None:
    quiet_clients()
    if there.shipped(settings, to):
        # All was shipped, and yet it is not there: somebody took the index or the topic away.
        (settings.home / f"ship-{to}.json").unlink()
    ship(settings, to, once=True, on_progress=lambda report, behind: tick())


class Spark:
    """``one_spark`` in a process of its own, which makes a model and what the queries write.

    ``start`` it before there is work for it: Java takes its seconds while others work. What it
    has not made at the end, because we were interrupted, the next one makes.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.step: step.Step | None = None
        self.ordered: list[str] = []  # and not yet waited for

    def __enter__(self) -> Spark:
        return self

    def __exit__(self, *_: object) -> None:
        if self.step:
            self._no_more()
            step.stop([self.step], STOP_SECONDS)

    def start(self) -> step.Step:
        """The process, started if it was not yet."""
        self.step = self.step or step.start(
            self.settings,
            SPARK_LOG,
            "workshop_lib.lessons.one_spark",
            environment=step.environment(self.settings),
            stdin=subprocess.PIPE,
        )
        return self.step

    def order(self, settings: Settings, names: list[str], tick: Tick = lambda: None) -> None:
        """Have ``names`` made beside what follows; ``finish`` waits for them."""
        spark = self.start()
        assert spark.stdin is not None
        self.ordered += names
        with suppress(BrokenPipeError):  # it has ended already; why is told by ``finish``
            spark.stdin.write(json.dumps(names).encode() + b"\n")
            spark.stdin.flush()

    def make(self, settings: Settings, names: list[str], tick: Tick) -> None:
        """``order`` and ``finish``."""
        self.order(settings, names)
        self.finish(tick)

    def finish(self, tick: Tick) -> None:
        """Wait for all that was ordered; there can be no more orders.

        Raises ``WorkshopError`` when the gate refuses the model, too.
        """
        spark = self.start()
        self._no_more()

        def ended() -> bool:
            tick()
            return spark.poll() is not None

        wait_until(ended, PATIENCE, f"Spark, see {step.log_of(self.settings, SPARK_LOG)}", POLL)
        step.check(self.settings, SPARK_LOG, spark, "Spark")
        made, self.ordered = self.ordered, []
        if MODEL in made:
            _accepted(self.settings)

    def _no_more(self) -> None:
        assert self.step and self.step.stdin
        with suppress(BrokenPipeError):
            self.step.stdin.close()


def _accepted(settings: Settings) -> None:
    from workshop_lib.marketing.registry import current, list_models

    if current(settings) is None:
        reasons = "; ".join(list_models(settings)[-1].reasons)
        raise WorkshopError(
            f"The gate refused the model: {reasons}.",
            "`workshop train` trains again; a world made anew has habits that can be learned.",
        )


def messages(settings: Settings, names: list[str], tick: Tick) -> None:
    """To a simulated phone of our own, whatever the settings say: nobody gets a real one."""
    from workshop_lib.marketing.sms_gateway import Phone, serving
    from workshop_lib.marketing.sms_server import serve

    with serving(Phone()) as address:
        ours = {"sms_url": address, "sms_per_second": MESSAGES_PER_SECOND}
        serve(
            settings.model_copy(update=ours),
            workers=WORKERS,
            provider_name="http",
            once=True,
            report=lambda counts: tick(),
        )
