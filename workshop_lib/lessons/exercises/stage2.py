"""Stage 2, process it: partitions, a join by id, windows, the rule of interest, a topic.

In: Settings and a learner's answer. Out: nothing when it is right, or ``NotYet``. The streams
of 2.3 and 2.6 are judged in ``streams``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import orjson
import pandas as pd

from workshop_lib.lessons.exercises import live, streams
from workshop_lib.lessons.exercises.outcome import (
    Exercise,
    NotAttempted,
    NotYet,
    attempted,
    call,
    first_line,
    numbers,
    of_type,
    plain,
    shown,
)
from workshop_lib.lessons.exercises.practice import plays_table
from workshop_lib.schema.labels import UNKNOWN
from workshop_lib.settings import Settings
from workshop_lib.stack.reset import PRACTICE
from workshop_lib.world.ledger import interest_hits

LISTENERS: Final = 10
#: Partitions of the topic of exercise 2.5, and how many lines of the log go into it.
PARTITIONS: Final = 2
LINES: Final = 1000


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
    numbers(answer, "a listener")
    numbers(answer.values(), "a partition")
    absent = [who for who in answer if who not in held]
    if absent:
        raise NotYet(f"Your listener {shown(absent[0])} has no play in the topic.")
    number = max(map(max, held.values())) + 1
    wrong = [who for who, where in answer.items() if {where} != held[who]]
    if wrong and all(where == who % number for who, where in answer.items()):
        raise NotYet(
            f"You have {shown(answer)}: the id modulo the partitions. Kafka does not do that; it"
            " hashes the bytes of the key. Look where the records are."
        )
    if wrong:
        raise NotYet(
            f"You have listener {wrong[0]} in partition {shown(answer[wrong[0]])}. Their records"
            " are in another one."
        )


def enriched(settings: Settings, answer: Any) -> None:
    """2.2: each play gets its listener's level, by id; plays of unknown listeners stay."""
    attempted(answer)
    from workshop_lib.stream.session import spark_session

    spark = spark_session(settings, short=True)
    levels = {3: "Gold", 0: "Silver", 2: "Free"}
    players = {1: 0, 2: 2, 3: 777_777, 4: 0, 5: 3}
    plays = spark.createDataFrame(list(players.items()), "event_id long, customer_id int")
    customers = spark.createDataFrame(list(levels.items()), "customer_id int, level string")
    made = call(answer, plays, customers, about="with five plays and three customers")
    columns = list(getattr(made, "columns", ()))
    if not hasattr(made, "collect"):
        raise NotYet(f"You return {shown(made)}. Return a Spark table.")
    if "level" not in columns:
        raise NotYet(f"Your columns are {columns}. The plays must get one more column: level.")
    lost = [name for name in plays.columns if name not in columns]
    if lost:
        raise NotYet(f"Your columns are {columns}. {lost[0]} of the plays is missing.")
    if len(columns) != len({*plays.columns, "level"}):
        raise NotYet(
            f"Your columns are {columns}. Each of event_id, customer_id and level must be there"
            " once, and no other column."
        )
    try:
        rows = [row.asDict() for row in made.collect()]
    except Exception as error:
        raise NotYet(f"Your table failed: {first_line(error)}") from error
    _levels(rows, players, levels)


def _levels(rows: list[dict[str, Any]], players: dict[int, int], levels: dict[int, str]) -> None:
    if len(rows) > len(players):
        raise NotYet(
            f"From {len(players)} plays you made {len(rows)} rows. A join by a key that is in the"
            " other table once makes no new rows."
        )
    found = {row["event_id"]: row["level"] for row in rows}
    if 3 not in found and len(found) == len(players) - 1:
        raise NotYet(
            f"From {len(players)} plays you kept {len(rows)}: the one whose listener is not in"
            " customers is gone. Which kind of join keeps it?"
        )
    if set(found) != set(players):
        raise NotYet(f"From {len(players)} plays you kept {len(found)}. All must stay.")
    if found[3] != UNKNOWN:
        raise NotYet(
            f"The play of listener {players[3]}, who is not in customers, has level {found[3]!r}."
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
    changed = [row for row in rows if row["customer_id"] != players[row["event_id"]]]
    if changed:
        raise NotYet(
            f"Your play {changed[0]['event_id']} has customer_id {changed[0]['customer_id']!r},"
            " which was not so in plays."
        )


#: name → (minutes after noon, listener, track, event) of each play in order of arrival, and
#: which events are interests.
_CASES: Final[dict[str, tuple[list[tuple[float, int, int, int]], set[int]]]] = {
    "one play that came three times": ([(0, 1, 1, 1), (0, 1, 1, 1), (0, 1, 1, 1)], set()),
    "three plays within ten minutes": ([(0, 1, 1, 1), (4, 1, 1, 2), (10, 1, 1, 3)], {3}),
    "three plays across the half hour": ([(25, 1, 1, 1), (31, 1, 1, 2), (40, 1, 1, 3)], {3}),
    "three plays in exactly 30 minutes": ([(3, 1, 1, 1), (9, 1, 1, 2), (33, 1, 1, 3)], {3}),
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
                f"With {name}, you find {_number(found)}: {_what(found, truth)}. Count by event"
                " time, each event once; the ends of the 30 minutes are included."
            )
    plays = plays_table(settings)
    found = _events(call(answer, plays.copy(), about="with all plays of the topic"))
    millis = plays["played_at"].astype("datetime64[ms, UTC]").astype("int64")
    truth = set(interest_hits(plays.assign(played_at=millis))["event_id"])
    if found != truth:
        raise NotYet(
            f"On the topic you find {_number(found)}: {_what(found, truth)}."
            " All small cases are right; what is different about many plays?"
        )


def _events(found: Any) -> set[int]:
    """Event ids of a set, list, array, column or table with a column event_id."""
    if isinstance(found, pd.DataFrame) and "event_id" in found:
        found = plain(found["event_id"])
    if isinstance(found, dict) and all(isinstance(key, int) for key in found):
        found = found.values()  # a column of pandas
    if isinstance(found, str) or not isinstance(found, Iterable):
        raise NotYet(f"You return {shown(found)}. Return the set of event ids.")
    events = list(found)
    numbers(events, "an event id")
    return {int(event) for event in events}


def _number(found: set[int]) -> str:
    return "nothing" if not found else f"{len(found)} interest" + "s" * (len(found) > 1)


def _what(found: set[int], truth: set[int]) -> str:
    invented, missed = found - truth, truth - found
    if invented and missed:
        return "some are missing, and some are not interests"
    return "not all of them are interests" if invented else "some are missing"


def by_listener(settings: Settings) -> None:
    """2.5: a topic of one's own, in which a listener's plays stay in order."""
    records = live.topic(settings, PRACTICE)
    if not records:
        raise NotAttempted(f"There is nothing in topic {settings.topic(PRACTICE)} yet.")
    order = [play.event_id for play in live.log_plays(settings, LINES, future=True)]
    plays = {play.event_id: play for play in live.log_plays(settings, LINES, future=True)}
    strange = next((record.value for record in records if _event(record.value) is None), None)
    if strange is not None:
        raise NotYet(
            f"Your record has the value {shown(strange, 80)}. Send the play as JSON, so that its"
            " order can be seen."
        )
    sent = [(record.partition, _event(record.value) or 0, record.key) for record in records]
    unknown = [event for _, event, _ in sent if event not in plays]
    if unknown:
        raise NotYet(f"Your event {unknown[0]} is not a play of the log's first {LINES} lines.")
    missing = {play.event_id for play in live.log_plays(settings, LINES)} - {e for _, e, _ in sent}
    if missing:
        raise NotYet(f"You sent {len(sent)} records. Plays of the first {LINES} lines are missing.")
    used = {partition for partition, _, _ in sent}
    if len(used) < PARTITIONS:
        raise NotYet(
            f"All your {len(sent)} records are in one partition. Make {PARTITIONS}, and share the"
            " listeners between them."
        )
    where: dict[int, set[int]] = {}
    for partition, event, _ in sent:
        where.setdefault(plays[event].customer_id, set()).add(partition)
    split = [who for who, found in where.items() if len(found) > 1]
    if split and any(key is None for _, _, key in sent):
        raise NotYet(
            f"You sent {len(sent)} records, some without a key. Kafka spreads those over the"
            " partitions, and a listener's plays lose their order."
        )
    if split:
        raise NotYet(
            f"Your listener {split[0]} has plays in {len(where[split[0]])} partitions: they are"
            " read in no order. The same listener must always have the same key, and with it the"
            " same partition."
        )
    _in_order(sent, plays, order)


def _in_order(sent: list[Any], plays: dict[int, Any], order: list[int]) -> None:
    """``NotYet`` when a listener's plays stand in another order than in the log. Sending all
    once more, as a second run of the cell does, is allowed."""
    first: dict[int, int] = {}
    for position, (_, event, _) in enumerate(sent):
        first.setdefault(event, position)
    last: dict[int, int] = {}
    for event in dict.fromkeys(order):
        who = plays[event].customer_id
        if first.get(event, len(sent)) < last.get(who, -1):
            raise NotYet(
                f"Your listener {who} has event {event} before a play that is earlier in the log."
                " Send in the order of the log."
            )
        last[who] = first.get(event, last.get(who, -1))


def _event(value: bytes | None) -> int | None:
    """The event id in a JSON value."""
    try:
        found = orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        return None
    event = found.get("event_id") if isinstance(found, dict) else None
    return event if isinstance(event, int) else None


EXERCISES: Final = (
    Exercise(
        "2.1",
        "Where a listener's plays are",
        partitions,
        (
            "A consumer's record knows its key, its partition and its offset.",
            "KafkaConsumer(topic, auto_offset_reset='earliest', consumer_timeout_ms=3000, …) ends"
            " when nothing more comes.",
            "The key is bytes: int(record.key) is the listener.",
        ),
    ),
    Exercise(
        "2.2",
        "Join by id",
        enriched,
        (
            "plays.join(customers, 'customer_id', …): the third argument is the kind of join.",
            "A left join keeps every play. Without a partner, the new columns are null.",
            "fillna('unknown', ['level']) gives null a label.",
        ),
    ),
    Exercise(
        "2.3",
        "Plays per minute, late ones too",
        streams.per_minute,
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
            "KafkaAdminClient(…).create_topics([NewTopic(name, num_partitions=2,"
            " replication_factor=1)]).",
            "KafkaProducer(…).send(topic, value, key): both are bytes; flush() at the end.",
            "workshop_lib.schema.play.to_json makes the value of a play; the key is its listener.",
        ),
        live=True,
    ),
    Exercise(
        "2.6",
        "From Kafka to Elasticsearch by hand",
        streams.to_index,
        (
            "Read: spark.readStream.format('kafka') with kafka.bootstrap.servers, subscribe and"
            " startingOffsets = earliest; then from_json(value as string, a schema).",
            "Write: .writeStream.foreachBatch(write).option('checkpointLocation', checkpoint)"
            ".trigger(availableNow=True).start(), then awaitTermination().",
            "In write(batch, number): elasticsearch.helpers.bulk(client, …) with _index, _id (the"
            " event_id) and _source for each row of batch.collect(). A value that is not JSON"
            " gives null: filter it out.",
        ),
    ),
)
