"""What every measurement reads, and whether what it wrote is right.

``fill`` makes a recorded world and puts its plays into topic ``plays``; ``differences``
compares indices with the world's ledger. A number whose results differ is not reported.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from workshop_lib.ingest.dead_letters import read_topic
from workshop_lib.runtime import child, connections
from workshop_lib.schema.names import (
    INTERESTS_INDEX,
    PLAYS_INDEX,
    PLAYS_PER_MINUTE_INDEX,
    PLAYS_TOPIC,
)
from workshop_lib.schema.play import MalformedPlay, parse, to_json
from workshop_lib.schema.tables import ALL, DIMENSIONS, INDICES
from workshop_lib.settings import Settings
from workshop_lib.stack.reset import reset
from workshop_lib.verify.actual import documents, refresh
from workshop_lib.verify.expected import Expected, expected
from workshop_lib.world.generate import generate

#: As many plays a day as in the demo: how many share a minute matters for the counts.
PLAYS_PER_DAY: Final = 14_000
LABELS: Final = ("gender", "age_band", "level", "state", "device", "title", "artist")


@contextmanager
def space(home: Path, **more: object) -> Iterator[Settings]:
    """Settings with a folder and a namespace of their own; at the end both are empty again."""
    with tempfile.TemporaryDirectory() as folder:
        running = Settings(home=home)
        if not running.kafka_bootstrap:
            raise SystemExit(f"The servers of {home} are not running. Run `workshop up`.")
        # home first: the addresses are those of the stack in ``home``
        update = {"home": Path(folder), "namespace": f"bench{time.time_ns() % 10**9}-", **more}
        settings = running.model_copy(update=update)
        try:
            yield settings
        finally:
            reset(settings)


def variables(settings: Settings) -> dict[str, str]:
    """These settings as the environment of another process."""
    places = {"WORKSHOP_HOME": str(settings.home), "WORKSHOP_DATA": str(settings.world)}
    return os.environ | child.environment(settings) | places


def make_world(settings: Settings, plays: int) -> Expected:
    """A recorded world of ``plays`` lines that ends now, and what is true of it."""
    until = datetime.now(UTC).replace(second=0, microsecond=0)
    days = min(90, max(3, round(plays / PLAYS_PER_DAY)))
    generate(
        settings.world, seed=7, customers=2000, tracks=500, plays=plays, days=days, until=until
    )
    return expected(settings.world, 0, plays, 0)


def accepted(settings: Settings) -> Iterator[tuple[bytes, bytes]]:
    """Key and value of topic ``plays``, for each well-formed line of the world."""
    latest = time.time_ns() // 1_000_000
    with (settings.world / "tracks.csv").open("rb") as file:
        for line in file:
            try:
                play = parse(line, latest)
            except MalformedPlay:
                continue  # the shippers' business
            yield str(play.customer_id).encode(), to_json(play)


def fill(settings: Settings, plays: int) -> tuple[int, Expected]:
    """A world whose plays are in the topic: how many records, and what is true of them."""
    truth = make_world(settings, plays)
    connections.create_topics(settings)
    producer = connections.producer(settings)
    sent = 0
    for key, value in accepted(settings):
        producer.send(settings.topic(PLAYS_TOPIC), value, key)
        sent += 1
    producer.close()
    return sent, truth


def empty(settings: Settings) -> None:
    """All indices of ``settings``, empty, with their mappings."""
    client = connections.elasticsearch(settings)
    for index in INDICES:
        client.options(ignore_status=404).indices.delete(index=settings.index(index))
        connections.create_index(settings, client, index)
    client.close()


def differences(settings: Settings, truth: Expected, *indices: str, late: int = 0) -> list[str]:
    """How the indices differ from the ledger; ``late`` plays may be missing in the counts."""
    refresh(settings)
    compare = {
        PLAYS_INDEX: lambda: _plays(settings, truth),
        PLAYS_PER_MINUTE_INDEX: lambda: _counts(settings, truth, late),
        INTERESTS_INDEX: lambda: _interests(settings, truth),
    }
    found = [difference for index in indices for difference in compare[index]()]
    refused = {letter.reason for letter in read_topic(settings)}
    return found + [f"dead letter: {reason}" for reason in refused]


def _plays(settings: Settings, truth: Expected) -> list[str]:
    want = {
        int(row[0]): tuple(row[1:])
        for row in truth.plays[["event_id", *LABELS]].itertuples(index=False)
    }
    have = {
        found["event_id"]: tuple(found.get(name) for name in LABELS)
        for found in documents(settings, PLAYS_INDEX, "event_id", *LABELS)
    }
    wrong = [event for event in want.keys() & have.keys() if want[event] != have[event]]
    return [
        *([f"{len(want.keys() - have.keys())} plays are missing"] * (want.keys() != have.keys())),
        *(
            [f"{len(wrong)} plays differ, e.g. {have[wrong[0]]}, not {want[wrong[0]]}"]
            if wrong
            else []
        ),
    ]


def _counts(settings: Settings, truth: Expected, late: int) -> list[str]:
    plays = truth.plays.assign(all=ALL)
    want: Counter[tuple[str, str, str]] = Counter()
    for dimension in (ALL, *DIMENSIONS):
        minutes = plays["minute"].dt.strftime("%Y-%m-%dT%H:%M")
        want.update(zip(minutes, [dimension] * len(plays), plays[dimension], strict=True))
    have: Counter[tuple[str, str, str]] = Counter()
    fields = ("minute", "value", "dimension", "plays")
    for found in documents(settings, PLAYS_PER_MINUTE_INDEX, *fields[:3], fields[3]):
        have[found["minute"][:16], found["dimension"], found["value"]] += found["plays"]
    more, less = have - want, want - have
    missing = sum(n for (_, dimension, _), n in less.items() if dimension == ALL)
    return [f"counts: {missing} missing ({late} known as late), {len(more)} too high"] * bool(
        more or missing > late
    )


def _interests(settings: Settings, truth: Expected) -> list[str]:
    have = {found["event_id"] for found in documents(settings, INTERESTS_INDEX, "event_id")}
    want = {int(event) for event in truth.hits["event_id"]}
    text = f"interests: {len(want - have)} missing, {len(have - want)} invented"
    return [text] * (have != want)
