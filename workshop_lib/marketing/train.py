"""Learn from past ad clicks which listeners take the offer: Spark ML, logistic regression.

In: the recorded plays, the customers and the clicks of a world. Out: a fitted pipeline, its
threshold and its metrics on customers that it has not seen. Whether it is used is for
``gate`` to say, and where it is kept is for ``registry``.

Three parts of the customers, drawn by customer and never by row: 60 % to fit, 20 % to
choose the threshold, 20 % touched once, for the metrics. The takers are a minority, so
each class is weighted to count the same while fitting (a weighted log-loss); that bends
the scores away from true probabilities, which is why the threshold is not 0.5 but chosen
on the second part, where errors are fewest.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.classification import LogisticRegression
from pyspark.ml.feature import StandardScaler, VectorAssembler
from pyspark.ml.functions import vector_to_array
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from workshop_lib.errors import WorkshopError
from workshop_lib.marketing import metrics
from workshop_lib.marketing.features import FEATURES

OFFER_AD: Final = "ADV_REDUCED_1DAY"
PARTS: Final = {"fit": 0.6, "validate": 0.2, "test": 0.2}
#: Fewer takers than this in the test part say nothing about precision or recall.
MIN_TAKERS: Final = 10


@dataclass(frozen=True)
class Trained:
    """A fitted pipeline, the score from which on a listener is offered, and how good it is.

    ``metrics`` are numbers of the test part; ``scores`` those of all labelled customers, for
    watching drift; ``test_ids`` the customers of the test part.
    """

    pipeline: PipelineModel
    threshold: float
    metrics: dict[str, Any]
    scores: np.ndarray
    test_ids: frozenset[int]
    feature_names: tuple[str, ...]


def labels(clicks: pd.DataFrame, customers: pd.DataFrame) -> pd.DataFrame:
    """customer_id and label (1: clicked the offer's ad) of every customer who could take it.

    Joined by id: the files' line order means nothing, and customer 0 is a customer. Gold
    members and closed accounts get no offer, so a model of them would be of no use.
    """
    could = customers[(customers["level"] < 2) & (customers["status"] == 1)]
    took = set(clicks.loc[clicks["ad"] == OFFER_AD, "customer_id"])
    return pd.DataFrame(
        {
            "customer_id": could["customer_id"].astype("int64"),
            "label": could["customer_id"].isin(took).astype("float64"),
        }
    )


def part_of(customer_ids: np.ndarray, seed: int) -> np.ndarray:
    """ "fit", "validate" or "test" for each id, from the id and the seed alone.

    A customer keeps their part when others join or leave, so that a retrained model is
    never tested on customers whom an earlier one learned from.
    """
    mixed = customer_ids.astype(np.uint64) + np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    uniform = (mixed ^ (mixed >> np.uint64(31))).astype(np.float64) / 2.0**64
    edges = np.cumsum(list(PARTS.values()))[:-1]
    return np.array(list(PARTS))[np.digitize(uniform, edges)]


def pipeline(feature_names: tuple[str, ...]) -> Pipeline:
    """Scale each feature to unit variance, then logistic regression with a little L2."""
    return Pipeline(
        stages=[
            VectorAssembler(inputCols=list(feature_names), outputCol="raw"),
            StandardScaler(inputCol="raw", outputCol="features", withMean=True),
            LogisticRegression(family="binomial", weightCol="weight", regParam=0.001, maxIter=100),
        ]
    )


def score(model: PipelineModel, rows: DataFrame) -> DataFrame:
    """``rows`` (with the features) and a column score, 0–1."""
    return model.transform(rows).withColumn("score", vector_to_array(F.col("probability"))[1])


def train(
    spark: SparkSession,
    labelled: pd.DataFrame,
    seed: int = 7,
    feature_names: tuple[str, ...] = FEATURES,
) -> Trained:
    """Fit, choose the threshold, judge. ``labelled``: customer_id, features, label (0/1).

    Raises ``WorkshopError`` when a part has too few takers, or too few others, to judge by.
    """
    labelled = labelled.sort_values("customer_id").reset_index(drop=True)
    part = part_of(labelled["customer_id"].to_numpy(), seed)
    taken = labelled["label"].to_numpy(dtype=float)
    for name in PARTS:
        takers = int(taken[part == name].sum())
        others = int((part == name).sum()) - takers
        if min(takers, others) < MIN_TAKERS:
            raise WorkshopError(
                f"Only {takers} takers and {others} others in the {name} part;"
                f" {MIN_TAKERS} of each are needed.",
                "Use a world with more customers or a longer history.",
            )
    fit = part == "fit"
    positive = taken[fit].mean()
    # Each class has half of the weight, whatever its size.
    weight = np.where(taken > 0.5, 0.5 / positive, 0.5 / (1 - positive))
    rows = spark.createDataFrame(labelled.assign(weight=weight))
    known = spark.createDataFrame(
        pd.DataFrame({"customer_id": labelled.loc[fit, "customer_id"].astype("int64")})
    )
    model = pipeline(feature_names).fit(
        rows.join(F.broadcast(known), "customer_id").orderBy("customer_id").coalesce(1)
    )
    scored = score(model, rows).select("customer_id", "score").toPandas().set_index("customer_id")
    scores = scored.loc[labelled["customer_id"], "score"].to_numpy()
    validate, test = part == "validate", part == "test"
    threshold = metrics.best_threshold(taken[validate], scores[validate])
    features = labelled[list(feature_names)].to_numpy(dtype=float)
    return Trained(
        model,
        threshold,
        _judge(taken, scores, features, threshold, test, ~test, feature_names, seed),
        scores,
        frozenset(int(i) for i in labelled.loc[test, "customer_id"]),
        feature_names,
    )


def _judge(
    taken: np.ndarray,
    scores: np.ndarray,
    features: np.ndarray,
    threshold: float,
    test: np.ndarray,
    known: np.ndarray,
    feature_names: tuple[str, ...],
    seed: int,
) -> dict[str, Any]:
    """The numbers of the test part, the baseline's beside them, and their intervals."""
    offered = scores[test] >= threshold
    # The rule gets all that the model got: the fit part and the part for the threshold.
    rule = metrics.one_rule(features[known], taken[known])
    baseline = metrics.confusion(taken[test], metrics.apply_rule(features[test], rule))
    column, value, above = rule
    return {
        **metrics.confusion(taken[test], offered),
        "auc": metrics.auc(taken[test], scores[test]),
        "customers": int(test.sum()),
        "baseline_rule": f"{feature_names[column]} {'above' if above else 'below'} {value:.3f}",
        "baseline_error": baseline["error"],
        "baseline_precision": baseline["precision"],
        "baseline_recall": baseline["recall"],
        "always_no_error": float(taken[test].mean()),
        "intervals": metrics.bootstrap(taken[test], offered, seed),
    }


def click_window(world: Path) -> tuple[datetime, datetime]:
    """First and last moment of the ad clicks; features come from plays before the first.

    From the clicks themselves: an imported world has no ledger of them.
    """
    from workshop_lib.world.read import load_clicks

    when = load_clicks(world)["clicked_at"]
    if when.empty:
        raise WorkshopError(
            f"No ad clicks in {world}.", "`workshop data generate` makes a world with clicks."
        )
    return when.min().to_pydatetime(), when.max().to_pydatetime()


def as_json(values: dict[str, Any]) -> str:
    """Metrics as JSON; what is not a number becomes null, which the gate refuses."""
    return json.dumps(
        {
            name: None if isinstance(value, float) and not np.isfinite(value) else value
            for name, value in values.items()
        },
        indent=2,
    )


def now() -> datetime:
    return datetime.now(UTC)
