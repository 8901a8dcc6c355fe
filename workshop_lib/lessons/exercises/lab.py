"""The find-the-bug lab: code that nearly works. Each fault has cost a company a day.

In: Settings and the code that a learner has corrected. Out: nothing when it is right, ``NotYet``,
or ``NotAttempted`` as long as it is the code that was found.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType
from typing import Any, Final

import pandas as pd

from workshop_lib.lessons.exercises import live, open_redis
from workshop_lib.lessons.exercises.generate import SOLUTIONS, as_found
from workshop_lib.lessons.exercises.outcome import (
    Exercise,
    NotAttempted,
    NotYet,
    attempted,
    call,
    shown,
)
from workshop_lib.schema.names import PLAYS_INDEX
from workshop_lib.schema.play import Play, parse, to_line
from workshop_lib.settings import Settings

NOTEBOOK: Final = SOLUTIONS / "lab.ipynb"
AS_FOUND: Final = "This is still the code as you found it. Run it, look, and change it."


def touched(answer: Any, number: str, name: str) -> None:
    """``NotAttempted`` when ``answer`` is what the notebook came with as ``name``."""
    attempted(answer)
    scope: dict[str, Any] = {}
    exec(as_found(NOTEBOOK, number), scope)
    if _essence(answer) == _essence(scope[name]):
        raise NotAttempted(AS_FOUND)


def _essence(value: Any) -> Any:
    """What a function does, whatever its lines are; another value as it is."""
    code = getattr(value, "__code__", None)
    return value if code is None else _of_code(code)


def _of_code(code: CodeType) -> tuple[Any, ...]:
    inner = tuple(_of_code(c) if isinstance(c, CodeType) else c for c in code.co_consts)
    return code.co_code, code.co_names, code.co_varnames, inner


# L.1 ------------------------------------------------------------------------------

_HEADER: Final = (
    "CustID,Name,Gender,Address,zip,SignDate,Status,Level,Campaign,LinkedWithApps,BirthYear"
)


@contextmanager
def _file(name: str, lines: list[bytes]) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(b"\n".join(lines) + b"\n")
        yield path


def by_id(settings: Settings, answer: Any) -> None:
    """L.1: a customer's level is found by id, not by the number of a line."""
    from workshop_lib.world.read import load_customers

    touched(answer, "L.1", "levels")
    customers = load_customers(settings.world)
    truth = dict(zip(customers["customer_id"], customers["level"], strict=True))
    found = _mapping(call(answer, settings.world / "cust.csv", about="with the file of the world"))
    _same_levels(found, truth, "With the file of the world")
    gap = {4: 2, 0: 1, 7: 0}
    lines = [
        f'{who},A,0,"1 Road",02139,01/01/2020,1,{level},0,0,1990' for who, level in gap.items()
    ]
    with _file("cust.csv", [_HEADER.encode(), *map(str.encode, lines)]) as path:
        found = _mapping(call(answer, path, about="with three customers out of order"))
    _same_levels(found, gap, "With three customers, out of order and with gaps between their ids,")


def _mapping(found: Any) -> dict[Any, Any]:
    if not isinstance(found, dict):
        raise NotYet(f"You return {shown(found)}. Return a dictionary: customer id → level.")
    return found


def _same_levels(found: dict[Any, Any], truth: dict[int, int], where: str) -> None:
    if not all(type(who) is int and type(level) is int for who, level in found.items()):
        raise NotYet(f"{where} you return {shown(found, 60)}. Ids and levels are whole numbers.")
    strange = sorted(found.keys() - truth.keys())
    if strange:
        raise NotYet(
            f"{where} you have a customer {strange[0]}, and there is no customer with that id."
        )
    if found.keys() != truth.keys():
        raise NotYet(f"{where} you have {len(found):,} customers. Some are missing.")
    wrong = next((who for who in sorted(truth) if found[who] != truth[who]), None)
    if wrong is not None:
        raise NotYet(
            f"{where} your customer {wrong} has level {found[wrong]}. That is somebody else's."
        )


# L.2 ------------------------------------------------------------------------------


def every_line(settings: Settings, answer: Any) -> None:
    """L.2: the counting line belongs into the loop."""
    touched(answer, "L.2", "plays_per_listener")
    plays = live.log_plays(settings)
    truth = Counter(play.customer_id for play in plays)
    found = call(answer, [to_line(play) for play in plays], about="with the plays of the log")
    if not isinstance(found, dict):
        raise NotYet(f"You return {shown(found)}. Return a dictionary: customer id → plays.")
    if any(not isinstance(key, int) for key in found):
        raise NotYet(
            f"Your dictionary begins {shown(dict(list(found.items())[:3]))}. Ids are numbers."
        )
    if len(found) < len(truth):
        raise NotYet(
            f"Plays that you count: {sum(found.values()):,}; listeners: {len(found):,}. How often"
            " does the line run that counts?"
        )
    if dict(found) != dict(truth):
        raise NotYet(
            f"You count {sum(found.values()):,} plays of {len(found):,} listeners. Somebody"
            " played more than once and is counted once."
        )
    if call(answer, [], about="without any line") != {}:
        raise NotYet("Without any line you count something. Return an empty dictionary.")


# L.3 ------------------------------------------------------------------------------


def everybody(settings: Settings, answer: Any) -> None:
    """L.3: customer 0 is a customer."""
    touched(answer, "L.3", "recipients")
    few = [Play(n, who, 1, 0, False, "02139") for n, who in enumerate((5, 0, 3, 5, 1, 0))]
    _recipients(call(answer, few, {3}, about="with six plays and one who opted out"), few, {3})
    plays = live.log_plays(settings)
    optouts = {play.customer_id for play in plays[::50]} - {0}
    _recipients(call(answer, plays, optouts, about="with the log's plays"), plays, optouts)


def _recipients(found: Any, plays: list[Play], optouts: set[int]) -> None:
    if not isinstance(found, list):
        raise NotYet(f"You return {shown(found)}. Return a list of customer ids.")
    if set(found) & optouts:
        raise NotYet(f"Your list {shown(found, 80)} has somebody who opted out.")
    if len(found) != len(set(found)):
        raise NotYet(f"Your list {shown(found, 80)} names somebody twice: two messages.")
    if set(found) != {play.customer_id for play in plays} - optouts:
        raise NotYet(
            f"Your list begins {shown(found[:5])} and has {len(found):,} listeners. Somebody"
            " played, did not opt out, and is not in it."
        )
    if found != sorted(found):
        raise NotYet(f"Your list begins {shown(found[:5])}. Return the ids in order.")


# L.4 ------------------------------------------------------------------------------


def every_row(settings: Settings, answer: Any) -> None:
    """L.4: each line is accepted or refused; none becomes part of the line before it."""
    touched(answer, "L.4", "read_plays")
    good = [f'{n},{n},5,"2026-01-04 20:15:0{n}",1,"02108"'.encode() for n in range(6)]
    lines = [good[0], good[1].removesuffix(b'"'), *good[2:4], b"not a play", *good[4:]]
    with _file("plays.log", lines) as path:
        _rows(call(answer, path, about="with a file of a few lines"), lines)
    with settings.live_log.open("rb") as log:
        lines = [line.rstrip(b"\r\n") for line in log]
    _rows(call(answer, settings.live_log, about="with the live log"), lines)


def _rows(found: Any, lines: list[bytes]) -> None:
    if not (isinstance(found, tuple) and len(found) == 2):
        raise NotYet(f"You return {shown(found)}. Return two lists: accepted, refused.")
    accepted, refused = map(len, found)
    if accepted + refused < len(lines):
        raise NotYet(
            f"You accept {accepted:,} and refuse {refused:,}, and the file has more lines than that"
            " together. Where are the others?"
        )
    if accepted + refused > len(lines):
        raise NotYet(f"You accept {accepted:,} and refuse {refused:,}: more than there are lines.")
    if accepted != sum(map(_is_play, lines)):
        raise NotYet(
            f"You accept {accepted:,} and refuse {refused:,}: every line once, but some are plays"
            " and refused, or no plays and accepted."
        )


def _is_play(line: bytes) -> bool:
    try:
        parse(line)
    except ValueError:
        return False
    return True


# L.5 ------------------------------------------------------------------------------


def event_time(settings: Settings, answer: Any) -> None:
    """L.5: a play belongs to the minute in which it was played."""
    touched(answer, "L.5", "per_minute")
    fields = ("event_id", "played_at", "arrived_at", "processed_at")
    plays = live.documents(settings, PLAYS_INDEX, *fields)
    minutes = {name: _minutes(plays[name]) for name in fields[1:]}
    found = call(answer, plays.to_dict("records"), about="with the documents of index plays")
    if not isinstance(found, dict):
        raise NotYet(f"You return {shown(found)}. Return a dictionary: minute → plays.")
    keys = list(found)
    if not keys:
        raise NotYet("You return an empty dictionary. There are plays.")
    if not all(isinstance(key, str) and len(key) == 16 for key in keys):
        raise NotYet(f"Your first minute is {shown(keys[0])}. Keep the form 2026-01-04T20:15.")
    clocks = {"arrived_at": "Kafka took them in", "processed_at": "Spark had them in hand"}
    for field, what in clocks.items():
        if found == minutes[field]:
            raise NotYet(
                f"Minutes that you have: {len(found):,}. They are those in which {what}. That is"
                " when the machine worked, not when people listened."
            )
    if found != minutes["played_at"]:
        raise NotYet(f"Your {len(found):,} minutes are not those in which the plays were played.")


def _minutes(moments: pd.Series) -> dict[str, int]:
    return {str(minute): int(n) for minute, n in moments.str[:16].value_counts().items()}


# L.6 ------------------------------------------------------------------------------


def closed_redis(settings: Settings, answer: Any) -> None:
    """L.6: a Redis that only this machine reaches, and only with its password."""
    touched(answer, "L.6", "answer")
    if not isinstance(answer, str):
        raise NotYet(f"You have {shown(answer)}. Give the text of a configuration file.")
    problem = open_redis.problem(answer)
    if problem:
        raise NotYet(problem)


_EXERCISES: Final[tuple[tuple[str, str, Callable[..., None], tuple[str, ...]], ...]] = (
    (
        "L.1",
        "The neighbour's level",
        by_id,
        (
            "Print the result for customers 0, 1 and 2, and the first lines of the file beside it.",
            "Which number does enumerate give to the first customer, and which id has that one?",
            "The id is in the row: csv.DictReader gives row['CustID'].",
        ),
    ),
    (
        "L.2",
        "One listener, one play",
        every_line,
        (
            "Call it with three lines. How many times should something be counted?",
            "In Python the indentation alone says what is in a loop.",
        ),
    ),
    (
        "L.3",
        "Nobody writes to the first customer",
        everybody,
        (
            "Call it with a play of customer 0 and one of customer 1.",
            "In Python 0, '' and an empty list are all false.",
        ),
    ),
    (
        "L.4",
        "Rows that vanished",
        every_row,
        (
            "Write three lines into a file, the first one with a quote that never ends.",
            "To a CSV reader a line end within quotes is part of the field.",
            "In this log a line is a record. workshop_lib.schema.play.parse takes one line and"
            " raises MalformedPlay, with the reason.",
        ),
    ),
    (
        "L.5",
        "Everybody listens at the same minute",
        event_time,
        (
            "A document has three times: when it was played, arrived, and was processed.",
            "Which of them would still be the same if the stream ran again tomorrow?",
        ),
    ),
    (
        "L.6",
        "The open Redis",
        closed_redis,
        (
            "bind says on which addresses a server listens. 0.0.0.0 means all.",
            "protected-mode refuses strangers as long as there is no password.",
            "requirepass sets one. A short one is found by trying.",
        ),
    ),
)
EXERCISES: Final = tuple(Exercise(*each) for each in _EXERCISES)
