"""Stage 4, show it and run it: the page's numbers, a counter, lag, an offer's way.

In: Settings and a learner's answer. Out: nothing when it is right, or ``NotYet``.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import uuid4

import pandas as pd
from elasticsearch.helpers import bulk, scan

from workshop_lib.lessons.exercises import live, page_events
from workshop_lib.lessons.exercises.outcome import (
    Exercise,
    NotYet,
    attempted,
    call,
    equals,
    numbers,
    of_type,
    shown,
)
from workshop_lib.runtime.connections import consumer, elasticsearch, redis_client
from workshop_lib.schema.names import (
    PLAYS_PER_MINUTE_INDEX,
    PLAYS_TOPIC,
    SMS_INDEX,
    TARGETS_INDEX,
    live_key,
)
from workshop_lib.schema.tables import mapping
from workshop_lib.settings import Settings

STATES: Final = 10
#: What exercise 4.4 finds out about an offer.
OFFER: Final = ("customer_id", "event_id", "score", "seconds")


def busiest_states(settings: Settings, answer: Any) -> None:
    """4.1: plays of the ten busiest states, from the counts that the stream has made."""
    attempted(answer)
    client, index = elasticsearch(settings), settings.index(PLAYS_PER_MINUTE_INDEX)
    made = call(answer, client, index, about="with index plays-per-minute")
    _right_states(made, _minutes(settings, index))
    # The same form with numbers of its own: what was counted elsewhere shows.
    own = settings.index(f"practice-{uuid4().hex[:8]}")
    client.indices.create(index=own, **mapping(PLAYS_PER_MINUTE_INDEX))
    try:
        bulk(client, ({"_index": own, "_source": row} for row in _few_minutes()), refresh=True)
        made = call(answer, client, own, about="with a small index of the same form")
        try:
            _right_states(made, _minutes(settings, own))
        except NotYet as why:
            raise NotYet(
                "With a small index of the same form your numbers are not its numbers. Count from"
                " the index that your function is given."
            ) from why
    finally:
        client.indices.delete(index=own)


def _few_minutes() -> list[dict[str, Any]]:
    """Two minutes of twelve states, in which few plays and many minutes differ."""
    states = [f"S{number:02}" for number in range(12)]
    return [
        {"minute": f"2026-01-04T20:{m:02}:00.000Z", "dimension": d, "value": v, "plays": plays}
        for number, state in enumerate(states)
        for m in range(2 if number % 2 else 1)
        for d, v, plays in (("state", state, 100 - 7 * number), ("all", "all", 100 - 7 * number))
    ]


def _right_states(answer: Any, rows: pd.DataFrame) -> None:
    if not isinstance(answer, dict):
        raise NotYet(f"You return {shown(answer)}. Return a dictionary: state → plays.")
    truth = rows[rows["dimension"] == "state"].groupby("value")["plays"].agg(["sum", "size"])
    strange = [state for state in answer if state not in truth.index]
    if strange:
        raise NotYet(
            f"You have a bar for {shown(strange[0])}, which is not a state of the index. It counts"
            " each play once per dimension; choose one dimension first."
        )
    if len(answer) != STATES:
        raise NotYet(f"You have {len(answer)} bars. The chart must have {STATES}.")
    numbers(answer.values(), "a number of plays")
    counted = [state for state in answer if answer[state] == truth["size"][state]]
    if len(counted) > STATES // 2:
        raise NotYet(
            f"You have {answer[counted[0]]:g} for {counted[0]}: that counts documents. Each of them"
            " is a minute, and holds how many plays there were in it."
        )
    wrong = [state for state in answer if answer[state] != truth["sum"][state]]
    if wrong:
        raise NotYet(
            f"You have {shown(answer[wrong[0]])} for {wrong[0]}; the index has another sum."
        )
    if min(answer.values()) < truth["sum"].nlargest(STATES).min():
        raise NotYet(
            f"Your smallest bar is {shown(min(answer, key=lambda state: answer[state]))}. There are"
            " busier states: is the order by documents, or by plays?"
        )


def _minutes(settings: Settings, index: str) -> pd.DataFrame:
    """An index like plays-per-minute: minute, value, dimension, plays."""
    found = scan(elasticsearch(settings), index=index, size=5000)
    return pd.DataFrame(
        [hit["_source"] for hit in found], columns=["minute", "dimension", "value", "plays"]
    )


def share_on_mobile(settings: Settings, answer: Any) -> None:
    """4.2: the share of plays on a mobile over all live counters in Redis."""
    attempted(answer)
    of_type(answer, (int, float), "a share, as a number from 0 to 1")
    minutes = _counters(settings)
    mobile, every = minutes["device:mobile"], minutes["all:all"]
    truth = mobile.sum() / every.sum()
    if equals(answer, truth):
        return
    if not 0 <= answer <= 1:
        raise NotYet(f"You have {answer:g}. A share is a part of 1.")
    if equals(answer, (mobile / every).mean()):
        raise NotYet(
            f"You have {answer:.4f}: the mean of the minutes' shares. There a minute with one play"
            " counts as much as one with fifty. Add up first, then divide."
        )
    if equals(answer, 1 - truth):
        raise NotYet(f"You have {answer:.4f}: that is the share of PCs.")
    if equals(answer, mobile.sum() / minutes.sum(axis=1).sum()):
        raise NotYet(
            f"You have {answer:.4f}: you divide by the sum of all fields. Each play is in one"
            " field of every dimension; the field all:all holds it once."
        )
    raise NotYet(f"You have {answer:.4f}; the counters give another share.")


def _counters(settings: Settings) -> pd.DataFrame:
    """A row per minute, a column per field of its hash."""
    client = redis_client(settings)
    keys = list(client.scan_iter(match=settings.key(live_key("*Z")), count=5000))
    with client.pipeline(transaction=False) as pipeline:
        for key in keys:
            pipeline.hgetall(key)
        hashes = pipeline.execute()
    if not hashes:
        raise NotYet("There are no live counters. Run the first cell again: begin(…).")
    return pd.DataFrame(hashes).fillna(0).astype(int)


def artist_counter(settings: Settings, answer: Any) -> None:
    """4.3: a hash of plays per artist that is right however often it is written."""
    attempted(answer)
    client, redis = elasticsearch(settings), redis_client(settings)
    name = f"practice-{uuid4().hex[:8]}"
    index, key = settings.index(name), settings.key(name)
    few = {f"Artist {number:02}": 1 + number % 5 for number in range(40)}

    def add(plays: dict[str, int]) -> None:
        rows = ({"artist": artist} for artist, n in plays.items() for _ in range(n))
        bulk(client, ({"_index": index, "_source": row} for row in rows), refresh=True)

    def write(about: str) -> dict[str, int]:
        call(answer, client, index, redis, key, about=about)
        kind = str(redis.type(key))
        if kind != "hash":
            said = "There is no such key" if kind == "none" else f"Your key is a {kind}"
            raise NotYet(f"{said} after your function ran. Write a hash, by hset.")
        held: Any = redis.hgetall(key)
        broken = [value for value in held.values() if not value.isdigit()]
        if broken:
            raise NotYet(f"Your hash has the value {broken[0]!r}. Write a whole number of plays.")
        return {artist: int(n) for artist, n in held.items()}

    kinds = {"artist": {"type": "keyword"}}
    client.indices.create(index=index, mappings={"dynamic": "strict", "properties": kinds})
    try:
        add(few)
        first = write("for the first time")
        _right_artists(first, few)
        again = write("a second time")
        if again != few:
            artist = next(a for a in few if again.get(a) != few[a])
            raise NotYet(
                f"You have {again.get(artist)} for {artist!r} after the second run, and had"
                f" {first[artist]} after the first. Write the value itself, do not add to it."
            )
        add({"Artist 00": 1, "Somebody new": 2})
        few = {**few, "Artist 00": few["Artist 00"] + 1, "Somebody new": 2}
        _right_artists(write("after three more plays"), few)
    finally:
        client.indices.delete(index=index)
        redis.delete(key)
        redis.close()


def _right_artists(held: dict[str, int], truth: dict[str, int]) -> None:
    strange = [artist for artist in held if artist not in truth]
    if strange:
        raise NotYet(f"You have a field {strange[0]!r}, which is not an artist of the index.")
    if len(held) < len(truth):
        raise NotYet(
            f"You have {len(held)} artists, and there are more. A terms aggregation gives ten"
            " buckets unless its size says otherwise."
        )
    wrong = [artist for artist, n in held.items() if n != truth[artist]]
    if wrong:
        raise NotYet(f"You have {held[wrong[0]]} for {wrong[0]!r}; the index has another number.")


def offers_way(settings: Settings, answer: Any) -> None:
    """4.4: one offer from the play that triggered it to the message."""
    attempted(answer)
    of_type(answer, dict, f"a dictionary with {', '.join(OFFER)}")
    if set(answer) != set(OFFER):
        raise NotYet(f"Your fields are {', '.join(map(str, answer))}. Give {', '.join(OFFER)}.")
    for name in OFFER:
        numbers([answer[name]], name)
    wanted = ("target_id", "customer_id", "event_id", "score", "decided_at")
    targets = live.documents(settings, TARGETS_INDEX, *wanted)
    sms = live.documents(settings, SMS_INDEX, "target_id", "status", "updated_at")
    both = targets.merge(sms[sms["status"] == "sent"], on="target_id")
    mine = both[both["customer_id"] == answer["customer_id"]]
    if mine.empty:
        raise NotYet(f"Your listener {shown(answer['customer_id'])} was sent no offer.")
    row = mine[mine["event_id"] == answer["event_id"]]
    if row.empty:
        raise NotYet(
            f"Your event {shown(answer['event_id'])} is not the one that triggered the offer to"
            f" listener {answer['customer_id']}."
        )
    (offer,) = row.to_dict("records")
    if not equals(answer["score"], offer["score"]):
        raise NotYet(f"Your score is {answer['score']}; the target has another one.")
    seconds = (pd.Timestamp(offer["updated_at"]) - pd.Timestamp(offer["decided_at"])) / (
        pd.Timedelta(seconds=1)
    )
    yours = answer["seconds"]
    if abs(yours - seconds) < 0.0015 or equals(yours, seconds):
        return
    if abs(yours / 1000 - seconds) < 0.0015:
        raise NotYet(f"Your seconds are {yours:g}: those are milliseconds.")
    if yours < 0:
        raise NotYet(f"Your seconds are {yours:g}. A message is sent after the decision.")
    others = (
        pd.to_datetime(both["updated_at"], utc=True) - pd.to_datetime(both["decided_at"], utc=True)
    ).dt.total_seconds()
    if (others - yours).abs().min() < 0.0015:
        raise NotYet(f"Your seconds are {yours:g}: those of another offer. Join by target_id.")
    raise NotYet(f"Your seconds are {yours:g}. Count from decided_at to the message's updated_at.")


def lag(settings: Settings, answer: Any) -> None:
    """4.5: how far a consumer group is behind, per partition."""
    attempted(answer)
    group = f"{settings.namespace}practice-{uuid4().hex[:8]}"
    truth = _group(settings, group)
    made = call(answer, settings, group, about="with a group that has read a part of the topic")
    if not isinstance(made, dict):
        raise NotYet(f"You return {shown(made)}. Return a dictionary: partition → records behind.")
    if set(made) - set(truth):
        raise NotYet(f"Your partitions are {shown(list(made))}. Name them by their numbers.")
    numbers(made.values(), "a number of records")
    committed = [p for p, (read, _) in truth.items() if read]
    if set(truth) - set(made):
        never = set(made) == set(committed)
        raise NotYet(
            f"You have {len(made)} partitions, and the topic has more."
            + (" A group that never committed in one still has all of it to read." if never else "")
        )
    if all(made[p] == read for p, (read, _) in truth.items()):
        raise NotYet(f"You have {shown(made)}: that is what it has read, not what is left.")
    wrong = [p for p, (read, end) in truth.items() if made[p] != end - read]
    if wrong:
        unread = not truth[wrong[0]][0]
        raise NotYet(
            f"You have {shown(made[wrong[0]])} for partition {wrong[0]}; Kafka has another number."
            + (
                " The group never committed there: it still has all of it to read."
                if unread
                else ""
            )
        )


def _group(settings: Settings, group: str) -> dict[int, tuple[int, int]]:
    """Make ``group`` commit in every second partition; partition → (committed, end)."""
    from kafka import TopicPartition
    from kafka.structs import OffsetAndMetadata

    reader = consumer(settings, group_id=group)
    try:
        topic = settings.topic(PLAYS_TOPIC)
        numbers = sorted(reader.partitions_for_topic(topic) or ())
        every = [TopicPartition(topic, number) for number in numbers]
        ends = reader.end_offsets(every)
        reads = {p: ends[p] // (3 + p.partition) if p.partition % 2 == 0 else 0 for p in every}
        reader.assign(every)
        reader.commit({p: OffsetAndMetadata(n, "", -1) for p, n in reads.items() if n})
        return {p.partition: (reads[p], ends[p]) for p in every}
    finally:
        reader.close()


EXERCISES: Final = (
    Exercise(
        "4.1",
        "The chart of the states",
        busiest_states,
        (
            "The query is a term on dimension.",
            "A terms aggregation on value, and in it a sum aggregation on plays.",
            "The order of the buckets may be {'plays': 'desc'}, where plays is the name of your"
            " sum.",
        ),
    ),
    Exercise(
        "4.2",
        "The share that the page shows",
        share_on_mobile,
        (
            "client.scan_iter(match=settings.key('live:*Z')) gives the minutes' keys.",
            "client.hgetall(key) is one minute; its values are text.",
            "Two sums over all minutes, then one division.",
        ),
    ),
    Exercise(
        "4.3",
        "A counter that can be written twice",
        artist_counter,
        (
            "A terms aggregation on artist, with a size that is larger than their number.",
            "redis.hset(key, mapping={…}) writes a whole hash.",
            "Call your function twice. Are the numbers the same?",
        ),
    ),
    Exercise(
        "4.4",
        "An offer's way to the phone",
        offers_way,
        (
            "Any document of index targets will do; its target_id is the message's, too.",
            "In index sms, search for the term target_id.",
            "pd.Timestamp(text) makes a moment of text; two of them have a difference in seconds:"
            " .total_seconds().",
        ),
    ),
    Exercise(
        "4.5",
        "How far behind is it?",
        lag,
        (
            "KafkaConsumer(group_id=group, bootstrap_servers=…, **settings.kafka_login()) can ask"
            " for a group's offsets.",
            "end_offsets(partitions) is where each partition ends, committed(partition) how far"
            " the group is.",
            "committed gives None where the group never committed.",
        ),
    ),
    Exercise(
        "4.6",
        "Read the events of the page",
        page_events.page_events,
        (
            "urllib3.request('GET', url, preload_content=False) does not wait for the end; it can"
            " be read line by line.",
            "A line is `name: value`; an empty line ends the event; data lines are joined.",
            "json.loads(data). Close the answer when you have enough.",
        ),
    ),
)
