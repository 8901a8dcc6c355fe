"""Interests that were planted in the replayed plays, and how a way of counting does on them.

In: Settings of a replayed world, and claims: a (listener, track) for each interest that some
way of counting says there is. Out: rows for a picture, and a table of missed and invented.
The truth comes from the ledger alone. Serves the notebook "interests".
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import pandas as pd

from workshop_lib.lessons.by_hand import MINUTE
from workshop_lib.settings import Settings
from workshop_lib.verify.expected import Expected

#: A listener and a track.
Pair = tuple[int, int]


class Burst(NamedTuple):
    """A planted burst: why it was, whose plays of what, and when (minutes after the last full
    or half hour before the first of them)."""

    why: str
    pair: Pair
    minutes: tuple[float, ...]


def bursts(settings: Settings, want: Expected) -> list[Burst]:
    """One burst of each kind, of those that lie wholly in the replayed plays."""
    planted = json.loads((settings.world / "ledger.json").read_text())["bursts"]
    played = want.plays.set_index("event_id")["played_at"]
    found: dict[str, Burst] = {}
    for burst in planted:
        if burst["why"] not in found and set(burst["event_ids"]) <= set(played.index):
            at = sorted(int(played[event]) for event in burst["event_ids"])
            edge = at[0] // (30 * MINUTE) * 30 * MINUTE
            found[burst["why"]] = Burst(
                burst["why"],
                (burst["customer_id"], burst["track_id"]),
                tuple((moment - edge) / MINUTE for moment in at),
            )
    return list(found.values())


def pairs(want: Expected) -> Counter[Pair]:
    """The true number of interests of each listener in each track."""
    hits = want.hits[["customer_id", "track_id"]].astype(int)
    return Counter(zip(hits["customer_id"], hits["track_id"], strict=True))


def judge(truth: Mapping[Pair, int], claims: Mapping[str, Iterable[Pair]]) -> pd.DataFrame:
    """One row per way of counting: interests claimed; listeners' tracks found rightly, missed
    and invented."""
    rows = {"truth": _row(truth, Counter(truth))}
    for way, claimed in claims.items():
        rows[way] = _row(truth, Counter(claimed))
    return pd.DataFrame.from_dict(rows, orient="index")


def _row(truth: Mapping[Pair, int], found: Counter[Pair]) -> dict[str, int]:
    return {
        "interests": sum(found.values()),
        "right": len(found.keys() & truth.keys()),
        "missed": len(truth.keys() - found.keys()),
        "invented": len(found.keys() - truth.keys()),
    }
