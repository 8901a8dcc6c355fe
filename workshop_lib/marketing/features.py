"""Features: one row of numbers per customer, from the customer's plays.

In: plays (customer_id, track_id, played_at, is_mobile) and the moment as of which they count.
Out: customer_id and ``FEATURES``. The same function makes the rows that a model
learns from and the rows that it scores, so the two cannot drift apart.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Final

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from workshop_lib.schema.play import LINE_PATTERN, PLAY
from workshop_lib.schema.tables import spark_schema
from workshop_lib.schema.world import HISTORY_DAYS

#: Part of the day → (first hour, hour after the last), UTC; night is the rest, 22–5.
DAY_PARTS: Final = {"morning": (5, 12), "afternoon": (12, 17), "evening": (17, 22)}

#: The six of the original's ``features.txt`` first, in its order, then ours.
FEATURES: Final = (
    "morning",
    "afternoon",
    "evening",
    "night",
    "mobile",
    "unique_tracks",
    "plays_per_day",
    "recency_days",
)
ORIGINAL_FEATURES: Final = FEATURES[:6]

#: A line's fields as they are read: text and numbers first, so that none is guessed.
_SCHEMA: Final = spark_schema({**PLAY, "played_at": "keyword", "is_mobile": "integer"})
_SPACES: Final = {"ignoreLeadingWhiteSpace": "true", "ignoreTrailingWhiteSpace": "true"}


def history(spark: SparkSession, tracks_csv: Path) -> DataFrame:
    """The recorded plays of a ``tracks.csv``, each event once: those that ``schema.play`` takes.

    Spark's CSV reader would take others too, such as one whose last quote is missing.

    Broken lines are left out: the shippers report them, here they would only be noise. A
    play of the future stays; ``features`` never looks so far.
    """
    lines = spark.read.text(str(tracks_csv)).where(F.col("value").rlike(f"^{LINE_PATTERN}$"))
    fields = F.from_csv("value", _SCHEMA, _SPACES)
    return (
        # A generator keeps the filter behind it: without one every line is read twice.
        lines.select(F.inline(F.array(fields)))
        .select(
            *("event_id", "customer_id", "track_id"),
            F.try_to_timestamp("played_at").alias("played_at"),
            (F.col("is_mobile") == 1).alias("is_mobile"),
        )
        # A number too large, a day that no calendar has; the device may be unknown.
        .dropna(subset=["event_id", "customer_id", "track_id", "played_at"])
        .dropDuplicates(["event_id"])
    )


def features(plays: DataFrame, as_of: datetime, days: int = HISTORY_DAYS) -> DataFrame:
    """One row per customer who played in the ``days`` before ``as_of`` (that moment excluded).

    - morning, afternoon, evening, night: shares of plays by the hour (UTC) they began; sum 1
    - mobile: share of the plays with a known device that were on a mobile, 0–1
    - unique_tracks: different tracks per play, 0–1; low means favourites again and again
    - plays_per_day: plays per day on which the customer played at all
    - recency_days: days from the last play to ``as_of``
    """
    end = F.lit(as_of)
    hour = F.hour("played_at")
    parts = {name: (hour >= first) & (hour < after) for name, (first, after) in DAY_PARTS.items()}
    parts["night"] = (hour >= 22) | (hour < 5)
    return (
        plays.where((F.col("played_at") < end) & (F.col("played_at") >= end - _days(days)))
        .groupBy("customer_id")
        .agg(
            *(_share(condition).alias(name) for name, condition in parts.items()),
            F.coalesce(_share(F.col("is_mobile")), F.lit(0.0)).alias("mobile"),
            (_distinct("track_id") / F.count("*")).alias("unique_tracks"),
            (F.count("*") / _distinct(F.to_date("played_at"))).alias("plays_per_day"),
            (
                (F.unix_timestamp(end) - F.unix_timestamp(F.max("played_at"))) / F.lit(86_400.0)
            ).alias("recency_days"),
        )
    )


def _distinct(column: Column | str) -> Column:
    """How many different values; two ``countDistinct`` would first triple all rows."""
    return F.size(F.collect_set(column))


def _share(condition: Column) -> Column:
    return F.avg(condition.cast("double"))


def _days(number: int) -> Column:
    return F.expr(f"interval {number} days")
