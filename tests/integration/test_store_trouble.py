"""A store that is read-only, full, overloaded or loses an index: nothing becomes a dead letter
that waiting would have stored, and no index comes back with guessed types."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from elasticsearch_faults import Fault, behind
from ship_world import play as shipped_play
from ship_world import write
from sms_orders import dead_letters, order, quick
from stream_world import MINUTE, documents, play, send, write_world

from workshop_lib.errors import WorkshopError
from workshop_lib.ingest.dead_letters import read_file, read_topic
from workshop_lib.ingest.ship import ship
from workshop_lib.marketing.sms_gateway import Phone, serving
from workshop_lib.marketing.sms_server import serve
from workshop_lib.runtime import connections
from workshop_lib.schema.names import PLAYS_INDEX, PLAYS_RAW_INDEX, SMS_INDEX
from workshop_lib.schema.play import to_line
from workshop_lib.schema.tables import mapping
from workshop_lib.settings import Settings
from workshop_lib.stream import run as runner
from workshop_lib.stream.progress import progress
from workshop_lib.stream.run import run

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures("nothing_left")]

#: Seconds that a trouble lasts; long enough for several tries.
LASTS = 3.0

Work = Callable[[Settings], None]


def shipping(settings: Settings) -> None:
    write(settings, [to_line(shipped_play(i)) for i in range(50)])
    ship(settings, "elasticsearch", once=True)
    assert len(documents(settings, PLAYS_RAW_INDEX)) == 50
    assert list(read_file(settings)) == []


def streaming(settings: Settings) -> None:
    write_world(settings)
    connections.create_topics(settings)
    send(settings, [play(n, n * MINUTE) for n in range(50)])
    run(settings, ["plays"], available_now=True)
    assert len(documents(settings, PLAYS_INDEX)) == 50
    assert list(read_topic(settings)) == []
    assert (progress(settings, "plays") or {})["dead_lettered"] == 0


def sending(settings: Settings) -> None:
    ids = order(settings, *range(5))
    phone = Phone()
    with serving(phone) as url:
        serve(quick(settings, url), once=True)
    assert {d["status"] for d in documents(settings, SMS_INDEX).values()} == {"sent"}
    assert sorted(phone.messages) == sorted(ids)
    assert (phone.duplicates, dead_letters(settings)) == (0, [])


WORKS = pytest.mark.parametrize(
    ("work", "index"),
    [(shipping, PLAYS_RAW_INDEX), (streaming, PLAYS_INDEX), (sending, SMS_INDEX)],
)


@contextmanager
def block(settings: Settings, admin: Settings, index: str, setting: str) -> Iterator[None]:
    """An index that takes no documents for a while."""
    client = connections.elasticsearch(settings)
    connections.create_index(settings, client, index)
    name, client = settings.index(index), connections.elasticsearch(admin)
    client.indices.put_settings(index=name, settings={setting: True})
    end = threading.Timer(
        LASTS, lambda: client.indices.put_settings(index=name, settings={setting: None})
    )
    end.start()
    yield
    end.join()


@WORKS
@pytest.mark.parametrize(
    "setting", ["index.blocks.write", "index.blocks.read_only_allow_delete"], ids=["write", "full"]
)
@pytest.mark.usefixtures("spark")
def test_a_read_only_or_full_index_is_waited_for(
    stack: Settings, admin: Settings, work: Work, index: str, setting: str
) -> None:
    with block(stack, admin, index, setting):
        work(stack)


@WORKS
@pytest.mark.parametrize("status", [429, 500, 503])
@pytest.mark.usefixtures("spark")
def test_errors_of_seconds_are_borne_at_the_start_and_while_it_runs(
    stack: Settings, work: Work, index: str, status: int
) -> None:
    fault = Fault(status)
    with behind(fault, stack) as settings:
        fault.for_seconds(LASTS)
        work(settings)
    assert fault.answered > 1, "the trouble was over before anything began"


def test_a_record_that_the_index_refuses_is_still_a_dead_letter(
    stack: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control: waiting for everything would wait for ever."""
    client = connections.elasticsearch(stack)
    connections.create_index(stack, client, PLAYS_RAW_INDEX)
    pairs: list[tuple[str, Any]] = [("1", {"event_id": "x"}), ("2", {"event_id": 2})]
    pairs += [("3", {"nope": 3}), ("4" * 513, {"event_id": 4})]
    rejected = connections.write_documents(stack, client, PLAYS_RAW_INDEX, pairs)
    assert [each.id[:1] for each in rejected] == ["1", "3", "4"]
    assert set(documents(stack, PLAYS_RAW_INDEX)) == {"2"}


@WORKS
@pytest.mark.usefixtures("spark")
def test_an_index_that_was_deleted_comes_back_with_the_mapping_of_the_schema(
    stack: Settings, monkeypatch: pytest.MonkeyPatch, work: Work, index: str
) -> None:
    client = connections.elasticsearch(stack)
    writing = connections.write_documents

    def deleted_before(settings: Settings, *arguments: Any) -> Any:
        monkeypatch.setattr(connections, "write_documents", writing)
        client.indices.delete(index=stack.index(index), ignore_unavailable=True)
        return writing(settings, *arguments)

    if work is shipping:
        monkeypatch.setattr(
            "workshop_lib.ingest.sinks.elasticsearch.write_documents", deleted_before
        )
    elif work is streaming:
        monkeypatch.setattr(runner, "prepare", lambda settings: None)  # deleted after it
    else:
        monkeypatch.setattr(connections, "write_documents", deleted_before)
    work(stack)
    found = client.indices.get_mapping(index=stack.index(index))[stack.index(index)]["mappings"]
    assert found == mapping(index)["mappings"]


def test_no_document_makes_an_index_of_ours(stack: Settings) -> None:
    client = connections.elasticsearch(stack)
    pairs = [("1", {"event_id": 1})]
    with pytest.raises(connections.IndexMissing):
        list(connections.bulk_index(client, stack.index(PLAYS_INDEX), pairs))
    assert not client.indices.exists(index=stack.index(PLAYS_INDEX))


def test_an_index_with_another_mapping_is_refused_in_one_line(stack: Settings) -> None:
    client = connections.elasticsearch(stack)
    name = stack.index(PLAYS_RAW_INDEX)
    other = mapping(PLAYS_RAW_INDEX)
    other["mappings"]["properties"]["zip"] = {"type": "integer"}
    client.indices.create(index=name, **other)
    with pytest.raises(WorkshopError, match=f"{name} has another mapping .* field zip differs"):
        shipping(stack)
    client.indices.delete(index=name)
    client.indices.create(index=name)  # no mapping at all
    with pytest.raises(WorkshopError, match="another mapping"):
        shipping(stack)
