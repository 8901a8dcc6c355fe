"""Stage 2, step 3: plays per minute, in all and by gender, age band, device, level, state.

In: plays. Out: one row per minute, dimension and value, as ``schema.tables.INDICES
["plays-per-minute"]`` has it; a count is absolute, so writing a row again changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from workshop_lib.schema.tables import ALL, DIMENSIONS
from workshop_lib.settings import Settings


def distinct(plays: DataFrame, settings: Settings, partitions: Sequence[int] = ()) -> DataFrame:
    """Each event once, however often, in whatever batch and after whatever restart it comes.

    Sets the watermark: a play further behind the latest one than ``watermark_minutes`` may
    be dropped here. As the only operator that drops, it makes Spark's own count of dropped
    rows a number of plays. Spark allows it before an aggregation in update mode; the other
    order, and two aggregations, it refuses.

    ``partitions``: of the topic, each has a watermark of its own, and the smallest counts. A
    batch that is cut by a limit needs that; see ``query_run``.
    """
    delay = f"{settings.watermark_minutes} minutes"
    of_partition = {
        f"played_at_{n}": F.when(F.col("partition") == n, F.col("played_at")) for n in partitions
    }
    rows = plays.withColumns(of_partition) if of_partition else plays
    for name in of_partition:
        rows = rows.withWatermark(name, delay)
    return (
        rows.drop(*of_partition)
        .withWatermark("played_at", delay)
        .dropDuplicatesWithinWatermark(["event_id"])
    )


def per_minute(plays: DataFrame, dimensions: Sequence[str] = DIMENSIONS) -> DataFrame:
    """Enriched, distinct plays → ``minute, dimension, value, plays``."""
    values = [F.struct(F.lit(ALL).alias("dimension"), F.lit(ALL).alias("value"))]
    values += [
        F.struct(F.lit(name).alias("dimension"), F.col(name).alias("value")) for name in dimensions
    ]
    return (
        plays.select("played_at", F.explode(F.array(*values)).alias("of"))
        .groupBy(F.window("played_at", "1 minute"), "of.dimension", "of.value")
        .agg(F.count("*").cast("int").alias("plays"))
        .select(F.col("window.start").alias("minute"), "dimension", "value", "plays")
    )
