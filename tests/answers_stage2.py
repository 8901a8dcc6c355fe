"""Answers to the exercises of Stage 2; those of 2.5 are put into a topic first."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from exercise_mistakes import Answer, fixed, right
from kafka.admin import NewTopic

from workshop_lib.lessons.exercises import live
from workshop_lib.runtime.connections import kafka_admin, producer
from workshop_lib.schema.play import Play, to_json
from workshop_lib.settings import Settings


def one_off(answer: dict[int, int]) -> dict[int, int]:
    who = next(iter(answer))
    return answer | {who: (answer[who] + 1) % 4}


# 2.2 ------------------------------------------------------------------------------


def by_place(plays: Any, customers: Any) -> Any:
    """Joined by the place in the table, as if customer 0 were in line 0."""
    levels = [row["level"] for row in customers.collect()]
    rows = [
        (row["event_id"], row["customer_id"], [*levels, "unknown"][min(row["customer_id"], 3)])
        for row in plays.collect()
    ]
    return plays.sparkSession.createDataFrame(rows, "event_id long, customer_id int, level string")


def left(plays: Any, customers: Any) -> Any:
    return plays.join(customers, "customer_id", "left")


def labelled(plays: Any, customers: Any) -> Any:
    return left(plays, customers).fillna("unknown")


def by_sql(plays: Any, customers: Any) -> Any:
    plays.createOrReplaceTempView("some_plays")
    customers.createOrReplaceTempView("some_customers")
    return plays.sparkSession.sql(
        "SELECT p.*, coalesce(c.level, 'unknown') AS level FROM some_plays p"
        " LEFT JOIN some_customers c ON p.customer_id = c.customer_id"
    )


def by_lookup(plays: Any, customers: Any) -> Any:
    from pyspark.sql import functions as F

    levels = {row["customer_id"]: row["level"] for row in customers.collect()}
    level = F.udf(lambda who: levels.get(who, "unknown"))
    return plays.withColumn("level", level("customer_id"))


def both_ids(plays: Any, customers: Any) -> Any:
    joined = plays.join(customers, plays.customer_id == customers.customer_id, "left")
    return joined.fillna("unknown", ["level"])


# 2.3 ------------------------------------------------------------------------------


def windows(
    of: str = "played_at", late: str = "15 minutes", once: tuple[str, ...] | None = ("event_id",)
) -> Callable[[Any], Any]:
    """``once``: columns of dropDuplicates; ("event_id",) that within the watermark."""
    from pyspark.sql import functions as F

    def per_minute(plays: Any) -> Any:
        if of != "played_at":
            plays = plays.withColumn(of, F.current_timestamp())
        if late:
            plays = plays.withWatermark(of, late)
        if once == ("event_id",) and late:
            plays = plays.dropDuplicatesWithinWatermark(["event_id"])
        elif once:
            plays = plays.dropDuplicates(list(once))
        counts = plays.groupBy(F.window(of, "1 minute")).count()
        return counts.select(F.col("window.start").alias("minute"), F.col("count").alias("plays"))

    return per_minute


def distinct_in_window(plays: Any) -> Any:
    from pyspark.sql import functions as F

    late = plays.withWatermark("played_at", "15 minutes")
    ids = F.size(F.collect_set("event_id")).alias("plays")
    minutes = late.groupBy(F.window("played_at", "1 minute")).agg(ids)
    return minutes.select(F.col("window.start").alias("minute"), "plays")


def never_forgets(plays: Any) -> Any:
    from pyspark.sql import functions as F

    late = plays.withWatermark("played_at", "15 minutes").dropDuplicates(["event_id"])
    counts = late.groupBy(F.window("played_at", "1 minute")).count()
    return counts.select(F.col("window.start").alias("minute"), F.col("count").alias("plays"))


def truncated(plays: Any) -> Any:
    from pyspark.sql import functions as F

    late = plays.withWatermark("played_at", "15 minutes")
    once = late.dropDuplicatesWithinWatermark(["event_id"])
    minute = F.date_trunc("minute", "played_at").alias("minute")
    return once.groupBy(minute).agg(F.count("*").alias("plays"))


# 2.4 ------------------------------------------------------------------------------


def rule(
    once: bool = True, sort: bool = True, of: tuple[str, ...] = ("customer_id", "track_id")
) -> Callable[[pd.DataFrame], set[int]]:
    def interests(plays: pd.DataFrame) -> set[int]:
        if once:
            plays = plays.drop_duplicates("event_id")
        if sort:
            plays = plays.sort_values(["played_at", "event_id"])
        gap = plays["played_at"] - plays.groupby(list(of))["played_at"].shift(2)
        return set(plays.loc[(gap >= pd.Timedelta(0)) & (gap <= pd.Timedelta("30min")), "event_id"])

    return interests


def tumbling(plays: pd.DataFrame) -> set[int]:
    plays = plays.drop_duplicates("event_id").sort_values(["played_at", "event_id"])
    window = plays["played_at"].dt.floor("30min")
    turn = plays.groupby(["customer_id", "track_id", window]).cumcount()
    return set(plays.loc[turn >= 2, "event_id"])


def strictly_less(plays: pd.DataFrame) -> set[int]:
    plays = plays.drop_duplicates("event_id").sort_values(["played_at", "event_id"])
    gap = plays["played_at"] - plays.groupby(["customer_id", "track_id"])["played_at"].shift(2)
    return set(plays.loc[gap < pd.Timedelta("30min"), "event_id"])


def by_loop(plays: pd.DataFrame) -> list[int]:
    found, last = [], defaultdict[tuple[int, int], deque[Any]](lambda: deque(maxlen=3))
    rows = plays.drop_duplicates("event_id").sort_values(["played_at", "event_id"])
    for row in rows.itertuples():
        recent = last[row.customer_id, row.track_id]
        recent.append(row.played_at)
        if len(recent) == 3 and recent[-1] - recent[0] <= pd.Timedelta(minutes=30):
            found.append(row.event_id)
    return found


def as_array(plays: pd.DataFrame) -> np.ndarray:
    return np.array(sorted(rule()(plays)))


# 2.5 ------------------------------------------------------------------------------


def sent(
    key: Callable[[Play], bytes | None] = lambda play: str(play.customer_id).encode(),
    partition: Callable[[Play], int | None] = lambda play: None,
    value: Callable[[Play], bytes] = to_json,
    order: Callable[[list[Play]], list[Play]] = lambda plays: plays,
) -> Callable[[Settings], None]:
    """Makes topic ``practice-plays`` and sends the log's first plays to it."""

    def send(settings: Settings) -> None:
        topic = settings.topic("practice-plays")
        admin = kafka_admin(settings)
        admin.create_topics([NewTopic(topic, num_partitions=2, replication_factor=1)])
        admin.close()
        to_kafka = producer(settings)
        for play in order(live.log_plays(settings, 1000)):
            to_kafka.send(topic, value(play), key(play), partition=partition(play))
        to_kafka.close()

    return send


#: What is sent to the topic of 2.5, and what the check says.
SENT: dict[str, tuple[Callable[[Settings], None], str | None]] = {
    "key": (sent(), None),
    "partition": (sent(lambda play: None, lambda play: play.customer_id % 2), None),
    "long keys": (sent(lambda play: b"listener-%d" % play.customer_id), None),
    "all twice": (sent(order=lambda plays: plays + plays), None),
    "no key": (sent(lambda play: None), "some without a key"),
    "by event": (sent(lambda play: str(play.event_id).encode()), "always have the same key"),
    "a listener in two": (
        sent(partition=lambda play: play.event_id % 2),
        "has plays in 2 partitions",
    ),
    "one for all": (sent(lambda play: b"0"), "in one partition"),
    "reversed": (sent(order=lambda plays: plays[::-1]), "in the order of the log"),
    "no JSON": (sent(value=lambda play: b"x"), "Send the play as JSON"),
    "not all": (sent(order=lambda plays: plays[:-10]), "lines are missing"),
}


# 2.6 ------------------------------------------------------------------------------


def stream(
    start: str = "earliest",
    ids: str = "event_id",
    nulls: bool = False,
    position: bool = True,
    one_by_one: bool = False,
    sql: bool = False,
    given_back: bool = True,
    text: str = "string",
) -> Callable[..., Any]:
    """A stream as in the solution, with one thing changed."""
    from elasticsearch.helpers import bulk
    from pyspark.sql import functions as F

    fields = f"event_id long, customer_id int, track_id int, played_at {text}, is_mobile boolean"
    fields += ", zip string"

    def to_index(
        spark: Any, kafka: dict[str, str], topic: str, client: Any, index: str, checkpoint: str
    ) -> Any:
        source = spark.readStream.format("kafka").options(**kafka)
        records = source.option("subscribe", topic).option("startingOffsets", start).load()
        if sql:
            plays = records.selectExpr(f"from_json(string(value), '{fields}') AS play")
        else:
            plays = records.select(F.from_json(F.col("value").cast("string"), fields).alias("play"))
        plays = plays.select("play.*")
        if not nulls:
            plays = plays.where("event_id is not null")

        def write(batch: Any, number: int) -> None:
            rows = [row.asDict() for row in batch.toLocalIterator()]
            if text == "timestamp":
                rows = [r | {"played_at": r["played_at"].astimezone()} for r in rows]
            if one_by_one:
                for row in rows:
                    client.index(index=index, id=str(row["event_id"]), document=row)
                return
            made = {"event_id": lambda r: {"_id": r["event_id"]}, "none": lambda r: {}}
            actions = ({"_index": index, "_source": r} | made[ids](r) for r in rows)
            bulk(client, actions)

        writer = plays.writeStream.foreachBatch(write).trigger(availableNow=True)
        query = (writer.option("checkpointLocation", checkpoint) if position else writer).start()
        query.awaitTermination()
        return query if given_back else None

    return to_index


ANSWERS: dict[str, list[Answer]] = {
    "2.1": [
        right("of numpy", lambda a, s: {np.int32(k): np.int64(v) for k, v in a.items()}),
        right("a series", lambda a, s: pd.Series(a)),
        Answer("modulo", lambda a, s: {who: who % 4 for who in a}, "modulo the partitions"),
        Answer("too few", lambda a, s: dict(list(a.items())[:3]), "You have 3 listeners"),
        Answer("text", lambda a, s: {str(k): v for k, v in a.items()}, "as a listener"),
        Answer("partitions as text", lambda a, s: {k: str(v) for k, v in a.items()}, "a partition"),
        Answer("one wrong", lambda a, s: one_off(a), "in another one"),
        Answer("nobody", lambda a, s: a | {999_999_999: 0}, "has no play"),
    ],
    "2.2": [
        right("by SQL", fixed(by_sql)),
        right("by lookup", fixed(by_lookup)),
        Answer("inner", fixed(lambda p, c: p.join(c, "customer_id")), "kind of join"),
        Answer("null", fixed(left), "needs a label"),
        Answer("by place", fixed(by_place), "another listener's"),
        Answer("everyone", fixed(lambda p, c: p.crossJoin(c.drop("customer_id"))), "no new rows"),
        Answer("no column", fixed(lambda p, c: p), "one more column"),
        Answer("breaks", fixed(lambda p, c: c["nothing"]), "Your function raised"),
        Answer("lost", fixed(lambda p, c: labelled(p, c).drop("customer_id")), "of the plays is"),
        Answer("twice", fixed(both_ids), "once, and no other column"),
        Answer("a list", fixed(lambda p, c: labelled(p, c).collect()), "Return a Spark table"),
    ],
    "2.3": [
        right("by id and time", fixed(windows(once=("event_id", "played_at")))),
        right("distinct in the window", fixed(distinct_in_window)),
        Answer("wall clock", fixed(windows("now")), "not by when Spark sees it"),
        Answer("no watermark", fixed(windows(late="")), "for ever"),
        Answer("twice", fixed(windows(once=None)), "each counts once"),
        Answer("no stream", fixed(lambda plays: 3), "streaming DataFrame"),
        Answer("columns", fixed(lambda plays: plays), "Your columns are"),
        Answer("a second", fixed(windows(late="1 second")), "came 14 minutes late"),
        Answer("a day", fixed(windows(late="1 day")), "as late as the exercise says"),
        Answer("ids kept for ever", fixed(never_forgets), "your dropDuplicates still"),
        Answer("counts kept for ever", fixed(truncated), "your count still"),
    ],
    "2.4": [
        right("by a loop, a list", fixed(by_loop)),
        right("an array", fixed(as_array)),
        right("a column", fixed(lambda plays: pd.Series(sorted(rule()(plays)), dtype="int64"))),
        Answer("repeated events", fixed(rule(once=False)), "With one play that came three"),
        Answer("arrival", fixed(rule(sort=False)), "With a late play that was the first"),
        Answer("tumbling", fixed(tumbling), "With three plays across the half hour"),
        Answer("edge", fixed(strictly_less), "With three plays in exactly 30 minutes"),
        Answer("any listener", fixed(rule(of=("track_id",))), "With two listeners"),
        Answer("any track", fixed(rule(of=("customer_id",))), "With one listener with two"),
        Answer("a number", fixed(lambda plays: len(rule()(plays))), "Return the set of event"),
    ],
    "2.6": [
        right("one by one", fixed(stream(one_by_one=True))),
        right("by SQL, timestamps", fixed(stream(sql=True, text="timestamp"))),
        Answer("from the end", fixed(stream("latest")), "at the end of the topic"),
        Answer("no ids", fixed(stream(ids="none")), "Take the event_id"),
        Answer("nulls", fixed(stream(nulls=True)), "Filter it out"),
        Answer("no checkpoint", fixed(stream(position=False)), "checkpointLocation"),
        Answer("no query", fixed(stream(given_back=False)), "Return the query"),
        Answer("fails", fixed(lambda *of: of[0].read.load("nowhere")), "Your function raised"),
    ],
}
