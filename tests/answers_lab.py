"""Answers to the find-the-bug lab: corrected code of different kinds, and half-way corrections."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from exercise_mistakes import Answer, fixed, right

from workshop_lib.schema.play import Play, parse


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))[1:]


def by_pandas(path: Path) -> pd.Series:
    return pd.read_csv(path).set_index("CustID")["Level"]


def levels_of_numpy(path: Path) -> dict[Any, Any]:
    return {np.int64(row[0]): np.int64(row[7]) for row in rows(path)}


def once(lines: list[bytes]) -> dict[int, int]:
    return {parse(line).customer_id: 1 for line in lines}


def counted(lines: list[bytes]) -> pd.Series:
    return pd.Series([parse(line).customer_id for line in lines], dtype="int64").value_counts()


def added(lines: list[bytes]) -> dict[int, int]:
    counts: dict[int, int] = {}
    for line in lines:
        who = parse(line).customer_id
        counts[who] = counts.get(who, 0) + 1
    return counts


def by_none(plays: list[Play], out: set[int]) -> list[int]:
    seen = {p.customer_id for p in plays if p.customer_id is not None}
    return sorted(who for who in seen if who not in out)


def unique(plays: list[Play], out: set[int]) -> np.ndarray:
    return np.setdiff1d([p.customer_id for p in plays], list(out))


def one_by_one(path: Path) -> tuple[list[Any], list[Any]]:
    lines = path.read_text(errors="replace").splitlines()
    accepted = [line for line in lines if len(next(csv.reader([line]), [])) == 6]
    return accepted, lines[len(accepted) :]


def good_ones(path: Path) -> tuple[list[Any], list[Any]]:
    return read(path)[0], []


def read(path: Path) -> tuple[list[Any], list[Any]]:
    accepted, refused = [], []
    for line in path.read_bytes().split(b"\n")[:-1]:
        try:
            accepted.append(parse(line))
        except ValueError:
            refused.append(line)
    return accepted, refused


def twice(path: Path) -> tuple[list[Any], list[Any]]:
    accepted, refused = read(path)
    return accepted, refused + refused


def refused_lists(path: Path) -> tuple[Any, ...]:
    return tuple(map(tuple, read(path)))


def minutes(field: str, length: int = 16, first: int = 0) -> Any:
    return lambda plays: dict(Counter(p[field][:length] for p in plays[first:]))


def by_time(plays: list[dict[str, Any]]) -> dict[str, int]:
    moments = pd.to_datetime(pd.Series([play["played_at"] for play in plays]), utc=True)
    counts = moments.dt.strftime("%Y-%m-%dT%H:%M").value_counts()
    return {minute: int(n) for minute, n in counts.items()}


def grouped(plays: list[dict[str, Any]]) -> pd.Series:
    table = pd.DataFrame(plays)
    return table.groupby(table["played_at"].str.slice(0, 16)).size()


SECRET = "try-and-guess-this-one"
CLOSED = "bind 127.0.0.1\nprotected-mode yes\nrequirepass "
ACL = f"bind 127.0.0.1\nuser default off\nuser page on >{SECRET} ~* &* +@all"

ANSWERS: dict[str, list[Answer]] = {
    "L.1": [
        right("pandas", fixed(by_pandas)),
        right("numpy", fixed(levels_of_numpy)),
        Answer(
            "from 0", fixed(lambda path: {n: int(r[7]) for n, r in enumerate(rows(path))}), "order"
        ),
        Answer("text", fixed(lambda path: {r[0]: int(r[7]) for r in rows(path)}), "whole numbers"),
        Answer(
            "not 0",
            fixed(lambda path: {int(r[0]): int(r[7]) for r in rows(path) if int(r[0])}),
            "missing",
        ),
        Answer("status", fixed(lambda path: {int(r[0]): int(r[6]) for r in rows(path)}), "else's"),
        Answer("a list", fixed(lambda path: [int(row[7]) for row in rows(path)]), "dictionary"),
    ],
    "L.2": [
        right("a series", fixed(counted)),
        right("added", fixed(added)),
        Answer("once", fixed(once), "is counted once"),
        Answer("one", fixed(lambda lines: Counter([parse(lines[0]).customer_id])), "How often"),
        Answer("a number", fixed(lambda lines: len(lines)), "Return a dictionary"),
        Answer("from nothing", fixed(lambda lines: added(lines) or {0: 0}), "Without any line"),
        Answer(
            "text", fixed(lambda lines: {str(k): n for k, n in added(lines).items()}), "numbers"
        ),
        Answer("breaks", fixed(lambda lines: parse(b"")), "MalformedPlay"),
    ],
    "L.3": [
        right("is not None", fixed(by_none)),
        right("an array", fixed(unique)),
        Answer("all", fixed(lambda p, out: sorted({each.customer_id for each in p})), "opted out"),
        Answer(
            "not 1", fixed(lambda p, out: [w for w in by_none(p, out) if w != 1]), "is not in it"
        ),
        Answer(
            "each play",
            fixed(lambda p, out: [each.customer_id for each in p if each.customer_id not in out]),
            "twice",
        ),
        Answer("down", fixed(lambda p, out: by_none(p, out)[::-1]), "in order"),
        Answer("a set", fixed(lambda p, out: set(by_none(p, out))), "Return a list"),
    ],
    "L.4": [
        right("split", fixed(read)),
        right("tuples", fixed(refused_lists)),
        Answer("by columns", fixed(one_by_one), "every line once"),
        Answer("good ones", fixed(good_ones), "Where are the others"),
        Answer("lines", fixed(lambda path: path.read_bytes().splitlines()), "Return two lists"),
        Answer("twice", fixed(twice), "more than there are"),
        Answer("breaks", fixed(lambda path: list(map(parse, path.open("rb")))), "raised Malformed"),
    ],
    "L.5": [
        right("pandas", fixed(by_time)),
        right("grouped", fixed(grouped)),
        Answer("arrived", fixed(minutes("arrived_at")), "Kafka took"),
        Answer("hours", fixed(minutes("played_at", 13)), "Keep the form"),
        Answer("not all", fixed(minutes("played_at", first=1)), "not those"),
        Answer("a list", fixed(lambda plays: list(by_time(plays))), "Return a dictionary"),
        Answer("none", fixed(lambda plays: {}), "empty dictionary"),
    ],
    "L.6": [
        right("several words", fixed(CLOSED + '"correct horse battery staple"')),
        right("ACL", fixed(ACL)),
        right("comments", fixed(f"# closed\n\nbind 127.0.0.1 -::1\nrequirepass {SECRET} # long")),
        Answer("no bind", fixed(f"protected-mode yes\nrequirepass {SECRET}"), "You have no bind"),
        Answer("beyond", fixed(f"bind 127.0.0.1 192.168.1.4\nrequirepass {SECRET}"), "192.168.1.4"),
        Answer("no password", fixed("bind 127.0.0.1"), "asks for no password"),
        Answer("short", fixed(CLOSED + "secret"), "6 characters"),
        Answer(
            "unprotected",
            fixed(f"bind 127.0.0.1\nprotected-mode no\nrequirepass {SECRET}"),
            "nothing else protects",
        ),
        Answer("value", fixed(f"{CLOSED}{SECRET}\nmaxmemory a-lot"), "did not start"),
        Answer("module", fixed(f"{CLOSED}{SECRET}\nloadmodule /tmp/x.so"), "loadmodule"),
        Answer("no quotes", fixed(CLOSED + "correct horse battery"), "has 3 words"),
        Answer("default open", fixed(ACL.replace("user default off\n", "")), "without a password"),
    ],
}
