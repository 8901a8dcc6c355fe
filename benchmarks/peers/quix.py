"""Enrich, and counts per minute, with Quix Streams; both into Elasticsearch.

One process, as an ``Application`` is; for more, start it again. Ends when nothing came for some
seconds, which are not counted.
"""

import logging
import sys
import tempfile
import time
import uuid

import common
from elasticsearch import Elasticsearch
from elasticsearch.helpers import bulk
from elasticsearch.serializer import OrjsonSerializer
from quixstreams import Application
from quixstreams.kafka import ConnectionConfig
from quixstreams.sinks import BatchingSink

IDLE = 5.0
DIMENSIONS = ("gender", "age_band", "device", "level", "state")
MINUTE, DAYS = 60_000, 4 * 86_400_000


class BulkSink(BatchingSink):
    """Documents by id; of a batch, the last one of each id. (Quix Streams' own sink asks the
    server for its version, which the embedded Elasticsearch does not tell.)"""

    def __init__(self, index, id_):
        super().__init__()
        self.index, self.id_ = common.PREFIX + index, id_
        self.client = Elasticsearch(
            common.ELASTICSEARCH, serializer=OrjsonSerializer(), request_timeout=60
        )

    def write(self, batch):
        documents = {self.id_(item.value): item.value for item in batch}
        actions = [
            {"_index": self.index, "_id": id_, "_source": document}
            for id_, document in documents.items()
        ]
        bulk(self.client, actions, chunk_size=1000)


def millis(value, headers, timestamp, timestamp_type):
    """Event time, which Quix Streams' windows go by."""
    return common.millis(value["played_at"])


def keys(play):
    """One row per dimension that a play counts in."""
    rows = [{"dimension": "all", "value": "all"}]
    rows += [{"dimension": name, "value": play[name]} for name in DIMENSIONS]
    return rows


def first(play, state):
    """Whether this event is seen for the first time."""
    known = f"seen:{play['event_id']}"
    if state.exists(known):
        return False
    state.set(known, True)
    return True


def main():
    login = common.KAFKA_LOGIN
    application = Application(
        broker_address=ConnectionConfig(
            bootstrap_servers=common.KAFKA,
            security_protocol=login["security_protocol"].lower(),
            sasl_mechanism=login["sasl_mechanism"],
            sasl_username=login["sasl_plain_username"],
            sasl_password=login["sasl_plain_password"],
        )
        if login
        else common.KAFKA,
        consumer_group=f"quix-{uuid.uuid4().hex[:8]}",
        auto_offset_reset="earliest",
        state_dir=tempfile.mkdtemp(),
        loglevel=logging.WARNING,
    )
    topic = application.topic(
        common.TOPIC,
        key_deserializer="str",
        value_deserializer="json",
        timestamp_extractor=millis,
    )
    listeners, tracks, places = common.listeners(), common.tracks(), common.places()
    handled = {"plays": 0, "last": 0.0}

    def enrich(play):
        handled["plays"] += 1
        handled["last"] = time.perf_counter()
        document = common.enriched(play, listeners, tracks, places)
        now = common.iso(time.time() * 1000)
        return document | {"processed_at": now, "arrived_at": now}

    plays = application.dataframe(topic).apply(enrich)
    plays.sink(BulkSink("plays", lambda play: str(play["event_id"])))
    counts = (
        plays.filter(first, stateful=True)
        .apply(keys, expand=True)
        .group_by(lambda row: f"{row['dimension']}|{row['value']}", name="label")
        .tumbling_window(MINUTE, grace_ms=DAYS)
        .count()
        .current()
        .apply(
            lambda window, key, timestamp, headers: {
                "minute": common.iso(window["start"]),
                "dimension": key.split("|")[0],
                "value": key.split("|")[1],
                "plays": window["value"],
            },
            metadata=True,
        )
    )
    counts.sink(BulkSink("plays-per-minute", "{minute}|{dimension}|{value}".format_map))
    start = time.perf_counter()
    application.run(timeout=IDLE)
    common.report(handled["plays"], time.perf_counter() - start - IDLE)


if __name__ == "__main__":
    sys.exit(main())
