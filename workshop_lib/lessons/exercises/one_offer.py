"""Exercise 3.4: one offer for a listener and event, however often and by whomever it is made.

In: Settings and a learner's function. Out: nothing when it is right, or ``NotYet``. The function
is called by one process, by a second one with empty variables, and by two at once.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from types import CellType, FunctionType
from typing import Any, Final
from uuid import uuid4

from workshop_lib.lessons.exercises.outcome import NotYet, attempted, call, shown
from workshop_lib.runtime.connections import redis_client
from workshop_lib.settings import Settings

ROUNDS: Final = 20


def one_offer(settings: Settings, answer: Any) -> None:
    """3.4: an entry in the outbox for an event once, however often and by whomever."""
    attempted(answer)
    client = redis_client(settings)
    prefix = settings.key(f"practice:3.4:{uuid4().hex[:8]}:")
    try:
        _offers(answer, client, prefix)
    finally:
        for key in client.scan_iter(match=prefix + "*", count=1000):
            client.delete(key)
        client.close()


def _offers(answer: Any, client: Any, prefix: str) -> None:
    outbox = prefix + "outbox"

    def offer(customer: int, event: int, about: str, function: Any = answer) -> Any:
        made = call(function, client, prefix, customer, event, about=f"with {about}")
        if not isinstance(made, bool):
            raise NotYet(f"With {about}, you return {shown(made)}. Return True if it is new.")
        return made

    def entries() -> list[dict[str, str]]:
        kind = str(client.type(outbox))
        if kind not in ("stream", "none"):
            raise NotYet(f"Your outbox is a {kind}. Make it a stream, by xadd.")
        listed: Any = client.xrange(outbox)
        return [fields for _, fields in listed]

    if not offer(0, 100, "listener 0 and a new event"):
        raise NotYet("You return False for the first event of listener 0. 0 is a listener.")
    first = entries()
    if not first:
        raise NotYet("Your function said True, and the stream prefix + 'outbox' is empty.")
    if (first[0].get("customer_id"), first[0].get("event_id")) != ("0", "100"):
        raise NotYet(f"Your entry is {shown(first[0])}. Put customer_id and event_id into it.")
    again = offer(0, 100, "the same event again")
    if len(entries()) > 1:
        raise NotYet(
            f"You have {len(entries())} entries after the same event came twice, as it does"
            " when a batch is written again. That listener gets two messages."
        )
    if again:
        raise NotYet("You return True for an event that came before.")
    offer(0, 101, "another event of the same listener")
    offer(7, 100, "the same event number of another listener")
    if len(entries()) != 3:
        raise NotYet(
            f"You have {len(entries())} entries after two events of listener 0 and one of"
            " listener 7. An offer is the same only if its listener and its event are."
        )
    offer(1, 112, "listener 1 and event 112")
    if not offer(11, 12, "listener 11 and event 12"):
        raise NotYet(
            "Listener 1 with event 112 and listener 11 with event 12 are the same to you. Put a"
            " character between the two numbers, such as a colon."
        )
    offer(0, 100, "the same event, in a second process", another_process(answer))
    if len(entries()) != 5:
        raise NotYet(
            "A second process, with a memory of its own, made an offer again that the first had"
            " made. What was offered must be noted in Redis, not in a variable of Python."
        )
    if not call(answer, client, prefix + "other:", 0, 100, about="with another prefix"):
        raise NotYet(
            "With another prefix, an event that is new there is not new to you. Do all your keys"
            " begin with prefix?"
        )
    _at_once(offer, entries)


def another_process(function: Any) -> Any:
    """``function`` as another process has it: with the same code, and its variables empty."""
    if not isinstance(function, FunctionType):
        return function

    def fresh(value: Any) -> Any:
        return type(value)() if type(value) in (set, dict, list, Counter) else value

    copy = FunctionType(
        function.__code__,
        {
            name: fresh(value) if name in function.__code__.co_names else value
            for name, value in function.__globals__.items()
        },
        function.__name__,
        tuple(map(fresh, function.__defaults__ or ())) or None,
        tuple(CellType(fresh(cell.cell_contents)) for cell in function.__closure__ or ()),
    )
    copy.__kwdefaults__ = {k: fresh(v) for k, v in (function.__kwdefaults__ or {}).items()} or None
    copy.__dict__.update({name: fresh(value) for name, value in vars(function).items()})
    if function.__name__ in function.__code__.co_names:  # attributes of its own
        copy.__globals__[function.__name__] = copy
    return copy


def _at_once(offer: Callable[..., Any], entries: Callable[[], list[Any]]) -> None:
    """Two workers with the same events: looking first and writing then is too slow for that."""
    before, wrong = len(entries()), list[Exception]()
    together = threading.Barrier(2)

    def work() -> None:
        try:
            for event in range(ROUNDS):
                together.wait(10)
                offer(5, 1000 + event, "two workers at once")
        except Exception as error:
            wrong.append(error)
            together.abort()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    causes = [error for error in wrong if not isinstance(error, threading.BrokenBarrierError)]
    if causes:
        raise causes[0]
    made = len(entries()) - before
    if made > ROUNDS:
        raise NotYet(
            f"Two workers had the same {ROUNDS} events at once, and you made {made} entries."
            " Between looking and writing, the other one looked, too. Let one command do both."
        )
    if made < ROUNDS:
        raise NotYet(f"Two workers had {ROUNDS} events, and you made {made} entries.")
