"""Addresses, names and clients, from the environment. Nothing to write here."""

import os
from pathlib import Path

KAFKA = os.environ.get("KAFKA_BOOTSTRAP", "127.0.0.1:9092")
ELASTICSEARCH = os.environ.get("ELASTICSEARCH_URL", "http://127.0.0.1:9200")
REDIS = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")
DATA = Path(os.environ.get("DATA", "data"))
LOG = Path(os.environ.get("LOG", "data/plays.log"))
WORK = Path(os.environ.get("WORK", "work"))  # checkpoints
PREFIX = os.environ.get("PREFIX", "")  # of topics and indices
KEYS = os.environ.get("KEYS", "")  # of Redis keys

TOPIC = f"{PREFIX}capstone-plays"
DEAD_LETTERS = f"{PREFIX}capstone-plays.dlq"
PARTITIONS = 4


def index(name):
    return f"{PREFIX}capstone-{name}"


def key(name):
    return f"{KEYS}capstone:{name}"


def elasticsearch():
    from elasticsearch import Elasticsearch

    user, password = (os.environ.get(f"ELASTICSEARCH_{n}") for n in ("USERNAME", "PASSWORD"))
    login = (user, password) if user and password else None
    return Elasticsearch(ELASTICSEARCH, basic_auth=login, request_timeout=30)


def redis():
    from redis import Redis

    return Redis.from_url(REDIS, decode_responses=True)


def spark(name):
    from pyspark.sql import SparkSession

    return (
        SparkSession.builder.appName(name)
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", os.cpu_count() or 2)
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )
