"""The sample world in an index of its own, for the tests of the explorer: what is in it is
known from the ledger."""

from __future__ import annotations

from functools import cache
from typing import Any

import pandas as pd

from workshop_lib.charts.time_range import iso
from workshop_lib.runtime import connections
from workshop_lib.settings import PROJECT, Settings
from workshop_lib.verify.expected import expected
from workshop_lib.world.places import zip_places
from workshop_lib.world.read import load_customers

SAMPLE = PROJECT / "data" / "sample"
#: The days of the sample world.
FROM, TO = "2026-01-02T00:00", "2026-01-05T00:00"

LABELS = ("gender", "age_band", "level", "state", "device", "title", "artist")
NUMBERS = ("event_id", "customer_id", "track_id", "hour")


@cache
def known_plays() -> pd.DataFrame:
    """The plays of the sample world as the ledger has them, with age, latitude, longitude.

    To be read only: all tests of a worker share them.
    """
    plays = expected(SAMPLE, 0, 10**9, 0).plays
    born = load_customers(SAMPLE).set_index("customer_id")["birth_year"]
    when = pd.to_datetime(plays["played_at"], unit="ms", utc=True)
    age = when.dt.year - plays["customer_id"].map(born).astype("Int64")
    places = zip_places().set_index("zip")[["lat", "lon"]]
    return plays.assign(age=age, when=when).join(places, on="zip")


def index(settings: Settings, plays: pd.DataFrame, name: str = "plays") -> None:
    """Write ``plays`` into index ``name`` with its real mapping."""
    client = connections.elasticsearch(settings)
    connections.create_index(settings, client, name)
    documents = [(str(row["event_id"]), _document(row)) for row in plays.to_dict("records")]
    refused = list(connections.bulk_index(client, settings.index(name), documents))
    assert not refused
    client.indices.refresh(index=settings.index(name))


def _document(row: dict[Any, Any]) -> dict[str, Any]:
    document = {name: row[name] for name in LABELS} | {name: int(row[name]) for name in NUMBERS}
    document |= {"played_at": iso(int(row["played_at"])), "zip": row["zip"]}
    document["is_mobile"] = bool(row["is_mobile"])
    if not pd.isna(row["age"]):
        document["age"] = int(row["age"])
    if not pd.isna(row["lat"]):
        document["location"] = {"lat": row["lat"], "lon": row["lon"]}
    return document
