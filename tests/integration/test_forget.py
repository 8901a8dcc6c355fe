"""A listener is erased from every store of a home, and nobody else is touched.

What the stores hold is read here by plain clients and plain rules, not by the code that erases.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from elasticsearch.helpers import scan
from kafka.admin import ConfigResource, ConfigResourceType
from made_models import YES, Fitted

from workshop_lib.errors import WorkshopError
from workshop_lib.forget import servers
from workshop_lib.forget.expire import expire
from workshop_lib.forget.mention import mentions
from workshop_lib.forget.run import STORES, forget
from workshop_lib.ingest.replay import read_state, replay
from workshop_lib.ingest.ship import ship
from workshop_lib.marketing import optouts, outbox, registry
from workshop_lib.runtime import connections
from workshop_lib.runtime.lock import only_one
from workshop_lib.schema.names import INDEX_OF_QUERY, interests_key
from workshop_lib.schema.retention import INDEX_AGE, TOPIC_DAYS
from workshop_lib.schema.world import OFFER_CAMPAIGN
from workshop_lib.settings import Settings
from workshop_lib.stack.reset import reset
from workshop_lib.stream.progress import checkpoint
from workshop_lib.verify.score import stage1, truth
from workshop_lib.world.generate import generate

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


@pytest.fixture
def home(stack: Settings) -> Iterator[Settings]:
    """A home in which every store holds listeners."""
    generate(
        stack.world, seed=3, customers=60, tracks=60, plays=1500, days=3, until=datetime.now(UTC)
    )
    replay(stack, speed=1e7)
    for to in ("kafka", "elasticsearch"):
        ship(stack, to, once=True)
    redis = connections.redis_client(stack)
    client = connections.elasticsearch(stack)
    connections.create_index(stack, client, "targets")
    for who in (busiest(stack), other(stack)):
        target = {
            **{"target_id": outbox.target_id(who, 5), "campaign": OFFER_CAMPAIGN},
            **{"customer_id": who, "event_id": 5, "model_version": "v", "decided_at": "2026"},
        }
        assert outbox.decide(redis, stack, target, 5).status == "decided"
        document = {"target_id": target["target_id"], "customer_id": who}
        client.index(index=stack.index("targets"), id=target["target_id"], document=document)
        redis.zadd(stack.key(interests_key(who)), {"1": 1})
        optouts.add(stack, who)
    snapshot = pd.DataFrame({"customer_id": [busiest(stack), other(stack)], "evening": [0.1, 0.2]})
    registry.store(stack, registry.Candidate(Fitted("w"), snapshot, 0.5, {}, ("evening",), {}), YES)
    stack.logs.mkdir(exist_ok=True)
    (stack.logs / "x.log").write_text(f"customer {busiest(stack)} is unknown\nall is well\n")
    for query in INDEX_OF_QUERY:
        checkpoint(stack, query).mkdir(parents=True)
    yield stack
    reset(stack)


def plays(settings: Settings) -> pd.Series:
    """customer_id → plays, most first; of as many plays, the smaller id first.

    So the order of the others is the same when one of them is gone.
    """
    counts = pd.read_parquet(settings.world / "ledger.parquet")["customer_id"].value_counts()
    return counts.sort_index().sort_values(ascending=False, kind="stable")


def busiest(settings: Settings) -> int:
    """Of the listeners with a dead letter the one with most plays, as the world was made."""
    known = settings.home / "who"
    if not known.exists():
        letters = (settings.home / "dead-letters" / "plays-raw.jsonl").read_text().splitlines()
        columns = [json.loads(line)["text"].split(",") for line in letters]
        of_letters = {each[1].strip(' "') for each in columns if len(each) > 1}
        ids = (int(each) for each in plays(settings).index)
        known.write_text(str(next(each for each in ids if str(each) in of_letters)))
    return int(known.read_text())


def other(settings: Settings) -> int:
    return next(int(each) for each in plays(settings).index if each != busiest(settings))


def is_of(customer: int, text: str) -> bool:
    """By a plain rule: second column of CSV, or a field of JSON."""
    try:
        value = json.loads(text)
    except ValueError:
        columns = text.split(",")
        return len(columns) > 1 and columns[1].strip(' "') == str(customer)
    if isinstance(value, dict) and "base64" in value:
        return is_of(customer, value["text"])
    return isinstance(value, dict) and str(value.get("customer_id")) == str(customer)


def everything(settings: Settings) -> dict[str, Counter[str]]:
    """Each thing of each store as a text."""
    client, redis = connections.elasticsearch(settings), connections.redis_client(settings)
    client.indices.refresh(index=f"{settings.namespace}*")
    found = {"documents": Counter[str](), "redis": Counter[str](), "files": Counter[str]()}
    for hit in scan(client, index=f"{settings.namespace}*"):
        found["documents"][json.dumps(hit["_source"], sort_keys=True)] += 1
    for key in redis.scan_iter(match=settings.key("*"), count=1000):
        if redis.type(key) == "stream":
            found["redis"].update(json.dumps(fields) for _, fields in redis.xrange(key))
        else:
            found["redis"][json.dumps({"customer_id": key.rpartition(":")[2], "key": key})] += 1
    for topic in ("plays", "plays.dlq"):
        reader = connections.consumer(settings, topic, consumer_timeout_ms=1500)
        values = [(r.value or b"").decode("utf-8", "replace") for r in reader]
        found[topic] = Counter(values)
        reader.close()
    for path in (
        *(settings.live_log, settings.world / "tracks.csv", settings.world / "clicks.csv"),
        *(settings.home / "dead-letters").glob("*"),
    ):
        lines = path.read_text(errors="replace").splitlines()
        found["files"].update(f"{line}" for line in lines)
    return found


def without(customer: int, found: dict[str, Counter[str]]) -> dict[str, Counter[str]]:
    return {
        store: Counter({text: n for text, n in texts.items() if not is_of(customer, text)})
        for store, texts in found.items()
    }


def difference(some: dict[str, Counter[str]], others: dict[str, Counter[str]]) -> dict[str, Any]:
    """Store → what is in one of the two only."""
    both = {name: (some[name] - others[name], others[name] - some[name]) for name in some}
    return {name: pair for name, pair in both.items() if any(pair)}


def test_it_is_gone_everywhere_and_nobody_else_is_touched(home: Settings) -> None:
    who, before = busiest(home), everything(home)
    assert before == everything(home), "reading changes nothing"
    dry = forget(home, who, dry_run=True)
    assert [row.store for row in dry if not row.found] == [] and len(dry) == len(STORES)
    assert everything(home) == before

    rows = forget(home, who)
    assert [(row.store, row.found) for row in rows] == [(row.store, row.found) for row in dry]
    assert all(row.left == 0 and row.erased == row.found for row in rows)
    after = everything(home)
    assert difference(after, without(who, before)) == {}
    assert all(
        sum(texts.values()) < sum(before[store].values())
        for store, texts in after.items()
        if store != "plays.dlq"
    )
    for file in home.home.rglob("*"):
        if file.is_file() and file.name != "who" and "targets-" not in file.name:
            assert f'"customer_id": {who},' not in file.read_text(errors="replace"), file
    assert optouts.listed(home) == [other(home)] or other(home) in optouts.listed(home)
    model = registry.current(home)
    assert model is not None and list(pd.read_parquet(model.snapshot)["customer_id"]) == [
        other(home)
    ]
    assert (home.logs / "x.log").read_text().split("\n")[1:] == ["all is well", ""]
    assert not any(checkpoint(home, query).exists() for query in INDEX_OF_QUERY)

    # The ledger, the replay and the shippers agree with what is left.
    state = read_state(home)
    assert state is not None and state.done
    checks = stage1(home, truth(home)).checks
    assert [c.name for c in checks if not c.ok] == []
    with home.live_log.open("a") as log:
        log.write(f'99999999,{other(home)},1,"2026-01-01 00:00:00",0,"02139"\n')
    for to in ("kafka", "elasticsearch"):
        ship(home, to, once=True)
    new = everything(home)
    assert sum((new["plays"] - after["plays"]).values()) == 1
    assert sum((new["documents"] - after["documents"]).values()) == 1
    assert [row.found for row in forget(home, who)] == [0] * len(STORES)


def test_a_run_that_was_killed_loses_no_record_of_others(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    who, before = busiest(home), everything(home)

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(servers, "producer", killed)
        forget(home, who)
    left = everything(home)
    assert not (left["plays"] and left["plays.dlq"]), "one was empty when it was killed"
    forget(home, who)
    assert difference(everything(home), without(who, before)) == {}


def test_it_refuses_while_something_runs_that_would_write_again(home: Settings) -> None:
    who, before = busiest(home), everything(home)
    for name in ("stream", "ship-kafka", "train"):
        with only_one(home, name), pytest.raises(WorkshopError, match=f"Running: workshop {name}"):
            forget(home, who)
    assert everything(home) == before


def test_what_is_too_old_goes_and_the_rest_stays(stack: Settings, nothing_left: None) -> None:
    client = connections.elasticsearch(stack)
    now = datetime.now(UTC)
    for name, (field, days) in INDEX_AGE.items():
        connections.create_index(stack, client, name)
        for age in (days - 1, days + 1):
            document = {field: (now - timedelta(days=age)).isoformat(timespec="milliseconds")}
            client.index(index=stack.index(name), id=str(age), document=document)
    assert expire(stack, dry_run=True) == dict.fromkeys(INDEX_AGE, 1)
    assert expire(stack) == dict.fromkeys(INDEX_AGE, 1)
    left = {hit["_index"]: hit["_id"] for hit in scan(client, index=f"{stack.namespace}*")}
    assert left == {stack.index(name): str(age.days - 1) for name, age in INDEX_AGE.items()}


def test_topics_keep_records_as_long_as_the_table_says(stack: Settings, nothing_left: None) -> None:
    connections.create_topics(stack)
    admin = connections.kafka_admin(stack)
    for name, days in TOPIC_DAYS.items():
        resource = ConfigResource(ConfigResourceType.TOPIC, stack.topic(name))
        assert f"{days * 86_400_000}" in str(admin.describe_configs([resource]))
    admin.close()


@pytest.mark.parametrize(
    ("text", "is_about"),
    [
        (b'5,17,3,"2026-11-17 10:17:00",1,"00017"', True),
        (b'17,5,17,"2026-11-17 10:17:00",1,"00017"', False),
        (b'{"event_id":17,"customer_id":17,"track_id":1}', True),
        (b'{"event_id":17,"customer_id":170,"track_id":17}', False),
        (b'{"event_id":17,"customer_id":117}', False),
        (f"{OFFER_CAMPAIGN}-17-99 was sent".encode(), True),
        (f"{OFFER_CAMPAIGN}-99-17 was sent".encode(), False),
        (b"2026-17-17 customer 17: unknown", True),
        (b"2026-17-17 17 customers", False),
    ],
)
def test_a_text_is_about_a_listener_or_only_has_the_number(text: bytes, is_about: bool) -> None:
    assert mentions(17)(text) is is_about
