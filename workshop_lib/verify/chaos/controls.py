"""Negative controls of a chaos run: faults of the pipeline that the checker must see.

In: Settings of servers whose accounts are right, and what was written. Out: control → whether
the checker saw it. Each is undone before the next.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from workshop_lib.runtime.child import WORKSHOP
from workshop_lib.runtime.connections import elasticsearch, redis_client
from workshop_lib.schema.names import PLAYS_INDEX, PLAYS_RAW_INDEX, SMS_OUTBOX
from workshop_lib.settings import Settings
from workshop_lib.verify.chaos.check import Account, Written, WrittenPlay, accounts

INVENTED = 2**53


def controls(
    settings: Settings, written: Written, phone: Counter[str], environment: Mapping[str, str]
) -> dict[str, bool]:
    """Do each wrong thing, look whether the account of its hop shows it, and undo it."""
    client = elasticsearch(settings)

    def look(name: str) -> Account:
        found = accounts(settings, written, phone.elements())
        return next(each for each in found if each.name == name)

    def document(index: str, id_: str) -> dict[str, Any]:
        return dict(client.get(index=settings.index(index), id=id_)["_source"])

    def put(index: str, id_: str, body: dict[str, Any]) -> Callable[[], Any]:
        client.index(index=settings.index(index), id=id_, document=body)
        return lambda: client.delete(index=settings.index(index), id=id_)

    some = str(min(written.plays))
    caught = {}
    for index, hop in ((PLAYS_RAW_INDEX, "log → plays-raw"), (PLAYS_INDEX, "Kafka → plays")):
        body = document(index, some)
        undo = put(index, str(INVENTED), body | {"event_id": INVENTED})
        caught[f"{hop}: an id that nobody wrote is invented"] = look(hop).invented == 1
        undo()
        undo = put(index, "automatic-id", body)
        caught[f"{hop}: a second document of a play is a duplicate"] = look(hop).duplicated == 1
        undo()
        client.delete(index=settings.index(index), id=some)
        caught[f"{hop}: a document that was removed is lost"] = look(hop).lost == 1
        put(index, some, body)
    entry: Any = {"target_id": "GOLD1DAY-0-0", "customer_id": "0"}
    redis = redis_client(settings)
    id_ = redis.xadd(settings.key(SMS_OUTBOX), entry)
    caught["outbox → targets: an entry without a target is lost"] = (
        look("outbox → targets").lost == 1
    )
    redis.xdel(settings.key(SMS_OUTBOX), id_)
    caught["log → plays-raw: a position saved before the write loses plays"] = (
        _position_before_write(settings, written, environment) > 0
    )
    return caught


def _position_before_write(
    settings: Settings, written: Written, environment: Mapping[str, str]
) -> int:
    """Plays that the checker misses after a position was saved without their being stored.

    The shipper's own state is moved to the end of the log, as a shipper leaves it that saves
    before it writes and is killed in between. The next one goes on from there.
    """
    more = replace(written, plays=dict(written.plays))
    with settings.live_log.open("ab") as log:
        for event in range(INVENTED + 1, INVENTED + 8):
            more.plays[event] = WrittenPlay(0, 0, 0)
            log.write(f'{event},0,0,"2026-01-31 12:00:00",0,"02139"\n'.encode())
    path = settings.home / "ship-elasticsearch.json"
    state = json.loads(path.read_text())
    inode, _, *rest = state["position"]
    state["position"] = [inode, settings.live_log.stat().st_size, *rest]
    path.write_text(json.dumps(state))
    subprocess.run(
        [sys.executable, "-m", WORKSHOP, "ship", "--to", "elasticsearch", "--once"],
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        check=True,
    )
    found = accounts(settings, more, ())
    return next(each.lost for each in found if each.name == "log → plays-raw")
