"""The exact interest rule, against answers by hand and against a slow reading of its words."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from workshop_lib.world.ledger import LIMIT, count_hits, interest_hits
from workshop_lib.world.plays import MINUTE, Plays

COLUMNS = ["event_id", "customer_id", "track_id", "played_at"]


def _frame(*rows: tuple[int, int, int, int]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=COLUMNS)


@pytest.mark.parametrize(
    ("why", "minutes", "hits"),
    [
        ("exactly 30 min", [0, 14, 30], [3]),
        ("a millisecond more", [0, 14, 30 + 1 / MINUTE], []),
        ("two plays", [0, 1], []),
        ("five in 20 min", [0, 5, 10, 15, 20], [3, 4, 5]),
        ("two fast pairs, no three", [0, 29, 31, 60], []),
        ("at one moment", [5, 5, 5], [3]),
        ("late in the file", [20, 0, 10], [1]),
    ],
)
def test_known_shapes(why: str, minutes: list[float], hits: list[int]) -> None:
    frame = _frame(*((i + 1, 0, 9, round(m * MINUTE)) for i, m in enumerate(minutes)))
    assert interest_hits(frame)["event_id"].tolist() == hits, why


def test_only_the_same_customer_and_track_count_together() -> None:
    frame = _frame((1, 0, 9, 0), (2, 0, 9, 1), (3, 1, 9, 2), (4, 0, 8, 3), (5, 0, 9, 4))
    assert interest_hits(frame)["event_id"].tolist() == [5]


def test_a_repeated_event_is_one_play() -> None:
    frame = _frame((1, 0, 9, 0), (2, 0, 9, 1), (2, 0, 9, 1))
    assert interest_hits(frame).empty
    # With another id it is another play.
    assert len(interest_hits(_frame((1, 0, 9, 0), (2, 0, 9, 1), (3, 0, 9, 1)))) == 1


def test_no_plays_no_hits() -> None:
    assert interest_hits(_frame()).empty
    empty = np.array([], dtype=np.int64)
    assert count_hits(Plays(empty, empty, empty, empty.astype(bool), empty)) == 0


@pytest.mark.parametrize("seed", range(5))
def test_equal_to_the_words_of_the_rule_on_random_plays(seed: int) -> None:
    draw = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "event_id": draw.integers(0, 150, 200),
            "customer_id": draw.integers(0, 3, 200),
            "track_id": draw.integers(0, 4, 200),
            "played_at": draw.integers(0, 20, 200) * LIMIT // 8,
        }
    )
    once = frame.drop_duplicates("event_id")
    expected = set()
    for _, own in once.groupby(["customer_id", "track_id"]):
        rows = sorted(zip(own["played_at"], own["event_id"], strict=True))
        for (first, _), _, (third, event) in zip(rows, rows[1:], rows[2:], strict=False):
            if third - first <= LIMIT:
                expected.add(event)
    shuffled = once.sample(frac=1, random_state=seed)
    assert set(interest_hits(shuffled)["event_id"]) == expected and expected
    columns = (once[c].to_numpy() for c in ("played_at", "customer_id", "track_id"))
    assert count_hits(Plays(*columns, np.zeros(len(once), bool), np.zeros(len(once), int))) == len(
        expected
    )


def test_hits_only_grow_as_late_plays_come_in() -> None:
    rows = [(1, 0, 9, 0), (2, 0, 9, 10), (3, 0, 9, 20), (4, 0, 9, 30)]
    minutes = [(e, c, t, m * MINUTE) for e, c, t, m in rows]
    for order in itertools.permutations(minutes):
        before: set[int] = set()
        for arrived in range(1, 5):
            now = set(interest_hits(_frame(*order[:arrived]))["event_id"])
            assert before <= now
            before = now
        assert before == {3, 4}
