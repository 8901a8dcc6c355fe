"""Step 1: the log → Kafka. A line becomes a record of the topic, or of the dead-letter topic.

python produce.py            sends the whole log
python produce.py --reset    deletes topics, indices, keys and checkpoints
"""

import csv
import json
import re
import shutil
import sys
from datetime import UTC, datetime, timedelta

import config
from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient, NewTopic

FIELDS = {
    "event_id": r"\d{1,18}",
    "customer_id": r"\d{1,9}",
    "track_id": r"\d{1,9}",
    "played_at": r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,3})?",
    "is_mobile": r"[01]",
    "zip": r"[0-9-]{0,10}",
}


def parse(line):
    """The play on a line (bytes), as a dictionary. ValueError says what is wrong with it."""
    try:
        (row,) = csv.reader([line.decode("utf-8")], strict=True)
    except csv.Error as error:
        raise ValueError(f"not CSV: {error}") from error
    if len(row) != len(FIELDS):
        raise ValueError(f"{len(row)} columns instead of {len(FIELDS)}")
    play = dict(zip(FIELDS, row, strict=True))
    for name, pattern in FIELDS.items():
        if not re.fullmatch(pattern, play[name], re.ASCII):
            raise ValueError(f"{name} is wrong: {play[name]!r}")
    moment = datetime.fromisoformat(play["played_at"]).replace(tzinfo=UTC)
    if moment > datetime.now(UTC) + timedelta(minutes=1):
        raise ValueError(f"played_at is in the future: {play['played_at']}")
    return {
        "event_id": int(play["event_id"]),
        "customer_id": int(play["customer_id"]),
        "track_id": int(play["track_id"]),
        "played_at": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "is_mobile": play["is_mobile"] == "1",
        "zip": play["zip"],
    }


def make_topics():
    """Both topics, if they are not there yet."""
    admin = KafkaAdminClient(**config.kafka())
    there = admin.list_topics()
    raise NotImplementedError("Step 1.1: Make the topic and the dead-letter topic")
    admin.close()


def send(lines):
    """Send each line: a play as JSON with its listener as key; another line, unchanged, to the
    dead letters, with the reason in a header. Returns the two numbers."""
    accepted = refused = 0
    raise NotImplementedError("Step 1.2: Send plays by key, and dead letters with their reason")
    return accepted, refused


def reset():
    admin = KafkaAdminClient(**config.kafka())
    admin.delete_topics(
        [t for t in (config.TOPIC, config.DEAD_LETTERS) if t in admin.list_topics()]
    )
    admin.close()
    names = ("plays", "plays-per-minute", "interests", "targets")
    for name in names:
        config.elasticsearch().indices.delete(index=config.index(name), ignore_unavailable=True)
    redis = config.redis()
    for key in redis.scan_iter(match=config.key("*"), count=1000):
        redis.unlink(key)
    shutil.rmtree(config.WORK, ignore_errors=True)


if __name__ == "__main__":
    if "--reset" in sys.argv:
        reset()
    else:
        make_topics()
        with config.LOG.open("rb") as log:
            print("{} plays, {} dead letters".format(*send(line.rstrip(b"\r\n") for line in log)))
