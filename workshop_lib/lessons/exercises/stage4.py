"""Stage 4, show it and run it: the page's numbers, a counter, lag, an offer's way.

In: Settings and a learner's answer. Out: nothing when it is right, or ``NotYet``.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import uuid4

import pandas as pd
from elasticsearch.helpers import scan

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
from workshop_lib.runtime.connections import consumer, elasticsearch, redis_client
from workshop_lib.schema.names import (
    PLAYS_INDEX,
    PLAYS_PER_MINUTE_INDEX,
    PLAYS_TOPIC,
    SMS_INDEX,
    TARGETS_INDEX,
    live_key,
)
from workshop_lib.settings import Settings

STATES: Final = 10
#: The hash of exercise 4.3.
ARTISTS: Final = "practice:artists"
#: What exercise 4.4 finds out about an offer.
OFFER: Final = ("customer_id", "event_id", "score", "seconds")


def busiest_states(settings: Settings, answer: Any) -> None:
    """4.1: plays of the ten busiest states, from the counts that the stream has made."""
    attempted(answer)
    of_type(answer, dict, "a dictionary: state → plays")
    rows = _minutes(settings)
    truth = rows[rows["dimension"] == "state"].groupby("value")["plays"].agg(["sum", "size"])
    strange = [state for state in answer if state not in truth.index]
    if strange:
        raise NotYet(
            f"You have a bar for {shown(strange[0])}, which is no state. The index counts each"
            " play once per dimension; choose one dimension first."
        )
    if len(answer) != STATES:
        raise NotYet(f"You have {len(answer)} bars. The chart is to have {STATES}.")
    counted = [state for state in answer if answer[state] == truth["size"][state]]
    if len(counted) > STATES // 2:
        raise NotYet(
            f"You have {answer[counted[0]]:g} for {counted[0]}: that counts documents. Each of them"
            " is a minute, and holds how many plays there were in it."
        )
    wrong = [state for state in answer if answer[state] != truth["sum"][state]]
    if wrong:
        raise NotYet(f"You have {shown(answer[wrong[0]])} for {wrong[0]}; the index differs.")
    if min(answer.values()) < truth["sum"].nlargest(STATES).min():
        raise NotYet(
            f"Your smallest bar is {shown(min(answer, key=lambda state: answer[state]))}. There are"
            " busier states: is the order by documents, or by plays?"
        )


def _minutes(settings: Settings) -> pd.DataFrame:
    """Index ``plays-per-minute``: minute, value, dimension, plays."""
    found = scan(elasticsearch(settings), index=settings.index(PLAYS_PER_MINUTE_INDEX), size=5000)
    return pd.DataFrame(
        [hit["_source"] for hit in found], columns=["minute", "dimension", "value", "plays"]
    )


def share_on_mobile(settings: Settings, answer: Any) -> None:
    """4.2: the share of plays on a mobile over all live counters in Redis."""
    attempted(answer)
    of_type(answer, float, "a share, as a number from 0 to 1")
    minutes = _counters(settings)
    mobile, every = minutes["device:mobile"], minutes["all:all"]
    truth = mobile.sum() / every.sum()
    if abs(answer - truth) < 1e-9:
        return
    if not 0 <= answer <= 1:
        raise NotYet(f"You have {answer:g}. A share is a part of 1.")
    if abs(answer - (mobile / every).mean()) < 1e-9:
        raise NotYet(
            f"You have {answer:.4f}: the mean of the minutes' shares. A minute with one play"
            " weighs there as much as one with fifty. Add up first, then divide."
        )
    if abs(answer - (1 - truth)) < 1e-9:
        raise NotYet(f"You have {answer:.4f}: that is the share of the PCs.")
    parts = mobile.sum() / minutes.sum(axis=1).sum()
    if abs(answer - parts) < 1e-9:
        raise NotYet(
            f"You have {answer:.4f}: you divide by the sum of all fields. Each play is in one"
            " field of every dimension; the field all:all holds it once."
        )
    raise NotYet(f"You have {answer:.4f}; the counters say otherwise.")


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


def artist_counter(settings: Settings) -> None:
    """4.3: a hash of plays per artist that bears being written again."""
    client = redis_client(settings)
    key = settings.key(ARTISTS)
    if not client.exists(key):
        raise NotAttempted(f"There is no key {key} yet.")
    kind = str(client.type(key))
    if kind != "hash":
        raise NotYet(f"Your key {key} is a {kind}. Make it a hash, by hset.")
    held: Any = client.hgetall(key)
    truth = live.documents(settings, PLAYS_INDEX, "event_id", "artist")["artist"].value_counts()
    strange = [artist for artist in held if artist not in truth.index]
    if strange:
        raise NotYet(f"You have a field {strange[0]!r}, which is no artist of index plays.")
    if len(held) < len(truth):
        raise NotYet(
            f"You have {len(held)} artists, and there are more. A terms aggregation gives ten"
            " buckets unless it is told otherwise."
        )
    numbers = {artist: int(n) for artist, n in held.items()}
    wrong = [artist for artist, n in numbers.items() if n != truth[artist]]
    if wrong and all(numbers[artist] % truth[artist] == 0 for artist in wrong):
        raise NotYet(
            f"You have {numbers[wrong[0]]} for {wrong[0]!r}, a multiple of what it should be: it"
            " was added again when the cell ran again. Write the value itself, not the growth."
        )
    if wrong:
        raise NotYet(f"You have {numbers[wrong[0]]} for {wrong[0]!r}; index plays differs.")


def offers_way(settings: Settings, answer: Any) -> None:
    """4.4: one offer from the play that triggered it to the message."""
    attempted(answer)
    of_type(answer, dict, f"a dictionary with {', '.join(OFFER)}")
    if set(answer) != set(OFFER):
        raise NotYet(f"Your fields are {', '.join(map(str, answer))}. Give {', '.join(OFFER)}.")
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
    if abs(float(answer["score"]) - offer["score"]) > 1e-9:
        raise NotYet(f"Your score is {answer['score']}; that of the target is another.")
    seconds = (pd.Timestamp(offer["updated_at"]) - pd.Timestamp(offer["decided_at"])) / (
        pd.Timedelta(seconds=1)
    )
    yours = answer["seconds"]
    if not isinstance(yours, int | float) or isinstance(yours, bool):
        raise NotYet(f"Your seconds are {shown(yours)}. Give a number.")
    if abs(yours - seconds) < 0.0015:
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
    raise NotYet(f"Your seconds are {yours:g}. From decided_at to the message's updated_at.")


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
    committed = [p for p, (read, _) in truth.items() if read]
    if set(truth) - set(made):
        never = set(made) == set(committed)
        raise NotYet(
            f"You have {len(made)} partitions, and the topic has more."
            + (" A group that never committed in one has all of it before it." if never else "")
        )
    if all(made[p] == read for p, (read, _) in truth.items()):
        raise NotYet(f"You have {shown(made)}: that is how far it has come, not what is left.")
    wrong = [p for p, (read, end) in truth.items() if made[p] != end - read]
    if wrong:
        unread = not truth[wrong[0]][0]
        raise NotYet(
            f"You have {shown(made[wrong[0]])} for partition {wrong[0]}; Kafka says otherwise."
            + (" The group never committed there: all of it is before it." if unread else "")
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
        "A counter that bears repetition",
        artist_counter,
        (
            "plays_by(settings, 'artist', size=…) of workshop_lib.charts.answers counts them.",
            "client.hset(key, mapping={…}) writes a whole hash.",
            "Run your cell twice. Are the numbers the same?",
        ),
        live=True,
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
            "consumer(settings, group_id=group) can ask for a group's offsets.",
            "end_offsets(partitions) is where each partition ends, committed(partition) how far"
            " the group is.",
            "committed gives None where the group never committed.",
        ),
    ),
)
