"""Steps 4 and 5: learn from past clicks, judge the model, offer to listeners of the topic.

spark-submit --packages org.apache.spark:spark-sql-kafka-0-10_2.13:4.2.0 model.py
"""

import csv
import sys
from datetime import UTC, datetime, timedelta

import config
import numpy as np
from elasticsearch.helpers import bulk
from pyspark.ml import Pipeline
from pyspark.ml.classification import LogisticRegression
from pyspark.ml.feature import StandardScaler, VectorAssembler
from pyspark.ml.functions import vector_to_array
from pyspark.sql import functions as F
from stream import PLAY

AD = "ADV_REDUCED_1DAY"
FEATURES = ["morning", "afternoon", "evening", "night", "mobile", "unique_tracks"]
HISTORY = timedelta(days=9)
LIVE = timedelta(hours=26)  # the end of the recording, which the replay made live
#: A model must keep these limits on customers that it has not seen.
MAX_ERROR, MIN_PRECISION, MIN_RECALL, MIN_LIFT = 0.10, 0.60, 0.50, 3.0


def read_csv(name):
    with (config.DATA / name).open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def read_history(spark):
    """The recorded plays, each event once: ids, played_at, is_mobile."""
    schema = (
        "event_id long, customer_id int, track_id int, played_at string, mobile int, zip string"
    )
    # A whole line, so that an open quote cannot swallow the next one.
    whole = r'^\d+,\d+,\d+,"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?",[01],"[0-9-]*"$'
    lines = spark.read.text(str(config.DATA / "tracks.csv")).where(F.col("value").rlike(whole))
    return (
        lines.select(F.from_csv("value", schema).alias("play"))
        .select("play.*")
        .withColumn("played_at", F.try_to_timestamp("played_at"))
        .withColumn("is_mobile", F.col("mobile") == 1)
        .dropna(subset=["event_id", "customer_id", "track_id", "played_at"])
        .dropDuplicates(["event_id"])
    )


def features(plays, as_of):
    """One row per customer who played in the nine days before ``as_of``, with FEATURES: shares of
    plays in the morning (from 5), afternoon (12), evening (17) and night (22 to 5), the share on a
    mobile, and different tracks per play. Nothing from ``as_of`` on may be used."""
    # BEGIN SOLUTION 4.1: Features that know nothing of the future
    past = plays.where((F.col("played_at") < as_of) & (F.col("played_at") >= as_of - HISTORY))
    hour = F.hour("played_at")

    def share(condition):
        return F.avg(condition.cast("double"))

    return past.groupBy("customer_id").agg(
        share((hour >= 5) & (hour < 12)).alias("morning"),
        share((hour >= 12) & (hour < 17)).alias("afternoon"),
        share((hour >= 17) & (hour < 22)).alias("evening"),
        share((hour >= 22) | (hour < 5)).alias("night"),
        share(F.col("is_mobile")).alias("mobile"),
        (F.countDistinct("track_id") / F.count("*")).alias("unique_tracks"),
    )
    # END SOLUTION


def read_labels(spark):
    """customer_id, label (1 clicked the offer's ad, 0 did not), and part: fit, validate or test.
    Of open accounts below Gold."""
    takers = {row["CustID"] for row in read_csv("clicks.csv") if row["AdClicked"] == AD}
    rows = [
        (int(row["CustID"]), float(row["CustID"] in takers))
        for row in read_csv("cust.csv")
        if row["Level"] in "01" and row["Status"] == "1"
    ]
    fifth = F.pmod(F.hash("customer_id"), F.lit(5))
    part = F.when(fifth < 3, "fit").when(fifth == 3, "validate").otherwise("test")
    return spark.createDataFrame(rows, "customer_id int, label double").withColumn("part", part)


def train(rows):
    """A fitted pipeline: VectorAssembler, StandardScaler, LogisticRegression."""
    # BEGIN SOLUTION 4.2: Train
    return Pipeline(
        stages=[
            VectorAssembler(inputCols=FEATURES, outputCol="raw"),
            StandardScaler(inputCol="raw", outputCol="features", withMean=True),
            LogisticRegression(featuresCol="features", labelCol="label", maxIter=100),
        ]
    ).fit(rows)
    # END SOLUTION


def score(model, rows):
    """``rows`` with a column score, from 0 to 1."""
    probability = vector_to_array(F.col("probability"))[1]
    return model.transform(rows).withColumn("score", probability)


def best_threshold(labels, scores):
    """The threshold with the fewest errors; of numpy arrays."""
    # BEGIN SOLUTION 4.3: Choose the threshold
    thresholds = np.unique(scores)
    errors = [np.sum((scores >= threshold) != (labels == 1)) for threshold in thresholds]
    return float(thresholds[int(np.argmin(errors))])
    # END SOLUTION


def metrics(labels, offered):
    """error, precision, recall and lift over the base rate; of numpy arrays of 0 and 1, bool."""
    # BEGIN SOLUTION 4.4: Judge
    taken = labels == 1
    hits = np.sum(taken & offered)
    precision = hits / offered.sum() if offered.any() else float("nan")
    return {
        "error": float(np.mean(taken != offered)),
        "precision": float(precision),
        "recall": float(hits / taken.sum()),
        "lift": float(precision / taken.mean()),
    }
    # END SOLUTION


def accepted(found):
    """Whether all four numbers are known and keep the limits. It fails closed."""
    # BEGIN SOLUTION 4.5: The gate
    return bool(
        all(np.isfinite(value) for value in found.values())
        and found["error"] <= MAX_ERROR
        and found["precision"] >= MIN_PRECISION
        and found["recall"] >= MIN_RECALL
        and found["lift"] >= MIN_LIFT
    )
    # END SOLUTION


def write_targets(chosen):
    """One offer to each listener who has not opted out: index targets, id = the customer id. Redis
    notes the event of the offer (``offered:ID``); an offer that was made before keeps its event.
    ``chosen`` are rows with customer_id, event_id and score. Returns the number of targets."""
    optouts = {int(row["CustID"]) for row in read_csv("optouts.csv")}
    redis, targets = config.redis(), []
    for row in chosen:
        # BEGIN SOLUTION 5.2: One offer, however often it is decided
        if row.customer_id not in optouts:
            key = config.key(f"offered:{row.customer_id}")
            before = redis.set(key, row.event_id, nx=True, get=True)
            targets.append({**row.asDict(), "event_id": int(before or row.event_id)})
        # END SOLUTION
    index = config.index("targets")
    bulk(
        config.elasticsearch(),
        ({"_index": index, "_id": each["customer_id"], "_source": each} for each in targets),
        refresh=True,
    )
    return len(targets)


def choose(spark, scores, threshold):
    """Of each listener in the topic the first play, with the score, if it reaches the threshold;
    only of open accounts below Gold. Rows with customer_id, event_id, score."""
    topic = (
        spark.read.format("kafka")
        .options(**config.spark_kafka())
        .option("subscribe", config.TOPIC)
        .load()
    )
    play = F.from_json(F.col("value").cast("string"), PLAY).alias("play")
    plays = topic.select(play).select("play.*").where("event_id is not null")
    # BEGIN SOLUTION 5.1: Who is chosen, and who may get the offer
    first = plays.groupBy("customer_id").agg(F.min_by("event_id", "played_at").alias("event_id"))
    eligible = read_labels(spark).select("customer_id")
    return (
        first.join(eligible, "customer_id")
        .join(scores.where(F.col("score") >= threshold), "customer_id")
        .select("customer_id", "event_id", "score")
        .collect()
    )
    # END SOLUTION


def main():
    spark = config.spark("capstone model")
    plays = read_history(spark).cache()
    clicked = min(row["Localtime"] for row in read_csv("clicks.csv"))
    first_click = datetime.fromisoformat(clicked).replace(tzinfo=UTC)
    rows = features(plays, first_click).join(read_labels(spark), "customer_id").cache()
    model = train(rows.where("part = 'fit'"))

    scored = score(model, rows).select("part", "label", "score").toPandas()
    validate, test = (scored[scored["part"] == part] for part in ("validate", "test"))
    threshold = best_threshold(validate["label"].to_numpy(), validate["score"].to_numpy())
    found = metrics(test["label"].to_numpy(), (test["score"] >= threshold).to_numpy())
    print("  ".join(f"{name} {value:.3f}" for name, value in found.items()))
    if not accepted(found):
        sys.exit("The gate refuses this model: no offers.")

    past = plays.where("played_at <= current_timestamp()")  # some lines have dates of the future
    last = past.agg(F.max("played_at")).first()[0]
    now = score(model, features(plays, last - LIVE)).select("customer_id", "score")
    print(write_targets(choose(spark, now, threshold)), "targets")
    spark.stop()


if __name__ == "__main__":
    main()
