"""A world for the tests of targeting: whom a made-up model chooses is plain from the ids.

Odd customers are the model's takers, even ones are not. Of every ten, 7 is Gold and 9 has a
closed account; customers from 40 on are in no table, those from 30 on have no habits.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from pyspark.ml import Pipeline
from pyspark.ml.classification import LogisticRegression
from pyspark.ml.feature import VectorAssembler
from pyspark.sql import SparkSession
from stream_world import TRACKS

from workshop_lib.marketing import registry
from workshop_lib.marketing.gate import GateDecision
from workshop_lib.settings import Settings

KNOWN, WITH_HABITS = 40, 30


def write_world(settings: Settings) -> None:
    """The files that ``workshop stream`` reads."""
    settings.world.mkdir(parents=True, exist_ok=True)
    ids = pd.Series(range(KNOWN))
    pd.DataFrame(
        {
            "CustID": ids,
            "Name": "A B",
            "Gender": 0,
            "Address": "1 Road",
            "zip": "02139",
            "SignDate": "01/01/2020",
            "Status": (ids % 10 != 9).astype(int),
            "Level": (ids % 10 == 7) * 2,
            "Campaign": 0,
            "LinkedWithApps": 0,
            "BirthYear": 1990,
        }
    ).sample(frac=1, random_state=1).to_csv(settings.world / "cust.csv", index=False)
    TRACKS.set_axis(["TrackId", "Title", "Artist", "Length"], axis=1).to_csv(
        settings.world / "music.csv", index=False
    )


def takers() -> set[int]:
    """Who is to be offered something, by the ids alone."""
    return {n for n in range(WITH_HABITS) if n % 2 == 1 and n % 10 not in (7, 9)}


def accept(spark: SparkSession, settings: Settings, odd: bool = True) -> registry.Model:
    """Train on habits that tell odd customers from even ones, and put the model in use."""
    ids = range(WITH_HABITS)
    habits = pd.DataFrame({"customer_id": ids, "evening": [0.1 + 0.8 * (n % 2) for n in ids]})
    labelled = habits.assign(label=[float((n % 2 == 1) is odd) for n in ids])
    stages = [
        VectorAssembler(inputCols=["evening"], outputCol="features"),
        LogisticRegression(regParam=0.01),
    ]
    model = Pipeline(stages=stages).fit(spark.createDataFrame(labelled))
    candidate = registry.Candidate(
        model, habits.sample(frac=1, random_state=2), 0.5, {"error": 0.0}, ("evening",)
    )
    return registry.store(settings, candidate, GateDecision(True, ()))


def recommit(folder: Path) -> None:
    """Take the newest commit away: what a crash just before it leaves behind."""
    last = max((folder / "commits").glob("[0-9]*"), key=lambda path: int(path.name))
    last.unlink()
    (last.parent / f".{last.name}.crc").unlink(missing_ok=True)


def outbox(settings: Settings) -> list[dict[str, Any]]:
    from workshop_lib.runtime.connections import redis_client
    from workshop_lib.schema.names import SMS_OUTBOX

    return [fields for _, fields in redis_client(settings).xrange(settings.key(SMS_OUTBOX))]
