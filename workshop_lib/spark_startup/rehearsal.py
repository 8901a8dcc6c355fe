"""A little of all that the workshop asks of Spark, in one process and without any server.

In: a folder to work in, and where the JVM is to write its classes (``runtime.class_archive``).
Training on a small world, then the streams over files of plays instead of a topic, written
to nowhere. No result is looked at; ``class_archive`` wants the classes that it takes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from py4j.protocol import Py4JJavaError
from pyspark.ml import PipelineModel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from workshop_lib.marketing.learn import learn
from workshop_lib.marketing.registry import Model
from workshop_lib.marketing.targets import eligible, scoring_model, with_score
from workshop_lib.runtime import class_archive
from workshop_lib.schema.names import PLAYS_INDEX
from workshop_lib.schema.play import MalformedPlay, parse, to_json
from workshop_lib.settings import Settings
from workshop_lib.stream import source
from workshop_lib.stream.enrich import enrich, with_listener, with_place
from workshop_lib.stream.pipeline import QUERIES
from workshop_lib.stream.reference import Reference, load, to_spark
from workshop_lib.stream.session import WHOLE_STAGE, spark_session
from workshop_lib.stream.sinks.elasticsearch import document
from workshop_lib.world.generate import generate

#: So many plays go through the streams.
PLAYS: Final = 500
#: Classes of the connector that only a server would make it load.
CONNECTOR: Final = (
    "org.apache.kafka.clients.admin.KafkaAdminClient",
    "org.apache.kafka.clients.consumer.KafkaConsumer",
    "org.apache.spark.sql.kafka010.KafkaBatchPartitionReader",
    "org.apache.spark.sql.kafka010.KafkaMicroBatchStream",
    "org.apache.spark.sql.kafka010.consumer.KafkaDataConsumer",
)
NOBODY: Final = "127.0.0.1:9"


def rehearse(folder: Path, classes: Path) -> None:
    """Do all of it in ``folder``; the JVM ends, and has written ``classes``."""
    # Whatever the environment says: somebody's own world is not replaced here.
    settings = Settings(
        home=folder, data=folder / "world", stack="embedded", spark_master="local[2]"
    )
    generate(settings.world, customers=2000, tracks=100, plays=20_000, days=4)
    spark = spark_session(settings, short=True, jvm=class_archive.writing(classes))
    spark.conf.set(WHOLE_STAGE, "true")  # its classes, too: long jobs use them
    gateway = spark.sparkContext._gateway
    assert gateway is not None
    topic = str(_topic(settings))
    reference = to_spark(spark, *load(settings))
    with ThreadPoolExecutor(1) as beside:
        learned = beside.submit(learn, settings, spark)
        _stream(_records(spark.readStream.text(topic)), settings, reference)
        model = learned.result()
    parsed = source.parse(_records(spark.read.text(topic)), settings)
    _write(source.plays(parsed), model, reference)
    _ask_nobody(spark)
    spark.stop()
    # Its standard input is what the JVM lives by; it writes the classes when it ends.
    gateway.proc.stdin.close()
    gateway.proc.wait()


def _topic(settings: Settings) -> Path:
    """A folder with the last plays of the world, as the topic's values are."""
    values = []
    for line in (settings.world / "tracks.csv").read_bytes().splitlines()[-PLAYS:]:
        with suppress(MalformedPlay):
            values.append(to_json(parse(line)))
    topic = settings.home / "topic"
    topic.mkdir()
    (topic / "plays.json").write_bytes(b"\n".join(values))
    return topic


def _records(lines: DataFrame) -> DataFrame:
    """Lines as records of Spark's Kafka source."""
    return lines.select(
        F.lit(None).cast("binary").alias("key"),
        F.col("value").cast("binary").alias("value"),
        F.lit("").alias("topic"),
        F.lit(0).alias("partition"),
        F.lit(0).cast("bigint").alias("offset"),
        F.current_timestamp().alias("timestamp"),
    )


def _stream(records: DataFrame, settings: Settings, reference: Reference) -> None:
    running = [
        (
            build(records, reference, settings, ())
            .stream.writeStream.outputMode("update")
            .option("checkpointLocation", str(settings.home / "checkpoints" / name))
            .trigger(availableNow=True)
            .foreachBatch(lambda batch, number: _nowhere(batch))
            .start()
        )
        for name, build in QUERIES.items()
    ]
    for query in running:
        query.awaitTermination()


def _write(plays: DataFrame, model: Model, reference: Reference) -> None:
    """Documents of plays, and the listeners that the model chooses."""
    _nowhere(document(enrich(plays, reference), PLAYS_INDEX, F.col("event_id")))
    habits = plays.sparkSession.read.parquet(str(model.snapshot))
    scorer = scoring_model("", 0.0, PipelineModel.load(str(model.pipeline)), habits)
    listeners = eligible(with_listener(plays, reference.customers))
    _nowhere(with_score(with_place(listeners, reference.places), scorer))


def _nowhere(rows: DataFrame) -> None:
    """Through Python, as all that is written goes."""

    def partition(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield pa.RecordBatch.from_pylist([{"rows": len(batch.to_pylist())}])

    rows.mapInArrow(partition, "rows bigint").collect()


def _ask_nobody(spark: SparkSession) -> None:
    jvm: Any = spark._jvm
    for name in CONNECTOR:
        jvm.java.lang.Class.forName(name)
    options = {
        "kafka.bootstrap.servers": NOBODY,
        "subscribe": "plays",
        "kafka.request.timeout.ms": "200",
        "kafka.default.api.timeout.ms": "400",
        "fetchOffset.numRetries": "0",
    }
    with suppress(Py4JJavaError):  # that nobody answers is what was to be seen
        spark.read.format("kafka").options(**options).load().count()


if __name__ == "__main__":
    rehearse(Path(sys.argv[1]), Path(sys.argv[2]))
