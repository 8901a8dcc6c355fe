"""What must be in the servers, worked out from the ledger alone.

In: the ledger's rows (one per recorded line), the customers and tracks files, and how far
the replay has come. Out: plain pandas tables. None of the code of ``ingest`` or ``stream``
is used, so an error there cannot hide itself here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from workshop_lib.schema.labels import AGE_BANDS, DEVICE, GENDER, LEVEL, UNKNOWN
from workshop_lib.world.ledger import interest_hits
from workshop_lib.world.places import zip_places
from workshop_lib.world.read import load_customers, load_tracks


@dataclass(frozen=True)
class Expected:
    """``lines``: the replayed part of the ledger; ``plays``: one row per distinct accepted
    event with the labels a chart splits by; ``hits``: the interest hits among them."""

    lines: pd.DataFrame
    plays: pd.DataFrame
    hits: pd.DataFrame

    @property
    def malformed(self) -> int:
        return int((self.lines["kind"] == "malformed").sum())

    @property
    def duplicates(self) -> int:
        """Well-formed lines whose event id an earlier line had."""
        return len(self.lines) - self.malformed - len(self.plays)

    def of_kind(self, kind: str) -> pd.DataFrame:
        return self.plays[self.plays["kind"] == kind]


def expected(world: Path, first_line: int, next_line: int, shift_ms: int) -> Expected:
    """The truth about lines ``[first_line, next_line)`` (from 0) of the recorded world.

    ``shift_ms`` is what the replay added to every date. Times in the tables are
    milliseconds since 1970, UTC.
    """
    ledger = pd.read_parquet(world / "ledger.parquet")
    lines = ledger.iloc[first_line:next_line]
    plays = lines[lines["kind"] != "malformed"].drop_duplicates("event_id").copy()
    for name in ("event_id", "customer_id", "track_id", "played_at"):
        plays[name] = plays[name].astype("int64")
    plays["played_at"] += shift_ms
    plays["zip"] = plays["zip"].fillna("")
    return Expected(lines, label(plays, world), interest_hits(plays))


def label(plays: pd.DataFrame, world: Path) -> pd.DataFrame:
    """``plays`` with hour, device, gender, age band, level, state, artist and title."""
    when = pd.to_datetime(plays["played_at"], unit="ms", utc=True)
    customers = load_customers(world).set_index("customer_id")
    tracks = load_tracks(world).set_index("track_id")
    states = zip_places().set_index("zip")["state"]
    who, what = plays["customer_id"], plays["track_id"]
    age = when.dt.year - who.map(customers["birth_year"]).astype("Int64")
    bands = pd.cut(
        age.astype("Float64").astype("float64"),
        [low for low, _ in AGE_BANDS] + [200],
        right=False,
        labels=[name for _, name in AGE_BANDS],
    ).astype("object")
    return plays.assign(
        hour=when.dt.hour,
        minute=when.dt.floor("min"),
        device=plays["is_mobile"].astype(bool).map(DEVICE),
        gender=who.map(customers["gender"].map(GENDER)).fillna(UNKNOWN),
        level=who.map(customers["level"].map(LEVEL)).fillna(UNKNOWN),
        age_band=bands.fillna(UNKNOWN),
        state=plays["zip"].map(states).fillna(UNKNOWN),
        title=what.map(tracks["title"]).fillna(UNKNOWN),
        artist=what.map(tracks["artist"]).fillna(UNKNOWN),
        customer_known=who.isin(customers.index),
        track_known=what.isin(tracks.index),
    )


def top(plays: pd.DataFrame, by: str, size: int) -> dict[object, int]:
    """The ``size`` most frequent values of ``by``, equal ones in the value's order."""
    counts = plays.groupby(by).size().reset_index(name="plays")
    counts = counts.sort_values(["plays", by], ascending=[False, True], kind="stable").head(size)
    return dict(zip(counts[by], counts["plays"].astype(int), strict=True))
