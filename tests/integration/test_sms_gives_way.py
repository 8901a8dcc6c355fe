"""An SMS server that belongs to the stack leaves the outbox to a notebook that is one itself."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sms_orders import empty, order, quick

from workshop_lib.lessons.offers_and_sms import outbox_to_oneself
from workshop_lib.marketing import sms_server
from workshop_lib.marketing.sms_gateway import Phone, serving
from workshop_lib.marketing.sms_server import serve
from workshop_lib.runtime.connections import redis_client
from workshop_lib.runtime.lock import together
from workshop_lib.runtime.wait import wait_until
from workshop_lib.schema.names import SMS_GROUP, SMS_OUTBOX
from workshop_lib.settings import Settings

pytestmark = pytest.mark.stack


def test_it_sends_nothing_while_a_notebook_has_the_outbox_and_all_of_it_afterwards(
    stack: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def counted(settings: Settings, name: str):  # type: ignore[no-untyped-def]
        asked.append(name)
        return together(settings, name)

    monkeypatch.setattr(sms_server, "together", counted)
    phone, notebook_s, stop = Phone(), Phone(), threading.Event()
    with serving(phone) as url, serving(notebook_s) as own_url, ThreadPoolExecutor(1) as pool:
        standing = pool.submit(serve, quick(stack, url), stop=stop, give_way=True)
        try:
            wait_until(lambda: asked, 60, "the server")
            with outbox_to_oneself(stack):
                order(stack, 1, 2, 3)
                before = len(asked)
                wait_until(lambda: len(asked) > before + 3, 60, "the server to ask again")
                assert not phone.messages and not standing.done()
                # As the notebook does: its own group, its own server, its own phone.
                client, outbox = redis_client(stack), stack.key(SMS_OUTBOX)
                client.xgroup_destroy(outbox, SMS_GROUP)
                client.xgroup_create(outbox, SMS_GROUP, id="0")
                assert serve(quick(stack, own_url), once=True)["sent"] == 3
                assert len(notebook_s.messages) == 3 and not phone.messages
                order(stack, 4)
            wait_until(lambda: phone.messages, 60, "the message that came last")
        finally:
            stop.set()
        assert standing.result() == {"sent": 1, "suppressed": 0, "dead": 0}
    assert len(phone.messages) == 1 and empty(stack)


def test_one_that_does_not_give_way_sends_all_the_same(stack: Settings) -> None:
    phone = Phone()
    with serving(phone) as url, outbox_to_oneself(stack):
        order(stack, 1)
        assert serve(quick(stack, url), once=True)["sent"] == 1
