"""Stage 2, step 1: records of topic ``plays`` → plays, and malformed records.

In: rows as Spark's Kafka source gives them. Out of ``parse``: the same rows with the
fields of ``schema.play.PLAY`` and ``reason``, null for a good play; ``plays`` and ``bad``
are its two halves, so every record is in exactly one of them.
"""

from __future__ import annotations

from typing import Final

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from workshop_lib.schema.names import PLAYS_TOPIC
from workshop_lib.schema.play import FIELDS, ISO_PATTERN, PATTERNS, PLAY
from workshop_lib.schema.tables import spark_schema
from workshop_lib.settings import Settings
from workshop_lib.stack.kafka_users import STREAM_SERVICE

#: Where a record came from; it travels along so that a dead letter can say so.
ORIGIN: Final = ("key", "value", "topic", "partition", "offset")

#: played_at is read as text first: Spark's own reading would take many other forms too.
_JSON: Final = spark_schema({**PLAY, "played_at": "keyword"}) + ", broken string"
#: One object without objects in it; the JSON reader alone stops reading at its end.
_FLAT: Final = r"(?s)^\s*\{[^{}]*\}\s*\z"


def records(spark: SparkSession, settings: Settings, limit: int = 0) -> DataFrame:
    """Topic ``plays`` as a stream, from its beginning. ``limit``: most records of one batch.

    Each partition gives a share of them, in proportion to its unread records. These shares end
    at different event times; ``distinct`` says how a query with a watermark bears that.
    """
    stream = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", settings.kafka_bootstrap)
        .options(**settings.spark_kafka_login(STREAM_SERVICE))
        .option("subscribe", settings.topic(PLAYS_TOPIC))
        .option("startingOffsets", "earliest")
        # Records that the topic lost are an error to be seen, not a gap to step over.
        .option("failOnDataLoss", "true")
        # A task knows the offset at which it ends. Behind the topic's last record Kafka would keep
        # the next request for half a second, and what Spark asks meanwhile waits behind it.
        .option("kafka.fetch.max.wait.ms", 10)
        # After each poll Spark looks for the topic's ends: what was fetched and not yet polled is
        # fetched again. So much of a fetch (1 MB, some 7,000 plays) at once, not 500 records.
        .option("kafka.max.poll.records", 2_000)
    )
    return (stream.option("maxOffsetsPerTrigger", limit) if limit else stream).load()


def parse(records: DataFrame, settings: Settings) -> DataFrame:
    """``records`` with the play's fields, two clocks, and ``reason`` (null: a good play).

    The clocks: ``arrived_at`` is Kafka's, ``processed_at`` is when Spark began the batch.
    """
    # As a row to join with. A column with the time would stand as a number in the code that
    # Spark generates, and this code would be compiled again for each batch.
    clock = records.sparkSession.range(1).select(F.current_timestamp().alias("processed_at"))
    text = F.col("value").cast("string")
    json = F.from_json(
        text, _JSON, {"columnNameOfCorruptRecord": "broken", "allowSingleQuotes": "false"}
    )
    # Columns of their own: Spark works each out once, however often the checks ask for it.
    read = (
        records.crossJoin(F.broadcast(clock))
        .withColumn("text", text)
        .withColumn("json", json)
        .withColumn("moment", _moment())
    )
    return read.select(
        *ORIGIN,
        F.col("timestamp").alias("arrived_at"),
        "processed_at",
        *(F.col(f"json.{name}") for name in PLAY if name != "played_at"),
        F.col("moment").alias("played_at"),
        _reason(settings).alias("reason"),
    )


def plays(parsed: DataFrame) -> DataFrame:
    """The good plays: the fields of ``schema.play.PLAY``, both clocks and the origin."""
    return parsed.where(F.col("reason").isNull()).drop("reason")


def bad(parsed: DataFrame) -> DataFrame:
    """Malformed records: the origin and ``reason``."""
    return parsed.where(F.col("reason").isNotNull()).select(*ORIGIN, "reason")


def _moment() -> Column:
    """``played_at`` as a timestamp, null when it is not a valid one."""
    text = F.col("json.played_at")
    # The pattern comes first: try_to_timestamp also takes dates alone, other zones, the year 0.
    return F.when(text.rlike(rf"^(?!0000){ISO_PATTERN}\z"), F.try_to_timestamp(text))


def _reason(settings: Settings) -> Column:
    """Why the record is malformed: the first line of the table that holds."""
    # The broker's clock and ours; where the producer dates its records, it cannot put off ours.
    now = F.least("timestamp", "processed_at")
    latest = now + F.expr(f"INTERVAL {settings.future_tolerance_seconds} SECONDS")
    table = (
        (F.col("value").isNull(), "the value is empty"),
        (~F.is_valid_utf8(F.col("text")), "not UTF-8"),
        (~F.col("text").rlike(_FLAT), "not one flat JSON object"),
        *((_wrong(name), f"{name} is missing or not {FIELDS[name].in_json}") for name in FIELDS),
        (F.col("json.broken").isNotNull(), "not JSON"),
        # A play of tomorrow would push the watermark ahead and make all others too late.
        (F.col("moment") > latest, "played_at is in the future"),
    )
    return F.coalesce(*(F.when(condition, F.lit(reason)) for condition, reason in table))


def _wrong(name: str) -> Column:
    """Whether the play's field ``name`` is missing or not of its kind."""
    value, kind = F.col(f"json.{name}"), PLAY[name]
    if kind in ("long", "integer"):
        return value.isNull() | (value < 0)
    if kind == "timestamp":
        return F.col("moment").isNull()
    if kind == "keyword":
        # The JSON reader turns a number into text where text is wanted.
        is_text = F.col("text").rlike(rf'"{name}"\s*:\s*"')
        return value.isNull() | ~is_text | ~value.rlike(rf"^{PATTERNS[name]}\z")
    # The device may be unknown; what is no boolean is null, too, so the text decides.
    return value.isNull() & ~F.col("text").rlike(rf'"{name}"\s*:\s*null\b')
