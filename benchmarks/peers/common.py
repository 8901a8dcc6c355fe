"""What the Python peers share: the addresses, and the tables of listeners, tracks and places.

Read as anybody would read three CSV-like files into dictionaries; nothing of the workshop is
used. In the environment: BENCH_KAFKA, BENCH_KAFKA_LOGIN, BENCH_TOPIC, BENCH_ELASTICSEARCH,
BENCH_REDIS, BENCH_PREFIX (before the names of indices and keys), BENCH_WORLD (a folder).
"""

import csv
import json
import os
import sys
from datetime import UTC, datetime

import zipcodes

KAFKA = os.environ["BENCH_KAFKA"]
#: kafka-python's options for the user and password; empty without security.
KAFKA_LOGIN = json.loads(os.environ["BENCH_KAFKA_LOGIN"])
TOPIC = os.environ["BENCH_TOPIC"]
ELASTICSEARCH = os.environ["BENCH_ELASTICSEARCH"]
REDIS = os.environ["BENCH_REDIS"]
PREFIX = os.environ["BENCH_PREFIX"]
WORLD = os.environ["BENCH_WORLD"]

BANDS = json.loads(os.environ["BENCH_AGE_BANDS"])
LABELS = json.loads(os.environ["BENCH_LABELS"])


def band(age):
    if age is None or age < 0:
        return "unknown"
    return next(name for youngest, name in reversed(BANDS) if age >= youngest)


def _rows(name):
    with open(os.path.join(WORLD, name), newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def listeners():
    return {
        int(row["CustID"]): {
            "gender": LABELS["gender"].get(row["Gender"], "unknown"),
            "level": LABELS["level"].get(row["Level"], "unknown"),
            "campaign": LABELS["campaign"].get(row["Campaign"], "unknown"),
            "account_open": row["Status"] == "1",
            "born": int(row["BirthYear"]) if (row.get("BirthYear") or "").isdigit() else None,
        }
        for row in _rows("cust.csv")
    }


def tracks():
    return {
        int(row["TrackId"]): {
            "title": row["Title"],
            "artist": row["Artist"],
            "length_seconds": int(row["Length"]),
        }
        for row in _rows("music.csv")
    }


def places():
    """zip → (state, latitude, longitude)"""
    return {
        each["zip_code"]: (each["state"], float(each["lat"]), float(each["long"]))
        for each in reversed(zipcodes.list_all())
    }


NOBODY = {"gender": "unknown", "level": "unknown", "campaign": "unknown", "born": None}
NOTHING = {"title": "unknown", "artist": "unknown"}


def enriched(play, listeners, tracks, places):
    """The document of index plays: who listened, what, where."""
    who = listeners.get(play["customer_id"])
    what = tracks.get(play["track_id"])
    where = places.get(play["zip"])
    born = (who or NOBODY)["born"]
    age = None if born is None else int(play["played_at"][:4]) - born
    document = {
        **play,
        **{key: value for key, value in (who or NOBODY).items() if key != "born"},
        **(what or NOTHING),
        "customer_known": who is not None,
        "track_known": what is not None,
        "age_band": band(age),
        "state": where[0] if where else "unknown",
        "hour": int(play["played_at"][11:13]),
        "device": LABELS["device"][str(play["is_mobile"]).lower()],
    }
    if age is not None:
        document["age"] = age
    if where:
        document["location"] = {"lat": where[1], "lon": where[2]}
    return document


def report(plays, seconds):
    """The one line that the benchmark reads."""
    print(json.dumps({"plays": plays, "seconds": seconds}))
    sys.stdout.flush()


def millis(text):
    """A date like 2026-01-31T12:00:00.000Z as milliseconds since 1970."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def iso(millis):
    """Milliseconds since 1970 as a date."""
    moment = datetime.fromtimestamp(millis / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
