"""The streams of exercises 2.3 and 2.6, each run on records made to show its mistakes.

In: Settings and a learner's function. Out: nothing when it is right, or ``NotYet``. A stream
is right only over several batches: what is late, repeated, or kept for ever shows there.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pandas as pd
from kafka.admin import NewTopic

from workshop_lib.lessons.exercises import live
from workshop_lib.lessons.exercises.outcome import NotYet, attempted, call, first_line, shown
from workshop_lib.lessons.exercises.practice import plays_stream, plays_table
from workshop_lib.runtime.connections import elasticsearch, kafka_admin, producer
from workshop_lib.schema.names import PLAYS_RAW_INDEX
from workshop_lib.schema.play import PLAY, Play, to_json, when
from workshop_lib.schema.tables import mapping, spark_schema
from workshop_lib.settings import Settings

#: The query of exercise 2.3, as Spark knows it.
QUERY: Final = "exercise_2_3"
#: How late a play may come, in minutes.
LATE: Final = 15
TIMEOUT: Final = 90

#: Batches of 2.3: (event, minute after noon). Event 3 comes 14 minutes late, event 2 twice; the
#: last two move the watermark on, so that whatever was before can be forgotten.
_BATCHES: Final = (
    ((1, 0), (2, 20)),
    ((4, 21),),
    ((3, 6),),
    ((2, 20), (5, 22)),
    ((6, 180),),
    ((7, 360),),
)
#: Rows of state that one step of a stream may keep after the last batch.
_MOST_STATE: Final = 3


# 2.3 -----------------------------------------------------------------------------


def per_minute(settings: Settings, answer: Any, spark: Any = None) -> None:
    """2.3: a stream of distinct plays per minute of event time, with a watermark."""
    attempted(answer)
    from workshop_lib.stream.session import spark_session

    spark = spark or spark_session(settings, short=True)
    with _batch_files() as folder:
        source = spark.readStream.schema(spark_schema(PLAY)).option("maxFilesPerTrigger", 1)
        made = call(answer, source.json(str(folder)), about="with a stream of a few plays")
        _right_columns(made)
        counts, reports = run_to_end(made, settings.namespace + QUERY)
    _right_batches(counts, reports)
    made = call(answer, plays_stream(settings, spark), about="with the stream of the topic")
    counts, _ = run_to_end(made, settings.namespace + QUERY)
    _right_topic(counts, settings)


@contextmanager
def _batch_files() -> Iterator[Path]:
    """A folder with a JSON file for each of the batches, in their order."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        noon = int(pd.Timestamp("2026-01-05T12:00:00Z").timestamp() * 1000)
        for number, batch in enumerate(_BATCHES):
            plays = [Play(e, 0, 7, noon + m * 60_000, True, "02108") for e, m in batch]
            lines = [
                json.dumps(p._asdict() | {"played_at": when(p.played_at, True)}) for p in plays
            ]
            path = folder / f"{number}.json"
            path.write_text("\n".join(lines))
            os.utime(path, (1_700_000_000 + 10 * number,) * 2)  # Spark reads the oldest first
        yield folder


def _right_columns(made: Any) -> None:
    columns = getattr(made, "columns", None)
    if columns is None or not getattr(made, "isStreaming", False):
        raise NotYet(f"You return {shown(made)}. Return a streaming DataFrame.")
    if list(columns) != ["minute", "plays"]:
        raise NotYet(f"Your columns are {list(columns)}. Give minute and plays, in this order.")


def run_to_end(stream: Any, name: str) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """Run ``stream`` as query ``name`` over all that there is: the rows, a later one in place
    of an earlier one of the same first column, and Spark's report of each batch."""
    from workshop_lib.stream.run import cause

    for query in stream.sparkSession.streams.active:
        if query.name == name:
            query.stop()
    parts: list[pd.DataFrame] = []
    try:
        query = (
            stream.writeStream.queryName(name)
            .outputMode("update")
            .trigger(availableNow=True)
            .foreachBatch(lambda batch, number: parts.append(batch.toPandas()))
            .start()
        )
        try:
            query.awaitTermination(120)
        finally:
            query.stop()
    except Exception as error:
        raise NotYet(f"Your query failed: {cause(str(error))}") from error
    rows = pd.concat(parts) if parts else pd.DataFrame(columns=stream.columns)
    rows = rows.drop_duplicates(rows.columns[0], keep="last")
    if rows.empty:
        raise NotYet("Your query ran and gave no row.")
    first = rows["minute"].iloc[0]
    if not isinstance(first, pd.Timestamp):
        raise NotYet(f"Your first minute is {shown(first)}. Give its start, as a timestamp.")
    rows = rows.assign(minute=pd.to_datetime(rows["minute"], utc=True))
    return rows, [dict(report) for report in query.recentProgress if report["numInputRows"]]


def _right_batches(counts: pd.DataFrame, reports: list[dict[str, Any]]) -> None:
    noon = pd.Timestamp("2026-01-05T12:00:00Z")
    found = {
        (minute - noon).total_seconds() / 60: int(plays)
        for minute, plays in zip(counts["minute"], counts["plays"], strict=True)
    }
    truth = {minute: 1 for batch in _BATCHES for _, minute in batch}
    if set(found) - set(truth):
        strange = counts["minute"].iloc[list(found).index(min(set(found) - set(truth)))]
        raise NotYet(
            f"You have a count for {strange:%Y-%m-%d %H:%M}, a minute in which nothing was played."
            " Count by when it was played, not by when Spark sees it."
        )
    last = reports[-1]
    watermark = (last.get("eventTime") or {}).get("watermark")
    if watermark is None:
        raise NotYet(
            f"You counted {sum(found.values())} plays without a watermark: Spark must remember"
            " every minute for ever. Say how late a play may come."
        )
    before_last = noon + pd.Timedelta(minutes=_BATCHES[-2][0][1])
    delay = (before_last - pd.Timestamp(watermark)).total_seconds() / 60
    if 6 not in found:
        raise NotYet(
            f"A play that came 14 minutes late is not in your counts: your watermark is only"
            f" {delay:g} minutes behind the latest play."
        )
    if found[20] > 1:
        raise NotYet(
            f"Your minutes hold {sum(found.values())} plays together. One of them came twice; each"
            " counts once."
        )
    if abs(delay - LATE) > 0.5:
        raise NotYet(
            f"Your watermark is {delay:g} minutes behind the latest play. A play may come"
            " as late as the exercise says, not later and not earlier."
        )
    for operator in last["stateOperators"]:
        if int(operator["numRowsTotal"]) > _MOST_STATE:
            of = "dropDuplicates" if "dedupe" in operator["operatorName"].lower() else "count"
            raise NotYet(
                f"Hours later your {of} still remembers {operator['numRowsTotal']} rows: it forgets"
                " nothing. Spark can forget only by the column of the watermark, or a window of it."
            )
    if found != truth:
        raise NotYet(f"From a few plays you count {shown(found)}, by minute after noon.")


def _right_topic(counts: pd.DataFrame, settings: Settings) -> None:
    plays = plays_table(settings).drop_duplicates("event_id")
    truth = plays["played_at"].dt.floor("min").value_counts()
    total = int(counts["plays"].sum())
    if total > len(plays):
        raise NotYet(
            f"Your minutes hold {total:,} plays of the topic together. Some came twice; each counts"
            " once."
        )
    if len(counts) < len(truth) or total < len(plays):
        raise NotYet(
            f"Your {len(counts):,} minutes hold {total:,} plays of the topic. Some are missing."
        )
    if dict(zip(counts["minute"], counts["plays"], strict=True)) != dict(truth):
        raise NotYet(f"Your minutes hold {total:,} plays, and some are in the wrong minute.")


# 2.6 -----------------------------------------------------------------------------


def to_index(settings: Settings, answer: Any, spark: Any = None) -> None:
    """2.6: a stream from a topic of its own into an index of its own, three times."""
    attempted(answer)
    from workshop_lib.stream.session import spark_session

    spark = spark or spark_session(settings, short=True)
    plays = live.log_plays(settings, 200)
    plays = list({play.event_id: play for play in plays}.values())[:70]
    first, more = plays[:60], plays[60:]
    client = elasticsearch(settings)
    name = f"practice-2-6-{uuid4().hex[:8]}"
    topic, index = settings.topic(name), settings.index(name)
    folder = settings.home / "practice" / name
    kafka = {"kafka.bootstrap.servers": settings.kafka_bootstrap, **settings.spark_kafka_login()}

    def run(about: str, checkpoint: str) -> list[int]:
        """Rows of each batch."""
        with _stopped_after(spark, TIMEOUT) as stopped:
            query = call(
                answer,
                *(spark, kafka, topic, client, index, str(folder / checkpoint)),
                about=about,
            )
        if stopped:
            raise NotYet(
                f"Your query still ran after {TIMEOUT} s. Let it take what is there, and then end:"
                " trigger(availableNow=True)."
            )
        if not hasattr(query, "recentProgress"):
            raise NotYet(f"You return {shown(query)}. Return the query, after it has ended.")
        if query.isActive:
            query.awaitTermination(TIMEOUT)
        if query.exception() is not None:
            raise NotYet(f"Your query failed: {first_line(query.exception())}")
        return [report["numInputRows"] for report in query.recentProgress]

    def documents() -> list[dict[str, Any]]:
        client.indices.refresh(index=index)
        return list(client.search(index=index, size=1000)["hits"]["hits"])

    admin = kafka_admin(settings)
    try:
        admin.create_topics([NewTopic(topic, num_partitions=2, replication_factor=1)])
        client.indices.create(index=index, **mapping(PLAYS_RAW_INDEX))
        _send(settings, topic, [*map(to_json, first), to_json(first[0]), b"not a play"])
        run("with 60 plays, one of them twice, and a record that is not JSON", "one")
        _right_documents(documents(), first)
        _send(settings, topic, list(map(to_json, more)))
        read = sum(run("a second time, after ten more plays", "one"))
        _right_documents(documents(), plays)
        if read > len(more):
            raise NotYet(
                f"Your second run read {read} records, though only {len(more)} were new. Its"
                " position belongs into the folder checkpoint: option checkpointLocation."
            )
        run("a third time, with an empty checkpoint", "two")
        _right_documents(documents(), plays)
    finally:
        admin.delete_topics([topic])
        admin.close()
        client.indices.delete(index=index, ignore_unavailable=True)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _stopped_after(spark: Any, seconds: float) -> Iterator[list[str]]:
    """While the block runs: after so many seconds its new queries are stopped and named."""
    before = {query.id for query in spark.streams.active}
    stopped: list[str] = []

    def stop() -> None:
        for query in spark.streams.active:
            if query.id not in before:
                stopped.append(str(query.id))
                query.stop()

    timer = threading.Timer(seconds, stop)
    timer.start()
    try:
        yield stopped
    finally:
        timer.cancel()


def _send(settings: Settings, topic: str, values: list[bytes]) -> None:
    to_kafka = producer(settings)
    for value in values:
        to_kafka.send(topic, value)
    to_kafka.flush()
    to_kafka.close()


def _right_documents(hits: list[dict[str, Any]], plays: list[Play]) -> None:
    if not hits:
        raise NotYet(
            "Your query ended, and the index is empty. Did it read from the beginning? Without"
            " startingOffsets a stream begins at the end of the topic."
        )
    truth = {str(play.event_id): play for play in plays}
    found = {hit["_id"]: hit["_source"] for hit in hits}
    if "None" in found or any(source.get("event_id") is None for source in found.values()):
        raise NotYet(
            f"You have {len(hits)} documents, one without an event_id: a value that is not JSON"
            " gives null in every field. Filter it out."
        )
    strange = next((id_ for id_ in found if id_ not in truth), None)
    if strange is not None:
        raise NotYet(
            f"You have a document with _id {strange!r}. With such ids a batch that is written"
            " twice is there twice. Take the event_id."
        )
    if set(truth) - set(found):
        raise NotYet(f"You have {len(found)} documents. Some plays of the topic are missing.")
    for id_, play in truth.items():
        wanted = play._asdict()
        moment = pd.to_datetime(found[id_].get("played_at"), utc=True)
        if int(moment.timestamp() * 1000) != wanted.pop("played_at"):
            raise NotYet(
                f"Play {id_} has played_at {shown(found[id_].get('played_at'))} in your index. The"
                " topic has another moment."
            )
        wrong = [name for name, value in wanted.items() if found[id_].get(name) != value]
        if wrong:
            raise NotYet(
                f"Play {id_} has {wrong[0]} {shown(found[id_].get(wrong[0]))} in your index. The"
                " topic has another value."
            )
