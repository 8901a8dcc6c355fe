"""The ledger: what is true of a world, written down while it is made.

In: the lines of ``tracks.csv`` with their kinds, and what was planted. Out:
``ledger.parquet`` (a row per line, in file order) and totals for ``ledger.json``. Serves the
score of every stage.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from workshop_lib.schema.labels import AGE_LABELS, AGE_LIMITS, DEVICE, GENDER, LEVEL, UNKNOWN
from workshop_lib.schema.world import INTEREST_MINUTES, INTEREST_PLAYS
from workshop_lib.world.faults import KIND_NAMES
from workshop_lib.world.people import People
from workshop_lib.world.places import zip_places
from workshop_lib.world.plays import DAY, HOUR, MINUTE, Plays
from workshop_lib.world.randomness import Ints

LIMIT = INTEREST_MINUTES * MINUTE
BACK = INTEREST_PLAYS - 1


def interest_hits(frame: pd.DataFrame) -> pd.DataFrame:
    """The plays that complete an interest: ``schema.world.INTEREST_RULE``.

    ``frame`` has event_id, customer_id, track_id and played_at (ms), in any order; a repeated
    event id counts once (its first row). Out: those four columns, ordered by customer, track
    and time. Play i is a hit if and only if played_at[i] − played_at[i − ``BACK``] ≤ ``LIMIT``
    among the plays of its customer and track, ordered by (played_at, event_id).
    """
    columns = ["event_id", "customer_id", "track_id", "played_at"]
    plays = frame.drop_duplicates("event_id")[columns].astype("int64")
    event, customer, track, when = (plays[name].to_numpy() for name in columns)
    order = np.lexsort((event, when, track, customer))
    customer, track, when = customer[order], track[order], when[order]
    hit = np.zeros(len(order), dtype=bool)
    hit[BACK:] = (
        (customer[BACK:] == customer[:-BACK])
        & (track[BACK:] == track[:-BACK])
        & (when[BACK:] - when[:-BACK] <= LIMIT)
    )
    return plays.iloc[order[hit]].reset_index(drop=True)


def count_hits(plays: Plays) -> int:
    """As many as ``interest_hits`` finds among ``plays``, each once: one sort of one number.

    Plays of one customer and track lie on a line of time; the lines are laid end to end with
    more than the limit between them. Raises ``OverflowError`` when 64 bits do not hold that.
    """
    if not len(plays):
        return 0
    first = int(plays.played_at.min())
    span = int(plays.played_at.max()) - first + LIMIT + 1
    tracks = int(plays.track.max()) + 1
    if (int(plays.customer.max()) + 1) * tracks * span >= 2**63:
        raise OverflowError("customers × tracks × milliseconds is more than 64 bits hold")
    at = np.sort((plays.customer * tracks + plays.track) * span + plays.played_at - first)
    return int(np.count_nonzero(at[BACK:] - at[:-BACK] <= LIMIT))


def line_table(
    kind: Ints, event_id: Ints, plays: Plays, zips: np.ndarray, reason: dict[int, str]
) -> pa.Table:
    """The ledger's rows: ``reason`` maps the row of a malformed line to why it is refused."""
    rows = len(kind)
    broken = kind == KIND_NAMES.index("malformed")
    malformed = np.array(sorted(reason), dtype=np.int64)
    texts, code = np.unique([reason[row] for row in malformed.tolist()], return_inverse=True)
    reason_code = np.zeros(rows, dtype=np.int32)
    reason_code[malformed] = code
    names = np.unique(zips)
    place = np.searchsorted(names, zips).astype(np.int32)[plays.place]

    def labels(codes: np.ndarray, values: Any, absent: np.ndarray | None = None) -> pa.Array:
        indices = pa.array(codes.astype(np.int32), mask=absent)
        return pa.DictionaryArray.from_arrays(indices, pa.array(list(values), pa.string()))

    return pa.table(
        {
            "line": pa.array(np.arange(1, rows + 1)),
            "kind": labels(kind, KIND_NAMES),
            "event_id": pa.array(event_id, mask=broken),
            "customer_id": pa.array(plays.customer.astype(np.int32), mask=broken),
            "track_id": pa.array(plays.track.astype(np.int32), mask=broken),
            "played_at": pa.array(plays.played_at, mask=broken),
            "is_mobile": pa.array(plays.mobile, mask=broken),
            "zip": labels(place, names.tolist(), broken),
            "reason": labels(reason_code, texts.tolist(), ~broken),
        }
    )


def write_lines(table: pa.Table, path: Path) -> None:
    """``table`` as Parquet; labels are read back as plain text."""
    counted = {"line", "event_id", "played_at"}
    pq.write_table(
        table,
        path,
        compression="zstd",
        use_dictionary=[name for name in table.column_names if name not in counted],
        column_encoding=dict.fromkeys(counted, "DELTA_BINARY_PACKED"),
        store_schema=False,
    )


def totals(
    people: People, plays: Plays, zips: np.ndarray, year_of: Callable[[Ints], Ints]
) -> dict[str, dict[str, int]]:
    """Plays per hour, device, gender, level, age band and state; ``plays`` has each event once.

    Counted by customer first, so that a million plays cost one pass each. ``year_of`` maps
    ms since 1970 to calendar years.
    """
    size = len(people)
    known = np.minimum(plays.customer, size)  # all unknown customers are one, the last
    per_customer = np.bincount(known, minlength=size + 1)
    by_label = {
        "gender": (people.gender, GENDER),
        "level": (people.level, LEVEL),
    }
    result = {
        "hour": _numbered(np.bincount(plays.played_at // HOUR % 24, minlength=24)),
        "device": {
            DEVICE[value]: int(np.count_nonzero(plays.mobile == value)) for value in (False, True)
        },
    }
    for name, (codes, names) in by_label.items():
        sums = np.bincount(codes, weights=per_customer[:size], minlength=len(names))
        result[name] = {names[code]: int(n) for code, n in enumerate(sums)}
        result[name][UNKNOWN] = int(per_customer[size])
    result["age_band"] = _age_bands(people, plays, known, year_of)
    places = zip_places()
    state_of: dict[str, str] = dict(zip(places["zip"], places["state"], strict=True))
    states: dict[str, int] = {}
    per_place = np.bincount(plays.place, minlength=len(zips))
    for code, n in zip(zips.tolist(), per_place.tolist(), strict=True):
        if n:
            state = state_of.get(code, UNKNOWN)
            states[state] = states.get(state, 0) + n
    result["state"] = dict(sorted(states.items(), key=lambda item: (-item[1], item[0])))
    return result


def _age_bands(
    people: People, plays: Plays, known: Ints, year_of: Callable[[Ints], Ints]
) -> dict[str, int]:
    """Age is the year of the play less the year of birth, so it changes at New Year."""
    years = year_of(np.arange(plays.played_at.min() // DAY, plays.played_at.max() // DAY + 1) * DAY)
    year = years[plays.played_at // DAY - plays.played_at.min() // DAY]
    counts = dict.fromkeys((*AGE_LABELS, UNKNOWN), 0)
    for when in np.unique(years).tolist():
        per_customer = np.bincount(known[year == when], minlength=len(people) + 1)
        band = np.digitize(when - people.birth_year, AGE_LIMITS) - 1
        for number, label in enumerate(AGE_LABELS):
            told = (band == number) & (people.birth_year > 0)
            counts[label] += int(per_customer[:-1][told].sum())
        counts[UNKNOWN] += int(per_customer[:-1][people.birth_year == 0].sum() + per_customer[-1])
    return counts


def _numbered(counts: Ints) -> dict[str, int]:
    return {str(number): int(n) for number, n in enumerate(counts)}
