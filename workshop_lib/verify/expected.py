"""What must be in the servers, worked out from the ledger and the recorded files alone.

In: the ledger's rows (one per recorded line), the customers and tracks files, the table of zip
codes, and how far the replay has come. Out: pandas tables. The files are read here with the
csv module, so that an error in a loader or a join of the pipeline cannot hide itself.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import zipcodes

from workshop_lib.runtime import collector
from workshop_lib.schema.labels import AGE_BANDS, DEVICE, GENDER, LEVEL, UNKNOWN
from workshop_lib.schema.world import INTEREST_MINUTES, INTEREST_PLAYS


@dataclass(frozen=True)
class Expected:
    """``lines``: the replayed part of the ledger; ``plays``: one row per distinct accepted
    event with the labels a chart splits by; ``hits``: the plays that complete an interest."""

    lines: pd.DataFrame
    plays: pd.DataFrame
    hits: pd.DataFrame
    id_shift: int = 0

    @property
    def malformed(self) -> int:
        return int((self.lines["kind"] == "malformed").sum())

    @property
    def duplicates(self) -> int:
        """Well-formed lines whose event id an earlier line had."""
        return len(self.lines) - self.malformed - len(self.plays)

    def of_kind(self, kind: str) -> pd.DataFrame:
        return self.plays[self.plays["kind"] == kind]


def expected(
    world: Path,
    first_line: int,
    next_line: int,
    shift_ms: int,
    zone: str = "UTC",
    id_shift: int = 0,
) -> Expected:
    """The truth about lines ``[first_line, next_line)`` (from 0) of the recorded world.

    ``shift_ms`` is what the replay added to every date, ``id_shift`` to every event id. Times in
    the tables are milliseconds since 1970; ``hour`` is UTC's, ``local_hour`` that of the clocks
    of ``zone``.
    """
    ledger = pd.read_parquet(world / "ledger.parquet")
    lines = ledger.iloc[first_line:next_line]
    plays = lines[lines["kind"] != "malformed"].drop_duplicates("event_id").copy()
    for name in ("event_id", "customer_id", "track_id", "played_at"):
        plays[name] = plays[name].astype("int64")
    plays["played_at"] += shift_ms
    plays["event_id"] += id_shift
    plays["zip"] = plays["zip"].fillna("")
    return Expected(lines, label(plays, world, zone), interest_hits(plays), id_shift)


def interest_hits(plays: pd.DataFrame) -> pd.DataFrame:
    """Plays that complete an interest, by the rule of ``schema.world``: by event time, ends in."""
    ordered = plays.sort_values(["customer_id", "track_id", "played_at", "event_id"])
    earlier = ordered.groupby(["customer_id", "track_id"])["played_at"].shift(INTEREST_PLAYS - 1)
    columns = ["event_id", "customer_id", "track_id", "played_at"]
    hits = ordered.loc[ordered["played_at"] - earlier <= INTEREST_MINUTES * 60_000, columns]
    return hits.reset_index(drop=True)


def customers(world: Path) -> pd.DataFrame:
    """By customer_id: gender, level, status, campaign (codes), birth_year (NaN: unknown), zip."""
    rows = _rows(world / "cust.csv")
    table = pd.DataFrame(
        {
            name.lower(): [int(row[name]) if row[name] else -1 for row in rows]  # -1: unknown
            for name in ("CustID", "Gender", "Level", "Status", "Campaign")
        }
    ).set_index("custid")
    years = [row.get("BirthYear") or "nan" for row in rows]
    return table.assign(
        birth_year=[float(y) if y.isdecimal() else float("nan") for y in years],
        zip=[row["zip"] for row in rows],
    )


def tracks(world: Path) -> pd.DataFrame:
    """By track_id: title, artist."""
    rows = _rows(world / "music.csv")
    return pd.DataFrame(
        {"title": [row["Title"] for row in rows], "artist": [row["Artist"] for row in rows]},
        index=[int(row["TrackId"]) for row in rows],
    )


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def label(plays: pd.DataFrame, world: Path, zone: str = "UTC") -> pd.DataFrame:
    """``plays`` with hour, local_hour, device, gender, age band, level, state, artist and title."""
    when = pd.to_datetime(plays["played_at"], unit="ms", utc=True)
    listeners, music = customers(world), tracks(world)
    with collector.paused():  # 42,000 dictionaries
        states = {place["zip_code"]: place["state"] for place in reversed(zipcodes.filter_by())}
    who, what = plays["customer_id"], plays["track_id"]
    bands = pd.cut(
        when.dt.year - who.map(listeners["birth_year"]),
        [low for low, _ in AGE_BANDS] + [200],
        right=False,
        labels=[name for _, name in AGE_BANDS],
    ).astype("object")
    return plays.assign(
        hour=when.dt.hour,
        local_hour=when.dt.tz_convert(zone).dt.hour,
        minute=when.dt.floor("min"),
        device=plays["is_mobile"].map(DEVICE).fillna(UNKNOWN),
        gender=who.map(listeners["gender"].map(GENDER)).fillna(UNKNOWN),
        level=who.map(listeners["level"].map(LEVEL)).fillna(UNKNOWN),
        age_band=bands.fillna(UNKNOWN),
        state=plays["zip"].map(states).fillna(UNKNOWN),
        title=what.map(music["title"]).fillna(UNKNOWN),
        artist=what.map(music["artist"]).fillna(UNKNOWN),
        customer_known=who.isin(listeners.index),
        track_known=what.isin(music.index),
    )


def top(plays: pd.DataFrame, by: str, size: int) -> list[tuple[Any, int]]:
    """The ``size`` most frequent values of ``by``, equal ones in the value's order."""
    table = plays.groupby(by).size().reset_index(name="plays")
    table = table.sort_values(["plays", by], ascending=[False, True], kind="stable").head(size)
    return list(zip(table[by], table["plays"].astype(int), strict=True))


def counts(column: pd.Series) -> dict[Any, int]:
    """How often each value occurs."""
    return {key: int(n) for key, n in column.value_counts().items()}
