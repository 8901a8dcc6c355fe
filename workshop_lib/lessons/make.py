"""How each prerequisite is made that ``begin`` found missing.

In: Settings and a Progress. Spark runs in a process of its
own: the notebook keeps a session of its own, or none.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from workshop_lib.errors import WorkshopError
from workshop_lib.ingest.replay import read_state, replay
from workshop_lib.ingest.ship import ship, shipped
from workshop_lib.runtime import child
from workshop_lib.runtime.connections import create_topics
from workshop_lib.runtime.console import quiet_clients
from workshop_lib.runtime.progress import Progress
from workshop_lib.runtime.wait import SPARK_SECONDS, wait_until
from workshop_lib.settings import Settings

Maker = Callable[[Settings, Progress], None]

#: Without waiting; the event-time gaps between plays stay the same.
FASTEST: Final = 1_000_000.0
STOP_SECONDS: Final = 30
SPARK_LOG: Final = "begin-spark"
#: The one thing that Spark makes which is no query.
MODEL: Final = "a model"


def world(settings: Settings, progress: Progress) -> None:
    """Two weeks that end now, so that its evenings are today's."""
    from workshop_lib.world.generate import WORLD, generate, this_minute

    now = this_minute(settings.timezone)
    generate(settings.world, until=now, progress=progress, **WORLD)


def log(settings: Settings, progress: Progress) -> None:
    """The last hours, or the rest of a replay that was stopped."""
    begun = read_state(settings) is not None and settings.live_log.exists()
    replay(
        settings,
        speed=FASTEST,
        last_hours=None if begun else settings.live_hours,
        restart=not begun,
        progress=progress,
    )


def raw(settings: Settings, progress: Progress) -> None:
    _ship(settings, "elasticsearch", progress)


def topic(settings: Settings, progress: Progress) -> None:
    create_topics(settings)
    _ship(settings, "kafka", progress)


def _ship(settings: Settings, to: str, progress: Progress) -> None:
    quiet_clients()
    if shipped(settings, to):
        # The position says that all was shipped, but its index or topic was deleted.
        (settings.home / f"ship-{to}.json").unlink()
    ship(settings, to, once=True, progress=progress)


def messages(settings: Settings, progress: Progress) -> None:
    """To a simulated phone of our own, whatever the settings say: no real one is called."""
    from workshop_lib.marketing.sms_gateway import Phone, serving
    from workshop_lib.marketing.sms_server import serve

    with serving(Phone()) as address:
        ours = settings.model_copy(update={"sms_url": address, "sms_per_second": 1000})
        serve(ours, workers=4, provider_name="http", once=True, progress=progress)


class Spark:
    """``one_spark`` in a process of its own, which makes a model and what the queries write.

    ``start`` it before there is work for it, because Java needs seconds to start. What it has
    not made when it is interrupted, the next one makes.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.process: child.Child | None = None
        self.ordered: list[str] = []  # and not yet waited for

    def __enter__(self) -> Spark:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process:
            self._no_more_orders()
            child.stop([self.process], STOP_SECONDS)

    def start(self) -> child.Child:
        """The process, started if it was not yet."""
        self.process = self.process or child.start(
            self.settings,
            SPARK_LOG,
            "workshop_lib.lessons.one_spark",
            environment=child.environment(self.settings),
            stdin=subprocess.PIPE,
        )
        return self.process

    def order(self, names: list[str]) -> None:
        """Have ``names`` made in the background; ``finish`` waits for them."""
        spark = self.start()
        assert spark.stdin is not None
        self.ordered += names
        with suppress(BrokenPipeError):  # it has ended already; ``finish`` says why
            spark.stdin.write(json.dumps(names).encode() + b"\n")
            spark.stdin.flush()

    def make(self, names: list[str], progress: Progress) -> None:
        self.order(names)
        self.finish(progress)

    def finish(self, progress: Progress) -> None:
        """Wait for all that was ordered; there can be no more orders.

        Raises ``WorkshopError`` also when the gate refuses the model.
        """
        spark = self.start()
        self._no_more_orders()

        def ended() -> bool:
            progress("Spark")
            return spark.poll() is not None

        log = child.log_file(self.settings, SPARK_LOG)
        wait_until(ended, SPARK_SECONDS, f"Spark, see {log}", 0.2)
        child.check(self.settings, SPARK_LOG, spark, "Spark")
        made, self.ordered = self.ordered, []
        if MODEL in made:
            _require_accepted(self.settings)

    def _no_more_orders(self) -> None:
        assert self.process and self.process.stdin
        with suppress(BrokenPipeError):
            self.process.stdin.close()


def _require_accepted(settings: Settings) -> None:
    from workshop_lib.marketing.registry import current, list_models

    if current(settings) is None:
        reasons = "; ".join(list_models(settings)[-1].reasons)
        raise WorkshopError(
            f"The gate refused the model: {reasons}.",
            "`workshop train` trains again; `workshop data generate` makes a world with patterns"
            " that can be learned.",
        )
