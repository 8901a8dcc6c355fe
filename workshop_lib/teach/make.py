"""How each thing is made that ``begin`` found missing.

In: Settings, the names of what is missing, and a function that is called while it lasts.
Spark runs in a process of its own, as the command that a learner would type: the notebook
keeps a session of its own, or none.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import SecretStr

from workshop_lib.errors import WorkshopError
from workshop_lib.settings import Settings

#: Called now and then while something is being made.
Tick = Callable[[], None]

#: Dates are moved by hours, and nobody waits: the gaps between plays stay what they are.
FASTEST: Final = 1_000_000.0
#: A step of Spark that takes longer than so many seconds has come to nothing.
PATIENCE: Final = 900
POLL: Final = 0.2
#: The simulated phone takes them as fast as they come.
MESSAGES_PER_SECOND: Final = 1000


def world(settings: Settings, names: list[str], tick: Tick) -> None:
    """Two weeks that end now, so that its evenings are today's."""
    from workshop_lib.world.generate import WORLD, generate

    now = datetime.now(UTC).replace(second=0, microsecond=0)
    generate(settings.world, until=now, report=lambda step: tick(), **WORLD)


def log(settings: Settings, names: list[str], tick: Tick) -> None:
    """The last hours, or the rest of a replay that was stopped."""
    from workshop_lib.ingest.replay import read_state, replay

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
    from workshop_lib.connections import create_topics

    create_topics(settings)
    _ship(settings, "kafka", tick)


def _ship(settings: Settings, to: str, tick: Tick) -> None:
    from workshop_lib.ingest.ship import ship
    from workshop_lib.teach import there

    for name in ("kafka", "elastic_transport"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    if there.shipped(settings, to):
        # All was shipped, and yet it is not there: somebody took the index or the topic away.
        (settings.home / f"ship-{to}.json").unlink()
    ship(settings, to, once=True, on_progress=lambda report, behind: tick())


def model(settings: Settings, names: list[str], tick: Tick) -> None:
    from workshop_lib.marketing.registry import current, list_models

    _workshop(settings, tick, "train")
    if current(settings) is None:
        reasons = "; ".join(list_models(settings)[-1].reasons)
        raise WorkshopError(
            f"The gate refused the model: {reasons}.",
            "`workshop train` trains again; a world made anew has habits that can be learned.",
        )


def streams(settings: Settings, names: list[str], tick: Tick) -> None:
    """One Spark for all queries that are missing, until all that the topic holds is done."""
    from workshop_lib.stream.progress import caught_up

    for name in names:
        if caught_up(settings, [name]):
            # It has read everything, and yet it is not there: it has to read it again.
            _forget(settings, name)
    _workshop(settings, tick, "stream", *names, "--available-now")


def _forget(settings: Settings, query: str) -> None:
    """Forget how far ``query`` has come; all that it writes bears being written again."""
    from workshop_lib.stream.progress import checkpoint

    shutil.rmtree(checkpoint(settings, query), ignore_errors=True)
    for file in (settings.home / "stream").glob(f"{query}*.json"):
        file.unlink()


def messages(settings: Settings, names: list[str], tick: Tick) -> None:
    """To a simulated phone of our own, whatever the settings say: nobody gets a real one."""
    from workshop_lib.marketing.sms_gateway import Phone, serving
    from workshop_lib.marketing.sms_server import serve

    with serving(Phone()) as address:
        ours = {"sms_url": address, "sms_per_second": MESSAGES_PER_SECOND}
        serve(
            settings.model_copy(update=ours),
            provider_name="http",
            once=True,
            report=lambda counts: tick(),
        )


def _workshop(settings: Settings, tick: Tick, *words: str) -> None:
    """Run ``workshop WORDS`` with these settings to its end; its last words when it fails."""
    settings.logs.mkdir(parents=True, exist_ok=True)
    path = settings.logs / f"begin-{words[0]}.log"
    with path.open("wb") as log:
        step = subprocess.Popen(
            [sys.executable, "-m", "workshop_lib.cli", *words],
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=os.environ | environment(settings),
            # Ctrl-C comes to us; the step is then asked to stop, and lets its batch end.
            start_new_session=True,
        )
    deadline = time.monotonic() + PATIENCE
    try:
        while step.poll() is None:
            tick()
            if time.monotonic() > deadline:
                raise WorkshopError(
                    f"`workshop {words[0]}` does not come to an end.", f"See {path}."
                )
            time.sleep(POLL)
    finally:
        if step.poll() is None:
            step.terminate()
            try:
                step.wait(30)
            except subprocess.TimeoutExpired:
                step.kill()
                step.wait()
    if step.returncode:
        last = path.read_text(errors="replace").strip().splitlines()[-3:]
        raise WorkshopError(f"`workshop {words[0]}` failed: {' '.join(last)}", f"See {path}.")


def environment(settings: Settings) -> dict[str, str]:
    """The variables that give another process these settings."""

    def text(value: Any) -> str:
        if isinstance(value, SecretStr):
            return value.get_secret_value()
        return json.dumps(value) if isinstance(value, list) else str(value)

    given = {name: getattr(settings, name) for name in settings.model_fields_set}
    return {f"WORKSHOP_{n.upper()}": text(v) for n, v in given.items() if v is not None}
