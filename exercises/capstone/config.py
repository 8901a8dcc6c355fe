"""Addresses, names and clients, from the environment. Nothing to write here."""

import logging
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


KAFKA_USER, KAFKA_PASSWORD = (os.environ.get(f"KAFKA_{n}") for n in ("USERNAME", "PASSWORD"))
KAFKA_MECHANISM = os.environ.get("KAFKA_MECHANISM", "SCRAM-SHA-256")


def kafka():
    """Options of kafka-python's clients: ``KafkaProducer(**config.kafka(), …)``."""
    # It warns of a password in the clear; SCRAM sends none.
    logging.getLogger("kafka.net.sasl.scram").setLevel(logging.ERROR)
    login = {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": KAFKA_MECHANISM,
        "sasl_plain_username": KAFKA_USER,
        "sasl_plain_password": KAFKA_PASSWORD,
    }
    return {"bootstrap_servers": KAFKA, **(login if KAFKA_PASSWORD else {})}


def spark_kafka():
    """Options of Spark's Kafka source: ``.options(**config.spark_kafka())``."""
    name = "plain.Plain" if KAFKA_MECHANISM == "PLAIN" else "scram.Scram"
    module = f"org.apache.kafka.common.security.{name}LoginModule"
    login = {
        "kafka.security.protocol": "SASL_PLAINTEXT",
        "kafka.sasl.mechanism": KAFKA_MECHANISM,
        "kafka.sasl.jaas.config": (
            f'{module} required username="{KAFKA_USER}" password="{KAFKA_PASSWORD}";'
        ),
    }
    return {"kafka.bootstrap.servers": KAFKA, **(login if KAFKA_PASSWORD else {})}


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
