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
    raise NotImplementedError("Step 2.1: Read the topic and take the JSON apart")


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
    raise NotImplementedError("Step 2.2: Join without losing a play")


def distinct(plays):
    """Each event once; a play may be up to 15 minutes late."""
    raise NotImplementedError("Step 2.3: Watermark and duplicates")


def per_minute(plays):
    """minute (its start, in event time) and plays."""
    raise NotImplementedError("Step 2.4: Count per minute")


def interests(plays):
    """customer_id, track_id, event_id, played_at of each play that is at least the third of its
    track by its listener within 30 minutes, both ends included. Of distinct plays."""
    raise NotImplementedError("Step 3.1: The same track three times within 30 minutes")


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
        raise NotImplementedError("Step 2.5: Write a batch so that a second time changes nothing")

    return write


def write_interest_lists(batch):
    """For each listener a sorted set in Redis, key ``interests:ID``: track → latest moment (ms)."""
    redis = config.redis()
    for row in batch.withColumn("ms", F.unix_millis("played_at")).collect():
        raise NotImplementedError("Step 3.2: Keep the latest moment of each track")


def start(stream, name, write):
    """A query that reads what is there, keeps its position, and ends."""
    raise NotImplementedError("Step 2.6: Start a query with a checkpoint")


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
