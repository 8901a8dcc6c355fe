"""Stage 2, process it: keys and partitions, a join by id, windows, the rule of interest.

In: Settings and a learner's answer. Out: nothing when it is right, or ``NotYet``.
"""

from __future__ import annotations

from typing import Any, Final

import pandas as pd

from workshop_lib.lessons.exercises import live
from workshop_lib.lessons.exercises.outcome import (
    Exercise,
    NotAttempted,
    NotYet,
    attempted,
    call,
    of_type,
    shown,
)
from workshop_lib.schema.labels import UNKNOWN
from workshop_lib.settings import Settings
from workshop_lib.stack.reset import PRACTICE
from workshop_lib.world.ledger import interest_hits

LISTENERS: Final = 10
#: Partitions of the topic of exercise 2.5, and how many lines of the log go into it.
PARTITIONS: Final = 2
LINES: Final = 1000
#: The query of exercise 2.3, as Spark knows it.
QUERY: Final = "exercise_2_3"


def partitions(settings: Settings, answer: Any) -> None:
    """2.1: ten listeners and the partition that holds all plays of each."""
    attempted(answer)
    of_type(answer, dict, f"a dictionary of {LISTENERS} listeners: customer id → partition")
    held: dict[int, set[int]] = {}
    for record in live.topic(settings):
        if not (record.key or b"").isdigit():
            continue  # left by a lesson about dead letters
        held.setdefault(int(record.key), set()).add(record.partition)
    if len(answer) < LISTENERS:
        raise NotYet(f"You have {len(answer)} listeners. Take {LISTENERS}.")
    absent = [who for who in answer if who not in held]
    if absent:
        raise NotYet(
            f"Your listener {shown(absent[0])} has no play in the topic."
            + (
                " The keys of your dictionary are to be numbers."
                if str in map(type, absent)
                else ""
            )
        )
    number = max(map(max, held.values())) + 1
    if all(where == who % number for who, where in answer.items()):
        raise NotYet(
            f"You have {shown(answer)}: the id modulo the partitions. Kafka does not do that; it"
            " hashes the bytes of the key. Look where the records are."
        )
    wrong = [who for who, where in answer.items() if {where} != held[who]]
    if wrong:
        raise NotYet(
            f"You have listener {wrong[0]} in partition {shown(answer[wrong[0]])}. Their records"
            " are elsewhere."
        )


def enriched(settings: Settings, answer: Any) -> None:
    """2.2: each play gets its listener's level, by id; unknown ones stay."""
    attempted(answer)
    from workshop_lib.stream.session import spark_session

    spark = spark_session(settings, short=True)
    levels = {3: "Gold", 0: "Silver", 2: "Free"}
    players = {1: 0, 2: 2, 3: 777_777, 4: 0, 5: 3}
    plays = spark.createDataFrame(list(players.items()), "event_id long, customer_id int")
    customers = spark.createDataFrame(list(levels.items()), "customer_id int, level string")
    made = call(answer, plays, customers, about="with five plays and three customers")
    if "level" not in getattr(made, "columns", ()):
        raise NotYet(f"You return {shown(made)}. Return the plays with one more column: level.")
    if "event_id" not in made.columns:
        raise NotYet(f"Your columns are {made.columns}. Those of the plays are to stay.")
    rows = [(row["event_id"], row["level"]) for row in made.select("event_id", "level").collect()]
    if len(rows) > len(players):
        raise NotYet(
            f"From {len(players)} plays you made {len(rows)} rows. A join by a key that is in the"
            " other table once makes no new rows."
        )
    found = dict(rows)
    if 3 not in found:
        raise NotYet(
            f"From {len(players)} plays you kept {len(rows)}: the one whose listener is in no"
            " table is gone. Which kind of join keeps it?"
        )
    if len(found) < len(players):
        raise NotYet(f"From {len(players)} plays you kept {len(rows)}. None may vanish.")
    if found[3] != UNKNOWN:
        raise NotYet(
            f"The play of listener {players[3]}, who is in no table, has level {found[3]!r}."
            " A chart needs a label there."
        )
    if found[1] == UNKNOWN:
        raise NotYet(f"Your listener 0 has level {found[1]!r}. 0 is an id like any other.")
    wrong = [event for event, who in players.items() if found[event] != levels.get(who, UNKNOWN)]
    if wrong:
        raise NotYet(
            f"Your listener {players[wrong[0]]} has level {found[wrong[0]]!r}, which is another"
            " listener's. Join by id, not by the place in the table."
        )


def per_minute(settings: Settings, answer: Any, spark: Any = None) -> None:
    """2.3: a stream of distinct plays per minute of event time, run on the real topic."""
    attempted(answer)
    from workshop_lib.lessons.exercises.practice import plays_stream, plays_table, run_once
    from workshop_lib.stream.run import cause

    made = call(answer, plays_stream(settings, spark), about="with the stream of plays")
    columns = getattr(made, "columns", None)
    if columns is None or not made.isStreaming:
        raise NotYet(f"You return {shown(made)}. Return a streaming DataFrame.")
    if columns != ["minute", "plays"]:
        raise NotYet(f"Your columns are {columns}. Give minute and plays, in this order.")
    try:
        counts, report = run_once(made, settings, settings.namespace + QUERY)
    except Exception as error:
        raise NotYet(f"Your query failed: {cause(str(error))}") from error
    if counts.empty:
        raise NotYet("Your query ran and gave no row.")
    if not hasattr(counts["minute"].iloc[0], "minute"):
        raise NotYet(f"Your first minute is {shown(counts['minute'].iloc[0])}: take its start.")
    minutes = pd.to_datetime(counts["minute"], utc=True)
    plays = plays_table(settings).drop_duplicates("event_id")
    truth = plays["played_at"].dt.floor("min").value_counts()
    strange = minutes[~minutes.isin(truth.index)]
    if len(strange):
        raise NotYet(
            f"You have a count for {strange.iloc[0]:%Y-%m-%d %H:%M}, a minute in which nothing was"
            " played. Count by when it was played, not by when Spark sees it."
        )
    total = int(counts["plays"].sum())
    if "watermark" not in (report.get("eventTime") or {}):
        raise NotYet(
            f"You counted {total:,} plays without a watermark: Spark has to remember every minute"
            " for ever. Say how late a play may come."
        )
    if total > len(plays):
        raise NotYet(
            f"Your minutes hold {total:,} plays together. Some came twice; each counts once."
        )
    if len(counts) < len(truth) or total < len(plays):
        raise NotYet(f"Your {len(counts):,} minutes hold {total:,} plays. Some are missing.")
    if dict(zip(minutes, counts["plays"], strict=True)) != dict(truth):
        raise NotYet(f"Your minutes hold {total:,} plays, and some stand in another minute.")


#: name → (minutes after noon, listener, track, event) of each play in order of arrival, and
#: which events are interests.
_CASES: Final[dict[str, tuple[list[tuple[float, int, int, int]], set[int]]]] = {
    "one play that came three times": ([(0, 1, 1, 1), (0, 1, 1, 1), (0, 1, 1, 1)], set()),
    "three plays within ten minutes": ([(0, 1, 1, 1), (4, 1, 1, 2), (10, 1, 1, 3)], {3}),
    "three plays across the half hour": ([(25, 1, 1, 1), (31, 1, 1, 2), (40, 1, 1, 3)], {3}),
    "three plays in just 30 minutes": ([(3, 1, 1, 1), (9, 1, 1, 2), (33, 1, 1, 3)], {3}),
    "three plays in a bit more than 30 minutes": (
        [(3, 1, 1, 1), (9, 1, 1, 2), (33.01, 1, 1, 3)],
        set(),
    ),
    "a late play that was the first": ([(5, 1, 1, 2), (9, 1, 1, 3), (1, 1, 1, 1)], {3}),
    "two listeners with one track": ([(0, 1, 1, 1), (1, 2, 1, 2), (2, 1, 1, 3)], set()),
    "one listener with two tracks": ([(0, 1, 1, 1), (1, 1, 2, 2), (2, 1, 1, 3)], set()),
    "four plays within ten minutes": (
        [(0, 1, 1, 1), (4, 1, 1, 2), (6, 1, 1, 3), (10, 1, 1, 4)],
        {3, 4},
    ),
}


def interests(settings: Settings, answer: Any) -> None:
    """2.4: the plays that are the third of their track by their listener in 30 minutes."""
    attempted(answer)
    for name, (rows, truth) in _CASES.items():
        table = pd.DataFrame(rows, columns=["after", "customer_id", "track_id", "event_id"])
        noon = pd.Timestamp("2026-01-05T12:00:00Z")
        table["played_at"] = noon + pd.to_timedelta(table.pop("after"), unit="min")
        found = _events(call(answer, table.copy(), about=f"with {name}"))
        if found != truth:
            raise NotYet(
                f"With {name}, you find {_number(found)}: {_what(found, truth)}. Event time"
                " counts, distinct events count, and the ends of the 30 minutes are within."
            )
    from workshop_lib.lessons.exercises.practice import plays_table

    plays = plays_table(settings)
    found = _events(call(answer, plays.copy(), about="with all plays of the topic"))
    millis = plays["played_at"].astype("datetime64[ms, UTC]").astype("int64")
    truth = set(interest_hits(plays.assign(played_at=millis))["event_id"])
    if found != truth:
        raise NotYet(
            f"On the topic you find {_number(found)}: {_what(found, truth)}."
            " All the cases above are right; what is different about many plays?"
        )


def _events(found: Any) -> set[int]:
    if not isinstance(found, set | list | tuple | pd.Series):
        raise NotYet(f"You return {shown(found)}. Return the set of event ids.")
    return {int(event) for event in found}


def _number(found: set[int]) -> str:
    return "nothing" if not found else f"{len(found)} interest" + "s" * (len(found) > 1)


def _what(found: set[int], truth: set[int]) -> str:
    invented, missed = found - truth, truth - found
    if invented and missed:
        return "some are missing, some are none"
    return "not all are interests" if invented else "there is more to find"


def by_listener(settings: Settings) -> None:
    """2.5: a topic of one's own, in which a listener's plays stay in order."""
    records = live.topic(settings, PRACTICE)
    if not records:
        raise NotAttempted(f"There is nothing in topic {settings.topic(PRACTICE)} yet.")
    if any(record.key is None for record in records):
        raise NotYet(
            f"You sent {len(records)} records, and some have no key. Without one Kafka spreads"
            " them as it likes, and a listener's plays lose their order."
        )
    if len({record.partition for record in records}) < PARTITIONS:
        raise NotYet(
            f"All your {len(records)} records are in one partition. Make {PARTITIONS}, and a key"
            " of its own for each listener."
        )
    keys = {record.key for record in records}
    plays = live.log_plays(settings, LINES, future=True)
    if len(keys) > len({play.customer_id for play in plays}):
        raise NotYet(f"You sent {len(keys)} different keys. There are fewer listeners than that.")
    if keys - {str(play.customer_id).encode() for play in plays}:
        strange = min(keys - {str(play.customer_id).encode() for play in plays})
        raise NotYet(f"Your key {strange!r} is no listener of the log's first {LINES} lines.")
    if len(records) < len(live.log_plays(settings, LINES)):
        raise NotYet(
            f"You sent {len(records)} records. Plays of the first {LINES} lines are missing."
        )


EXERCISES: Final = (
    Exercise(
        "2.1",
        "Where a listener's plays are",
        partitions,
        (
            "A consumer's record knows its key, its partition and its offset.",
            "consumer(settings, 'plays', consumer_timeout_ms=3000) ends when nothing more comes.",
            "The key is bytes: int(record.key) is the listener.",
        ),
    ),
    Exercise(
        "2.2",
        "Join by id",
        enriched,
        (
            "plays.join(customers, 'customer_id', …): the third argument is the kind of join.",
            "A left join keeps every play. What has no partner gets null.",
            "fillna('unknown', ['level']) gives null a label.",
        ),
    ),
    Exercise(
        "2.3",
        "Plays per minute, late ones too",
        per_minute,
        (
            "withWatermark('played_at', '15 minutes') comes first.",
            "dropDuplicatesWithinWatermark(['event_id']), then groupBy(F.window(…)).count().",
            "The window is a struct: F.col('window.start').alias('minute').",
        ),
    ),
    Exercise(
        "2.4",
        "The same track three times in 30 minutes",
        interests,
        (
            "First: each event once, and in the order in which it was played.",
            "Of each listener and track: compare a play with the one two before it.",
            "groupby(['customer_id', 'track_id'])['played_at'].shift(2) is that one.",
        ),
    ),
    Exercise(
        "2.5",
        "A topic that keeps a listener's order",
        by_listener,
        (
            "NewTopic(name, num_partitions=2, replication_factor=1) and kafka_admin(settings).",
            "producer(settings).send(topic, value, key): both are bytes.",
            "workshop_lib.schema.play.to_json makes the value of a play; flush() at the end.",
        ),
        live=True,
    ),
)
