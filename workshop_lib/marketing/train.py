"""Train the model of who takes the offer: Spark ML, logistic regression (Stage 3).

In: features and a label per customer. Out: a fitted pipeline, its threshold and its metrics
on customers that it has not seen. ``gate`` decides whether it is used, ``registry`` stores it,
``learn`` calls all three.

Three parts of the customers, drawn by customer and never by row: 60 % to fit, 20 % to
choose the threshold, 20 % touched once, for the metrics. The takers are a minority, so
each class is weighted to count the same while fitting (a weighted log-loss); that bends
the scores away from true probabilities, which is why the threshold is not 0.5 but calibrated
on the second part: the score at which errors there are fewest. As a check, its meaning as a
chance (``metrics.chance``) is recorded too; with unlimited data it would be 0.5.
"""

from __future__ import annotations

from dataclasses import dataclass
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
from workshop_lib.schema.world import OFFER_AD

PARTS: Final = {"fit": 0.6, "validate": 0.2, "test": 0.2}
#: Fewer takers than this in the test part say nothing about precision or recall.
MIN_TAKERS: Final = 10


@dataclass(frozen=True)
class Trained:
    """A fitted pipeline, the score from which on a listener is offered, and how good it is.

    ``metrics`` are numbers of the test part; ``parts`` are the customer ids of each part.
    """

    pipeline: PipelineModel
    threshold: float
    metrics: dict[str, Any]
    parts: dict[str, frozenset[int]]
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
    start = np.uint64(seed * 0x9E3779B97F4A7C15 % 2**64)  # then the mixer of SplitMix64
    mixed = customer_ids.astype(np.uint64) + start
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
    known = spark.createDataFrame(labelled.assign(weight=weight)[fit])
    # One partition in one order: sums of floats, and so the model, repeat to the last bit.
    model = pipeline(feature_names).fit(known.coalesce(1))
    scored = score(model, rows).select("customer_id", "score").toPandas().set_index("customer_id")
    scores = scored.loc[labelled["customer_id"], "score"].to_numpy()
    threshold = metrics.best_threshold(taken[part == "validate"], scores[part == "validate"])
    judged = _judge(
        taken, scores, labelled[list(feature_names)], threshold, part == "test", seed=seed
    )
    judged["threshold_as_chance"] = metrics.chance(threshold, positive)
    ids = labelled["customer_id"].to_numpy()
    return Trained(
        model,
        threshold,
        judged,
        {name: frozenset(ids[part == name].tolist()) for name in PARTS},
        feature_names,
    )


def _judge(
    taken: np.ndarray,
    scores: np.ndarray,
    features: pd.DataFrame,
    threshold: float,
    test: np.ndarray,
    seed: int,
) -> dict[str, Any]:
    """The numbers of the test part, the baselines' beside them, and their intervals."""
    offered = scores[test] >= threshold
    ours = metrics.confusion(taken[test], offered)
    values = features.to_numpy(dtype=float)
    # The rules get all that the model got: the fit part and the part for the threshold.
    rule = metrics.one_rule(values[~test], taken[~test])
    by_volume = metrics.one_rule_at_volume(values[~test], taken[~test], ours["volume"])
    return {
        **ours,
        "auc": metrics.auc(taken[test], scores[test]),
        "customers": int(test.sum()),
        "always_no_error": float(taken[test].mean()),
        "baseline_rule": _in_words(features, rule),
        "baseline_error": _rule_at(values[test], taken[test], rule)["error"],
        "baseline_rule_at_volume": _in_words(features, by_volume),
        "baseline_lift": _rule_at(values[test], taken[test], by_volume)["lift"],
        "intervals": metrics.bootstrap(taken[test], offered, seed),
    }


def _rule_at(values: np.ndarray, taken: np.ndarray, rule: metrics.Rule) -> dict[str, float]:
    return metrics.confusion(taken, metrics.apply_rule(values, rule))


def _in_words(features: pd.DataFrame, rule: metrics.Rule) -> str:
    column, value, above = rule
    if not np.isfinite(value):
        return "never"
    return f"{features.columns[column]} {'above' if above else 'below'} {value:.3f}"
