"""What is in a recorded world: counts, spans and shares, from its files and its ledger.

In: the folder of a world. Out: plain numbers, as ``workshop data describe`` prints them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pandas as pd

from workshop_lib.errors import WorkshopError
from workshop_lib.schema.labels import CAMPAIGN, LEVEL, UNKNOWN
from workshop_lib.world.import_ import reason_kind
from workshop_lib.world.ledger import interest_hits, totals_of
from workshop_lib.world.read import load_clicks, load_customers, load_tracks

TOP: Final = 10
WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def describe(folder: Path, zone: str = "UTC") -> dict[str, Any]:
    """Totals of the world in ``folder``; plays are counted once each.

    All times are by the clocks of ``zone``, hours and weekdays, too; those of a simulated world
    as they are written, by the clocks of its listeners.

    Raises ``WorkshopError`` when there is no world, or one without a ledger.
    """
    customers, tracks = load_customers(folder), load_tracks(folder)
    if not (folder / "ledger.parquet").exists():
        raise WorkshopError(
            f"{folder} has no ledger.", "Take its files in with `workshop data import DIR`."
        )
    lines = pd.read_parquet(folder / "ledger.parquet")
    summary = json.loads((folder / "ledger.json").read_text())
    if "parameters" in summary:
        zone = "UTC"
    plays = lines[lines["kind"] != "malformed"].drop_duplicates("event_id")
    plays = plays.astype({name: "int64" for name in ("customer_id", "track_id", "played_at")})
    when = pd.to_datetime(plays["played_at"], unit="ms", utc=True).dt.tz_convert(zone)
    clicks = load_clicks(folder)
    return {
        "parameters": summary.get("parameters"),
        "lines": len(lines),
        "kinds": _counts(lines["kind"]),
        "malformed": _counts(lines["reason"].dropna().map(reason_kind)),
        "plays": len(plays),
        "timezone": zone,
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
    """Plays per label that occurs; hours, weekdays and ages in their order, others most first."""
    found = totals_of(plays, customers)
    hours, weekdays = when.dt.hour.value_counts(), when.dt.dayofweek.value_counts()
    track = plays["track_id"].map(tracks.set_index("track_id")["title"])
    artist = plays["track_id"].map(tracks.set_index("track_id")["artist"])
    return {
        "hour": {f"{hour:02d}": int(hours.get(hour, 0)) for hour in range(24)},
        "weekday": {day: int(weekdays.get(n, 0)) for n, day in enumerate(WEEKDAYS)},
        "device": _most_first(found["device"]),
        "gender": _most_first(found["gender"]),
        "age_band": {label: n for label, n in found["age_band"].items() if n},
        "level": _most_first(found["level"]),
        "state": _most_first(found["state"], TOP),
        "track": _counts(track.fillna(UNKNOWN), TOP),
        "artist": _counts(artist.fillna(UNKNOWN), TOP),
    }


def _counts(column: pd.Series, size: int | None = None) -> dict[str, int]:
    return _most_first(column.value_counts().to_dict(), size)


def _most_first(counts: Mapping[Any, int], size: int | None = None) -> dict[str, int]:
    """Label → number where it is not 0, most first, equal ones by label; ``size`` at most."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:size]
    return {str(label): int(n) for label, n in ordered if n}


def _bursts(summary: dict[str, Any]) -> dict[str, int]:
    return _counts(pd.Series([b["why"] for b in summary.get("bursts", [])], dtype=object))
