"""One training run: the recorded world → features → training → gate → registry.

In: Settings and a Spark session. Out: a stored model, accepted or not. ``workshop train`` does
one run, or one every so often. Serves Stage 3.

No leakage: the features are of plays before the first ad click. The snapshot that the stream
scores with is of the newest history: the recorded plays that the replay has not yet made live
are the future.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import pandas as pd
from pyspark.sql import DataFrame, SparkSession

from workshop_lib.errors import WorkshopError
from workshop_lib.ingest.recording import fingerprint, read_recording
from workshop_lib.ingest.replay import read_state
from workshop_lib.marketing import libsvm, registry
from workshop_lib.marketing.drift import SCORE, drift
from workshop_lib.marketing.features import ORIGINAL_FEATURES, features, history
from workshop_lib.marketing.gate import GateDecision, gate
from workshop_lib.marketing.train import Trained, labels, score, train
from workshop_lib.runtime.progress import Progress, silent
from workshop_lib.schema.world import HISTORY_DAYS
from workshop_lib.settings import Settings
from workshop_lib.world.read import load_clicks, load_customers


def learn(
    settings: Settings,
    spark: SparkSession,
    seed: int = 7,
    progress: Progress = silent,
    save_features: Path | None = None,
) -> registry.Model:
    """Train on the world of ``settings``, judge, store; the stored model.

    ``save_features``: also write the labelled customers there as libSVM. Raises
    ``WorkshopError`` when the world has no clicks, or too few to learn from.
    """
    clicks = load_clicks(settings.world)
    first_click, last_click = click_window(clicks, settings.world)
    progress("reading the plays")
    as_of = max(newest_history(settings), last_click)
    with _cached(history(spark, settings.world / "tracks.csv")) as plays:
        labelled = training_rows(plays, first_click, clicks, load_customers(settings.world))
        now = features(plays, as_of).toPandas().sort_values("customer_id")
    if save_features:
        libsvm.write(labelled, save_features)
    progress("training")
    trained = train(spark, labelled, seed)
    progress("scoring all customers")
    snapshot = with_scores(spark, trained, now)
    in_use = registry.current(settings)
    progress("storing the model")
    about = {
        "seed": seed,
        "labelled_customers": len(labelled),
        "takers": int(labelled["label"].sum()),
        "window": {
            "features_from": first_click - timedelta(days=HISTORY_DAYS),
            "features_to": first_click,
            "clicks_from": first_click,
            "clicks_to": last_click,
            "snapshot_as_of": as_of,
        },
        "code": {"sha256": code_sha256(), "pyspark": version("pyspark")},
        "drift": {"against": in_use.version, **drift(pd.read_parquet(in_use.snapshot), snapshot)}
        if in_use
        else {},
    }
    candidate = registry.Candidate(
        trained.pipeline, snapshot, trained.threshold, trained.metrics, trained.feature_names, about
    )
    return registry.store(settings, candidate, gate(trained.metrics, settings))


def learn_from_file(
    settings: Settings, spark: SparkSession, path: Path, seed: int = 7
) -> tuple[Trained, GateDecision]:
    """Train on a libSVM file and judge; nothing is stored, as the file has no customer ids.

    A line's number serves only to draw the parts.
    """
    labelled = libsvm.read(path).rename(columns={"row": "customer_id"})
    trained = train(spark, labelled, seed, ORIGINAL_FEATURES)
    return trained, gate(trained.metrics, settings)


def click_window(clicks: pd.DataFrame, world: Path) -> tuple[datetime, datetime]:
    """First and last moment of the ad clicks (UTC).

    From the clicks themselves: an imported world has no ledger of them.
    """
    if clicks.empty:
        raise WorkshopError(
            f"There are no ad clicks in {world}.",
            "`workshop data generate` makes a world with clicks.",
        )
    when = clicks["clicked_at"]
    return when.min().to_pydatetime(), when.max().to_pydatetime()


def training_rows(
    plays: DataFrame, before: datetime, clicks: pd.DataFrame, customers: pd.DataFrame
) -> pd.DataFrame:
    """customer_id, features from plays before that moment, label; in order of customer id.

    A customer who had not played by then has no features and is left out.
    """
    known = features(plays, before).toPandas()
    joined = known.merge(labels(clicks, customers), on="customer_id", validate="one_to_one")
    return joined.sort_values("customer_id", ignore_index=True)


def newest_history(settings: Settings) -> datetime:
    """Up to when the recorded plays have happened, in the recording's own time.

    Up to the last line that a replay has made live; before any replay, up to
    ``settings.live_hours`` before the end, the part that is left to be replayed.
    """
    recorded = read_recording(settings.world / "tracks.csv")
    state = read_state(settings)
    if state is not None and state.fingerprint == fingerprint(recorded.path):
        line = state.next_line
    else:
        line = recorded.first_of_last(settings.live_hours)
    # The next line's arrival is the first moment that has not happened yet.
    millis = int(recorded.arrived[min(line, len(recorded) - 1)])
    return datetime.fromtimestamp(millis / 1000, UTC)


def with_scores(spark: SparkSession, trained: Trained, rows: pd.DataFrame) -> pd.DataFrame:
    """``rows`` (customer_id, features) and their ``score``."""
    scored = score(trained.pipeline, spark.createDataFrame(rows)).select("customer_id", SCORE)
    return rows.merge(scored.toPandas(), on="customer_id", validate="one_to_one")


def code_sha256() -> str:
    """Of the sources that make a model: another one may make another model."""
    digest = hashlib.sha256()
    for name in ("features", "train", "metrics", "gate", "learn"):
        digest.update(Path(__file__).with_name(f"{name}.py").read_bytes())
    return digest.hexdigest()


@contextmanager
def _cached(rows: DataFrame) -> Iterator[DataFrame]:
    rows.cache()
    try:
        yield rows
    finally:
        rows.unpersist()
