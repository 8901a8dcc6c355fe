"""The work of the three queries in one plain Python process: kafka-python, dictionaries, bulk.

Reads the topic to its end: enriches each play, counts plays per minute by six dimensions, finds
listeners who play a track three times within 30 minutes; writes three indices and Redis.
"""

import bisect
import time
from collections import Counter, defaultdict
from datetime import datetime

import common
import orjson
import redis
from elasticsearch import Elasticsearch
from elasticsearch.helpers import bulk
from elasticsearch.serializer import OrjsonSerializer
from kafka import KafkaConsumer, TopicPartition

DIMENSIONS = ("gender", "age_band", "device", "level", "state")
SPAN = 30 * 60


def main():
    listeners, tracks, places = common.listeners(), common.tracks(), common.places()
    consumer = KafkaConsumer(
        bootstrap_servers=common.KAFKA,
        **common.KAFKA_LOGIN,
        enable_auto_commit=False,
        fetch_max_bytes=16 << 20,
        max_partition_fetch_bytes=4 << 20,
        max_poll_records=5000,
    )
    partitions = [
        TopicPartition(common.TOPIC, n) for n in consumer.partitions_for_topic(common.TOPIC)
    ]
    consumer.assign(partitions)
    consumer.seek_to_beginning(*partitions)
    left = consumer.end_offsets(partitions)
    client = Elasticsearch(common.ELASTICSEARCH, serializer=OrjsonSerializer(), request_timeout=60)
    store = redis.Redis.from_url(common.REDIS, decode_responses=True)

    start = time.perf_counter()
    read, seen, counts = 0, set(), Counter()
    heard = defaultdict(list)  # (customer, track) → [(seconds, event)]
    while any(consumer.position(p) < end for p, end in left.items()):
        actions, changed = [], set()
        for records in consumer.poll(1000).values():
            for record in records:
                read += 1
                play = orjson.loads(record.value)
                document = common.enriched(play, listeners, tracks, places)
                event = play["event_id"]
                now = common.iso(time.time() * 1000)
                times = {"arrived_at": common.iso(record.timestamp), "processed_at": now}
                actions.append(action("plays", event, document | times))
                if event in seen:
                    continue
                seen.add(event)
                minute = play["played_at"][:16] + "Z"
                for key in (
                    (minute, "all", "all"),
                    *((minute, name, document[name]) for name in DIMENSIONS),
                ):
                    counts[key] += 1
                    changed.add(key)
                moment = datetime.fromisoformat(play["played_at"]).timestamp()
                plays = heard[play["customer_id"], play["track_id"]]
                bisect.insort(plays, (moment, event))
                place = bisect.bisect(plays, (moment, event)) - 1
                for i in range(max(place, 2), min(place + 3, len(plays))):
                    if plays[i][0] - plays[i - 2][0] <= SPAN:
                        found = interest(play, plays[i], document)
                        actions.append(action("interests", plays[i][1], found))
        actions += [
            action(
                "plays-per-minute",
                "|".join(key),
                {"minute": key[0], "dimension": key[1], "value": key[2], "plays": counts[key]},
            )
            for key in changed
        ]
        bulk(client, actions, chunk_size=1000)
        remember(store, changed, counts, actions)
    seconds = time.perf_counter() - start
    common.report(read, seconds)


def action(index, id_, source):
    return {"_index": common.PREFIX + index, "_id": str(id_), "_source": source}


def interest(play, hit, document):
    """Of ``hit``, a play of the same listener and track."""
    fields = ("gender", "age_band", "level", "state", "location", "title", "artist")
    return {
        "event_id": hit[1],
        "customer_id": play["customer_id"],
        "track_id": play["track_id"],
        "interested_at": common.iso(hit[0] * 1000),
        **{name: document[name] for name in fields if name in document},
    }


def remember(store, changed, counts, actions):
    """Live counters and each listener's interests."""
    pipe = store.pipeline(transaction=False)
    for minute, dimension, value in changed:
        key = (minute, dimension, value)
        pipe.hset(f"{common.PREFIX}live:{minute}", f"{dimension}:{value}", counts[key])
    for each in actions:
        if each["_index"].endswith("interests"):
            found = each["_source"]
            moment = datetime.fromisoformat(found["interested_at"]).timestamp()
            key = f"{common.PREFIX}interests:{found['customer_id']}"
            pipe.zadd(key, {found["track_id"]: moment * 1000}, gt=True)
    pipe.execute()


if __name__ == "__main__":
    main()
