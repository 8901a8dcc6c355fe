"""What is in a recorded world: counts, spans and shares, from its files and its ledger.

In: the folder of a world. Out: plain numbers, as ``workshop data describe`` prints them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pandas as pd

from workshop_lib.errors import WorkshopError
from workshop_lib.schema.labels import (
    AGE_LABELS,
    AGE_LIMITS,
    CAMPAIGN,
    DEVICE,
    GENDER,
    LEVEL,
    UNKNOWN,
)
from workshop_lib.world.ledger import interest_hits
from workshop_lib.world.places import zip_places
from workshop_lib.world.read import load_clicks, load_customers, load_tracks
from workshop_lib.world.rows import reason_kind

TOP: Final = 10
WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def describe(folder: Path) -> dict[str, Any]:
    """Totals of the world in ``folder``; plays are counted once each, times are UTC.

    Raises ``WorkshopError`` when there is no world, or one without a ledger.
    """
    customers, tracks = load_customers(folder), load_tracks(folder)
    if not (folder / "ledger.parquet").exists():
        raise WorkshopError(
            f"{folder} has no ledger.", "Take its files in with `workshop data import DIR`."
        )
    lines = pd.read_parquet(folder / "ledger.parquet")
    summary = json.loads((folder / "ledger.json").read_text())
    plays = lines[lines["kind"] != "malformed"].drop_duplicates("event_id")
    plays = plays.astype({name: "int64" for name in ("customer_id", "track_id", "played_at")})
    when = pd.to_datetime(plays["played_at"], unit="ms", utc=True)
    clicks = load_clicks(folder)
    return {
        "parameters": summary.get("parameters"),
        "lines": len(lines),
        "kinds": _counts(lines["kind"]),
        "malformed": _counts(lines["reason"].dropna().map(reason_kind)),
        "plays": len(plays),
        "first": when.min().isoformat(),
        "last": when.max().isoformat(),
        "customers": {
            "number": len(customers),
            "who played": int(plays["customer_id"].nunique()),
            "level": _counts(customers["level"].map(LEVEL)),
            "campaign": _counts(customers["campaign"].map(CAMPAIGN)),
            "closed": int((customers["status"] == 0).sum()),
        },
        "tracks": {"number": len(tracks), "artists": int(tracks["artist"].nunique())},
        "totals": _totals(plays, when, customers, tracks),
        "interests": {"hits": len(interest_hits(plays)), "bursts": _bursts(summary)},
        "clicks": _counts(clicks["ad"]),
    }


def _totals(
    plays: pd.DataFrame, when: pd.Series, customers: pd.DataFrame, tracks: pd.DataFrame
) -> dict[str, dict[str, int]]:
    """Plays per label; hours and weekdays in their order, the others most first."""
    customers, tracks = customers.set_index("customer_id"), tracks.set_index("track_id")
    who, what = plays["customer_id"], plays["track_id"]
    age = when.dt.year - who.map(customers["birth_year"]).astype("Float64")
    band = pd.cut(
        age.astype("float64"),
        [*AGE_LIMITS, 200],
        right=False,
        labels=AGE_LABELS,
    ).astype(object)
    state = zip_places().set_index("zip")["state"]
    bands = _counts(band.fillna(UNKNOWN))
    weekdays = when.dt.dayofweek.value_counts()
    return {
        "hour": {f"{h:02d}": int(n) for h, n in enumerate(_in_order(when.dt.hour, 24))},
        "weekday": {day: int(weekdays.get(n, 0)) for n, day in enumerate(WEEKDAYS)},
        "device": _counts(plays["is_mobile"].astype(bool).map(DEVICE)),
        "gender": _counts(who.map(customers["gender"].map(GENDER)).fillna(UNKNOWN)),
        "age_band": {label: bands[label] for label in (*AGE_LABELS, UNKNOWN) if label in bands},
        "level": _counts(who.map(customers["level"].map(LEVEL)).fillna(UNKNOWN)),
        "state": _counts(plays["zip"].map(state).fillna(UNKNOWN), TOP),
        "track": _counts(what.map(tracks["title"]).fillna(UNKNOWN), TOP),
        "artist": _counts(what.map(tracks["artist"]).fillna(UNKNOWN), TOP),
    }


def _in_order(numbers: pd.Series, size: int) -> list[int]:
    return numbers.value_counts().reindex(range(size), fill_value=0).tolist()


def _counts(column: pd.Series, size: int | None = None) -> dict[str, int]:
    """Label → number, most first, equal ones by label."""
    counts = column.value_counts().rename_axis("label").reset_index(name="number")
    counts = counts.sort_values(["number", "label"], ascending=[False, True]).head(
        size or len(counts)
    )
    return {str(label): int(n) for label, n in zip(counts["label"], counts["number"], strict=True)}


def _bursts(summary: dict[str, Any]) -> dict[str, int]:
    return _counts(pd.Series([b["why"] for b in summary.get("bursts", [])], dtype=object))
