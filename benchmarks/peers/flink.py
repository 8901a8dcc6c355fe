"""Enrich, and counts per minute, in Flink SQL, from Python; results into Kafka.

Flink 2 has no connector for Elasticsearch, so it is spared that part of the work: its results
are upserts in two topics, and the copy from there into the indices is not timed. Nor is the
start of its cluster within this process.
"""

import csv
import json
import os
import sys
import tempfile
import time

import common
from elasticsearch import Elasticsearch
from elasticsearch.helpers import bulk
from kafka import KafkaAdminClient, KafkaConsumer
from kafka.admin import NewTopic
from pyflink.table import EnvironmentSettings, TableEnvironment

PLAYS, COUNTS = f"{common.PREFIX}flink-plays", f"{common.PREFIX}flink-counts"

SOURCE = """
CREATE TABLE records (
  event_id BIGINT, customer_id INT, track_id INT, played_at STRING, is_mobile BOOLEAN, zip STRING,
  arrived_at TIMESTAMP_LTZ(3) METADATA FROM 'timestamp', now_at AS PROCTIME()
) WITH (
  'connector' = 'kafka', 'topic' = '{topic}',{login}
  'properties.bootstrap.servers' = '{kafka}',
  'properties.group.id' = '{topic}-flink', 'scan.startup.mode' = 'earliest-offset',
  'scan.bounded.mode' = 'latest-offset', 'format' = 'json'
)"""

FILE = """
CREATE TABLE {name} ({columns}, PRIMARY KEY ({key}) NOT ENFORCED) WITH (
  'connector' = 'filesystem', 'path' = '{path}', 'format' = 'csv', 'csv.null-literal' = 'NULL'
)"""

SINK = """
CREATE TABLE {name} ({columns}, PRIMARY KEY ({key}) NOT ENFORCED) WITH (
  'connector' = 'upsert-kafka', 'topic' = '{topic}',{login}
  'properties.bootstrap.servers' = '{kafka}',
  'key.format' = 'json', 'value.format' = 'json', 'sink.buffer-flush.max-rows' = '1000',
  'sink.buffer-flush.interval' = '1s'
)"""

#: Each event once, with who listened, what and where.
ENRICHED = """
CREATE TEMPORARY VIEW enriched AS
SELECT p.event_id, p.customer_id, p.track_id, p.played_at, p.is_mobile, p.zip, p.arrived_at,
  COALESCE(c.gender, 'unknown') AS gender, COALESCE(c.level, 'unknown') AS level,
  COALESCE(c.campaign, 'unknown') AS campaign, c.account_open,
  {age} AS age, CASE {bands} ELSE 'unknown' END AS age_band,
  c.customer_id IS NOT NULL AS customer_known,
  COALESCE(t.title, 'unknown') AS title, COALESCE(t.artist, 'unknown') AS artist,
  t.length_seconds, t.track_id IS NOT NULL AS track_known,
  COALESCE(z.state, 'unknown') AS state, z.lat, z.lon,
  CAST(SUBSTRING(p.played_at, 12, 2) AS INT) AS `hour`,
  CASE WHEN p.is_mobile THEN '{mobile}' ELSE '{pc}' END AS device
FROM (
  SELECT * FROM (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY event_id ORDER BY now_at) AS nth FROM records
  ) WHERE nth = 1
) AS p
LEFT JOIN customers AS c ON p.customer_id = c.customer_id
LEFT JOIN tracks AS t ON p.track_id = t.track_id
LEFT JOIN places AS z ON p.zip = z.zip"""

COUNTED = """
INSERT INTO counts
SELECT `minute`, dimension, label, CAST(COUNT(*) AS INT)
FROM (
  SELECT SUBSTRING(played_at, 1, 16) || 'Z' AS `minute`, dimension, label
  FROM enriched CROSS JOIN UNNEST(ARRAY[
    ROW('all', 'all'), ROW('gender', gender), ROW('age_band', age_band), ROW('device', device),
    ROW('level', level), ROW('state', state)
  ]) AS of_play (dimension, label)
)
GROUP BY `minute`, dimension, label"""

FIELDS = {
    "event_id": "BIGINT",
    "customer_id": "INT",
    "track_id": "INT",
    "played_at": "STRING",
    "is_mobile": "BOOLEAN",
    "zip": "STRING",
    "arrived_at": "TIMESTAMP_LTZ(3)",
    "gender": "STRING",
    "level": "STRING",
    "campaign": "STRING",
    "account_open": "BOOLEAN",
    "age": "INT",
    "age_band": "STRING",
    "customer_known": "BOOLEAN",
    "title": "STRING",
    "artist": "STRING",
    "length_seconds": "INT",
    "track_known": "BOOLEAN",
    "state": "STRING",
    "lat": "DOUBLE",
    "lon": "DOUBLE",
    "hour": "INT",
    "device": "STRING",
}


AGE = "CAST(SUBSTRING(p.played_at, 1, 4) AS INT) - c.born"


def enriched():
    """The view, with the labels of ages and devices."""
    bands = [f"WHEN {AGE} >= {youngest} THEN '{name}'" for youngest, name in common.BANDS[::-1]]
    device = common.LABELS["device"]
    return ENRICHED.format(
        age=AGE, bands=" ".join(bands), mobile=device["true"], pc=device["false"]
    )


def columns(fields):
    return ", ".join(f"`{name}` {kind}" for name, kind in fields.items())


def table(environment, name, fields, rows):
    """A table of a file that holds ``rows``; its key is the first field."""
    path = os.path.join(tempfile.mkdtemp(), f"{name}.csv")
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([["NULL" if cell is None else cell for cell in row] for row in rows])
    made = {"name": name, "columns": columns(fields), "key": next(iter(fields)), "path": path}
    environment.execute_sql(FILE.format(**made))


def tables(environment):
    listeners = {
        "customer_id": "INT",
        "gender": "STRING",
        "level": "STRING",
        "campaign": "STRING",
        "account_open": "BOOLEAN",
        "born": "INT",
    }
    people = [
        (id_, p["gender"], p["level"], p["campaign"], str(p["account_open"]).lower(), p["born"])
        for id_, p in common.listeners().items()
    ]
    table(environment, "customers", listeners, people)
    tracks = {"track_id": "INT", "title": "STRING", "artist": "STRING", "length_seconds": "INT"}
    music = [(id_, *track.values()) for id_, track in common.tracks().items()]
    table(environment, "tracks", tracks, music)
    places = {"zip": "STRING", "state": "STRING", "lat": "DOUBLE", "lon": "DOUBLE"}
    where = [(zip_, *place) for zip_, place in common.places().items()]
    table(environment, "places", places, where)


def kafka():
    """Where Kafka is and as whom to log in, as options of a table."""
    login = common.KAFKA_LOGIN
    if not login:
        return {"kafka": common.KAFKA, "login": ""}
    # The SQL connector's jar has Kafka's client under a name of its own.
    module = "org.apache.flink.kafka.shaded.org.apache.kafka.common.security.scram.ScramLoginModule"
    user, password = login["sasl_plain_username"], login["sasl_plain_password"]
    options = {
        "security.protocol": login["security_protocol"],
        "sasl.mechanism": login["sasl_mechanism"],
        "sasl.jaas.config": f'{module} required username="{user}" password="{password}";',
    }
    login = "".join(f"\n  'properties.{name}' = '{value}'," for name, value in options.items())
    return {"kafka": common.KAFKA, "login": login}


def copy(topic, index, id_, change=lambda document: document):
    """The latest value of each key of ``topic`` → ``index``; how many there are."""
    latest = {}
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=common.KAFKA,
        **common.KAFKA_LOGIN,
        auto_offset_reset="earliest",
        consumer_timeout_ms=2000,
    )
    for record in consumer:
        latest[record.key] = record.value
    documents = [change(json.loads(value)) for value in latest.values() if value is not None]
    bulk(
        Elasticsearch(common.ELASTICSEARCH, request_timeout=60),
        ({"_index": common.PREFIX + index, "_id": id_(d), "_source": d} for d in documents),
    )
    return len(documents)


def as_document(row):
    document = {name: value for name, value in row.items() if value is not None}
    document.pop("lat", None), document.pop("lon", None)
    if row["lat"] is not None:
        document["location"] = {"lat": row["lat"], "lon": row["lon"]}
    document["arrived_at"] = row["arrived_at"].replace(" ", "T")
    return document


def main():
    admin = KafkaAdminClient(bootstrap_servers=common.KAFKA, **common.KAFKA_LOGIN)
    admin.create_topics(
        [NewTopic(t, num_partitions=2, replication_factor=1) for t in (PLAYS, COUNTS)]
    )
    try:
        environment = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
        for name, value in {
            "pipeline.jars": f"file://{os.environ['BENCH_FLINK_KAFKA']}",
            "parallelism.default": "2",
            "table.exec.mini-batch.enabled": "true",
            "table.exec.mini-batch.allow-latency": "1 s",
            "table.exec.mini-batch.size": "5000",
            "table.local-time-zone": "UTC",
            # All versions of a play go the same way, so the last one is written last.
            "table.exec.sink.upsert-materialize": "NONE",
            "taskmanager.memory.process.size": "1728m",
        }.items():
            environment.get_config().set(name, value)
        environment.execute_sql(SOURCE.format(topic=common.TOPIC, **kafka()))
        tables(environment)
        environment.execute_sql(enriched())
        counted = {"minute": "STRING", "dimension": "STRING", "value": "STRING", "plays": "INT"}
        for name, topic, fields, key in (
            ("plays", PLAYS, FIELDS, "event_id"),
            ("counts", COUNTS, counted, "`minute`, dimension, `value`"),
        ):
            environment.execute_sql(
                SINK.format(name=name, topic=topic, columns=columns(fields), key=key, **kafka())
            )
        environment.execute_sql("SELECT COUNT(*) FROM tracks").wait()  # the cluster starts
        start = time.perf_counter()
        job = environment.create_statement_set()
        job.add_insert_sql(
            f"INSERT INTO plays SELECT {', '.join(f'`{f}`' for f in FIELDS)} FROM enriched"
        )
        job.add_insert_sql(COUNTED)
        job.execute().wait()
        seconds = time.perf_counter() - start
        plays = copy(PLAYS, "plays", lambda d: str(d["event_id"]), as_document)
        copy(COUNTS, "plays-per-minute", "{minute}|{dimension}|{value}".format_map)
        common.report(plays, seconds)
    finally:
        admin.delete_topics([PLAYS, COUNTS])


if __name__ == "__main__":
    sys.exit(main())
