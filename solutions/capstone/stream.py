"""Steps 2 and 3: Kafka → Spark → Elasticsearch and Redis. Three streams, until all is read.

spark-submit --packages org.apache.spark:spark-sql-kafka-0-10_2.13:4.2.0 stream.py
"""

import json
from pathlib import Path

import config
from elasticsearch.helpers import bulk
from pyspark.sql import functions as F

LEVELS = {0: "Free", 1: "Silver", 2: "Gold"}
PLAY = """event_id long, customer_id int, track_id int, played_at timestamp,
    is_mobile boolean, zip string"""


def read_plays(spark):
    """The topic as a stream, from its beginning: one column per field of a play."""
    # BEGIN SOLUTION 2.1: Read the topic and take the JSON apart
    records = (
        spark.readStream.format("kafka")
        .options(**config.spark_kafka())
        .option("subscribe", config.TOPIC)
        .option("startingOffsets", "earliest")
        .load()
    )
    play = F.from_json(F.col("value").cast("string"), PLAY).alias("play")
    return records.select(play).select("play.*").where("event_id is not null")
    # END SOLUTION


def read_tables(spark):
    """Customers (customer_id, level) and tracks (track_id, title, artist), level as a word."""
    options = {"header": True, "escape": '"', "encoding": "UTF-8"}
    customers = spark.read.csv(str(config.DATA / "cust.csv"), **options)
    tracks = spark.read.csv(str(config.DATA / "music.csv"), **options)
    level = F.create_map(*(F.lit(each) for pair in LEVELS.items() for each in pair))
    return (
        customers.select(
            F.col("CustID").cast("int").alias("customer_id"),
            level[F.col("Level").cast("int")].alias("level"),
        ),
        tracks.select(
            F.col("TrackId").cast("int").alias("track_id"),
            F.col("Title").alias("title"),
            F.col("Artist").alias("artist"),
        ),
    )


def enrich(plays, customers, tracks):
    """Each play with level, title and artist; "unknown" where there is none. No play is lost."""
    # BEGIN SOLUTION 2.2: Join without losing a play
    return (
        plays.join(F.broadcast(customers), "customer_id", "left")
        .join(F.broadcast(tracks), "track_id", "left")
        .fillna("unknown", ["level", "title", "artist"])
    )
    # END SOLUTION


def distinct(plays):
    """Each event once; a play may be up to 15 minutes late."""
    # BEGIN SOLUTION 2.3: Watermark and duplicates
    return plays.withWatermark("played_at", "15 minutes").dropDuplicatesWithinWatermark(
        ["event_id"]
    )
    # END SOLUTION


def per_minute(plays):
    """minute (its start, in event time) and plays."""
    # BEGIN SOLUTION 2.4: Count per minute
    counts = plays.groupBy(F.window("played_at", "1 minute")).count()
    return counts.select(F.col("window.start").alias("minute"), F.col("count").alias("plays"))
    # END SOLUTION


def interests(plays):
    """customer_id, track_id, event_id, played_at of each play that is at least the third of its
    track by its listener within 30 minutes, both ends included. Of distinct plays."""
    # BEGIN SOLUTION 3.1: The same track three times within 30 minutes
    window = F.window("played_at", "60 minutes", "30 minutes")
    times = F.sort_array(F.collect_list(F.struct("played_at", "event_id"))).alias("times")
    groups = plays.groupBy(window, "customer_id", "track_id").agg(times).where("size(times) > 2")
    spans = F.expr(
        """transform(sequence(2, size(times) - 1), i -> struct(
            times[i - 2].played_at AS first, times[i].played_at AS played_at,
            times[i].event_id AS event_id))"""
    )
    found = groups.select("window", "customer_id", "track_id", F.explode(spans).alias("span"))
    within = F.expr("span.played_at - span.first <= INTERVAL 30 MINUTES")
    # Windows overlap: a span belongs to the one in whose first half it begins.
    ours = F.expr("span.first < window.start + INTERVAL 30 MINUTES")
    return found.where(within & ours).select(
        "customer_id", "track_id", "span.event_id", "span.played_at"
    )
    # END SOLUTION


def documents(batch):
    """The rows of a batch as dictionaries that Elasticsearch takes; moments as UTC text."""
    columns = [
        F.date_format(name, "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'").alias(name)
        if kind == "timestamp"
        else F.col(name)
        for name, kind in batch.dtypes
    ]
    return (row.asDict() for row in batch.select(columns).toLocalIterator())


def write_to(index, id_of):
    """A function for foreachBatch: each row becomes a document with the id that ``id_of`` gives.
    A batch may come twice."""

    def write(batch, number):
        # BEGIN SOLUTION 2.5: Write a batch so that a second time changes nothing
        bulk(
            config.elasticsearch(),
            ({"_index": index, "_id": id_of(row), "_source": row} for row in documents(batch)),
        )
        # END SOLUTION

    return write


def write_interest_lists(batch):
    """For each listener a sorted set in Redis, key ``interests:ID``: track → latest moment (ms)."""
    redis = config.redis()
    for row in batch.withColumn("ms", F.unix_millis("played_at")).collect():
        # BEGIN SOLUTION 3.2: Keep the latest moment of each track
        redis.zadd(config.key(f"interests:{row.customer_id}"), {row.track_id: row.ms}, gt=True)
        # END SOLUTION


def start(stream, name, write):
    """A query that reads what is there, keeps its position, and ends."""
    # BEGIN SOLUTION 2.6: Start a query with a checkpoint
    return (
        stream.writeStream.outputMode("update")
        .foreachBatch(write)
        .option("checkpointLocation", str(config.WORK / "checkpoints" / name))
        .trigger(availableNow=True)
        .start()
    )
    # END SOLUTION


def main():
    client = config.elasticsearch()
    mappings = json.loads(Path(__file__).with_name("mappings.json").read_text())
    for name, mapping in mappings.items():
        if not client.indices.exists(index=config.index(name)):
            client.indices.create(index=config.index(name), mappings=mapping)
    spark = config.spark("capstone stream")
    tables = read_tables(spark)

    def write_interests(batch, number):
        batch.persist()
        write_to(config.index("interests"), lambda row: row["event_id"])(batch, number)
        write_interest_lists(batch)
        batch.unpersist()

    queries = [
        start(
            enrich(read_plays(spark), *tables),
            "plays",
            write_to(config.index("plays"), lambda row: row["event_id"]),
        ),
        start(
            per_minute(distinct(read_plays(spark))),
            "plays-per-minute",
            write_to(config.index("plays-per-minute"), lambda row: row["minute"]),
        ),
        start(interests(distinct(read_plays(spark))), "interests", write_interests),
    ]
    for query in queries:
        query.awaitTermination()
    for name in mappings:
        client.indices.refresh(index=config.index(name))
        print(name, client.count(index=config.index(name))["count"])
    spark.stop()


if __name__ == "__main__":
    main()
