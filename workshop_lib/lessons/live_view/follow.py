"""What a running query did, batch by batch: Spark's reports, and the records they speak of.

In: a ``StreamingQuery`` that reads a Kafka topic, and Settings of the place. Out: ``Shape``, and
batches with their records. The records are read from Kafka once more, by the offsets that the
report gives, so the query itself does nothing more than before.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson
from kafka import KafkaConsumer, TopicPartition
from pyspark.sql.streaming import StreamingQuery

from workshop_lib.errors import WorkshopError
from workshop_lib.lessons.live_view import shape
from workshop_lib.lessons.live_view.frames import Batch, Record, batch
from workshop_lib.runtime.connections import consumer
from workshop_lib.settings import Settings
from workshop_lib.stream.progress import reports_since

#: Of a batch with more records, so many are read for each partition: a picture of dots cannot
#: show more, and reading all of them again would cost the query its pace.
MOST_RECORDS: Final = 400
SAMPLE: Final = 20
#: Records that a query has read are there; a broker that gives none for so long has trouble.
PATIENCE_MS: Final = 20_000
#: Between two questions to a running query.
SECONDS: Final = 0.5


def shape_of(query: StreamingQuery) -> shape.Shape:
    """The query's shape, from the plan that Spark made of it."""
    inside = query._jsq.streamingQuery()  # the only way to its plan
    return shape.read(inside.analyzedPlan().toString(), inside.outputMode().toString())


def batches(
    query: StreamingQuery, settings: Settings, stop: threading.Event
) -> Iterator[tuple[Batch, list[Record]]]:
    """Each batch of ``query`` with its records, as it is done, until the query ends or ``stop``.

    A query that has ended gives what Spark remembers, its last hundred batches.
    """
    done = -1
    reader = consumer(settings)
    try:
        last = False
        while not last:
            last = stop.is_set() or not query.isActive  # before asking: what is done by then
            for progress in (json.loads(each.json) for each in reports_since(query, done)):
                done = progress["batchId"]
                yield batch(progress), _records(reader, progress)
            if not last:
                stop.wait(SECONDS)
    finally:
        reader.close()


def _records(reader: KafkaConsumer, progress: Mapping[str, Any]) -> list[Record]:
    """The records between the batch's offsets, in the order in which Kafka took them."""
    spans = _spans(progress)
    if not spans:
        return []
    total = sum(end - start for start, end in spans.values())
    most = None if total <= MOST_RECORDS else SAMPLE
    found: list[tuple[int, Record]] = []
    for partition, (start, end) in spans.items():
        # One after the other: with two, the one that is read faster would hold up the other.
        reader.assign([partition])
        reader.seek(partition, start)
        stop = end if most is None else min(end, start + most)
        while (place := reader.position(partition)) < stop:
            polled = reader.poll(timeout_ms=PATIENCE_MS, max_records=stop - place)
            if not polled:
                raise WorkshopError("Kafka gave no records.", "See `workshop status`.")
            found += [
                (each.timestamp, Record(partition.partition, each.offset, _fields(each.value)))
                for each in polled[partition]
                if each.offset < stop
            ]
    return [record for _, record in sorted(found, key=lambda pair: (pair[0], *pair[1][:2]))]


def _spans(progress: Mapping[str, Any]) -> dict[TopicPartition, tuple[int, int]]:
    """Partition → first offset of the batch, and the one after its last."""
    spans = {}
    for source in progress["sources"]:
        if not source["description"].startswith("KafkaV2"):
            raise WorkshopError("This query does not read from Kafka.", "The picture needs that.")
        starts = _offsets(source["startOffset"])
        for partition, end in _offsets(source["endOffset"]).items():
            start = starts.get(partition, 0)
            if end > start:
                spans[partition] = (start, end)
    return spans


def _offsets(topics: Mapping[str, Mapping[str, int]] | None) -> dict[TopicPartition, int]:
    return {
        TopicPartition(topic, int(partition)): offset
        for topic, partitions in (topics or {}).items()
        for partition, offset in partitions.items()
    }


def _fields(value: bytes | None) -> dict[str, Any]:
    try:
        fields = orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        return {}
    return fields if isinstance(fields, dict) else {}
