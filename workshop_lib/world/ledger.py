"""The ledger: what is true of a world, written down while it is made.

In: the lines of ``tracks.csv`` with their kinds, and the customers. Out: ``ledger.parquet`` (a
row per line, in file order) and totals for ``ledger.json``. Serves ``generate``, ``import_``
and ``describe``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from workshop_lib.schema.labels import AGE_LABELS, AGE_LIMITS, DEVICE, GENDER, LEVEL, UNKNOWN
from workshop_lib.schema.world import INTEREST_MINUTES, INTEREST_PLAYS
from workshop_lib.world.faults import KIND_NAMES
from workshop_lib.world.places import zip_places
from workshop_lib.world.plays import HOUR, MINUTE, Plays
from workshop_lib.world.randomness import Ints

LIMIT = INTEREST_MINUTES * MINUTE
BACK = INTEREST_PLAYS - 1


def interest_hits(plays: pd.DataFrame) -> pd.DataFrame:
    """The plays that complete an interest: ``schema.world.INTEREST_RULE``.

    ``plays`` has event_id, customer_id, track_id and played_at (ms), in any order; a repeated
    event id counts once (its first row). Out: those four columns, ordered by customer, track
    and time. Play i is a hit if and only if played_at[i] − played_at[i − ``BACK``] ≤ ``LIMIT``
    among the plays of its customer and track, ordered by (played_at, event_id).
    """
    columns = ["event_id", "customer_id", "track_id", "played_at"]
    once = plays.drop_duplicates("event_id")[columns].astype("int64")
    once = once.sort_values(["customer_id", "track_id", "played_at", "event_id"])
    earlier = once.groupby(["customer_id", "track_id"])["played_at"].shift(BACK)
    return once[once["played_at"] - earlier <= LIMIT].reset_index(drop=True)


def count_hits(plays: Plays) -> int:
    """As many as ``interest_hits`` finds among ``plays``, each once: one sort of one number.

    Plays of one customer and track lie on a line of time; the lines are laid end to end with
    more than the limit between them. Raises ``OverflowError`` when that does not fit into 64 bits.
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
    malformed = kind == KIND_NAMES.index("malformed")
    rows = np.array(sorted(reason), dtype=np.int64)
    texts, code = np.unique([reason[row] for row in rows.tolist()], return_inverse=True)
    reason_code = np.zeros(len(kind), dtype=np.int32)
    reason_code[rows] = code
    names = np.unique(zips)
    place = np.searchsorted(names, zips).astype(np.int32)[plays.place]

    def labels(codes: np.ndarray, values: Any, absent: np.ndarray | None = None) -> pa.Array:
        indices = pa.array(codes.astype(np.int32), mask=absent)
        return pa.DictionaryArray.from_arrays(indices, pa.array(list(values), pa.string()))

    return pa.table(
        {
            "line": pa.array(np.arange(1, len(kind) + 1)),
            "kind": labels(kind, KIND_NAMES),
            "event_id": pa.array(event_id, mask=malformed),
            "customer_id": pa.array(plays.customer.astype(np.int32), mask=malformed),
            "track_id": pa.array(plays.track.astype(np.int32), mask=malformed),
            "played_at": pa.array(plays.played_at, mask=malformed),
            "is_mobile": pa.array(plays.mobile == 1, mask=malformed | (plays.mobile == -1)),
            "zip": labels(place, names.tolist(), malformed),
            "reason": labels(reason_code, texts.tolist(), ~malformed),
        }
    )


#: The columns of ``line_table``, for a table made from pandas.
SCHEMA = pa.schema(
    [
        ("line", pa.int64()),
        ("kind", pa.string()),
        ("event_id", pa.int64()),
        ("customer_id", pa.int32()),
        ("track_id", pa.int32()),
        ("played_at", pa.int64()),
        ("is_mobile", pa.bool_()),
        ("zip", pa.string()),
        ("reason", pa.string()),
    ]
)


def write_lines(table: pa.Table, path: Path) -> None:
    """``table`` as Parquet; labels are read back as plain text."""
    numbers = {"line", "event_id", "played_at"}
    pq.write_table(
        table,
        path,
        compression="zstd",
        use_dictionary=[name for name in table.column_names if name not in numbers],
        column_encoding=dict.fromkeys(numbers, "DELTA_BINARY_PACKED"),
        store_schema=False,
    )


def totals(
    customers: pd.DataFrame,
    customer: Ints,
    played_at: Ints,
    mobile: np.ndarray | pd.Series,
    plays_per_zip: Mapping[Any, int],
) -> dict[str, dict[str, int]]:
    """Plays per hour, device, gender, level, age band and state.

    ``customers``: gender, level (codes) and birth_year (missing: unknown), by customer id;
    ``customer``, ``played_at`` (ms) and ``mobile``: of each play, every event once. Labels are
    looked up per customer and year, not per play: a million plays cost one pass each.
    """
    years = played_at.astype("datetime64[ms]").astype("datetime64[Y]").astype(np.int64) + 1970
    first, span = years.min(), int(np.ptp(years)) + 1
    plays = pd.Series(customer * span + years - first).value_counts(sort=False)
    known = customers.reindex(plays.index // span).set_axis(plays.index)
    # Age is the year of the play less the year of birth, so it changes at New Year.
    age = plays.index % span + first - known["birth_year"].astype("float64")
    band = pd.cut(age, [*AGE_LIMITS, np.inf], right=False, labels=AGE_LABELS).astype(object)

    def sums(labels: pd.Series, order: tuple[str, ...]) -> dict[str, int]:
        found = plays.groupby(labels.fillna(UNKNOWN)).sum()
        return {name: int(found.get(name, 0)) for name in (*order, UNKNOWN)}

    by_state = (
        pd.Series(dict(plays_per_zip), dtype="int64").rename_axis("zip").reset_index(name="plays")
    )
    state = by_state["zip"].map(zip_places().set_index("zip")["state"]).fillna(UNKNOWN)
    per_state = by_state.groupby(state)["plays"].sum().sort_values(ascending=False, kind="stable")
    hours = np.bincount(played_at // HOUR % 24, minlength=24)
    return {
        "hour": {str(hour): n for hour, n in enumerate(hours.tolist())},
        "device": _devices(mobile),
        "gender": sums(known["gender"].map(GENDER), tuple(GENDER.values())),
        "level": sums(known["level"].map(LEVEL), tuple(LEVEL.values())),
        "age_band": sums(band, tuple(AGE_LABELS)),
        "state": {str(name): n for name, n in per_state.astype(int).to_dict().items() if n},
    }


def _devices(mobile: np.ndarray | pd.Series) -> dict[str, int]:
    found = {name: int(np.count_nonzero(mobile == flag)) for flag, name in DEVICE.items()}
    unknown = len(mobile) - sum(found.values())
    return found | ({UNKNOWN: unknown} if unknown else {})


def totals_of(plays: pd.DataFrame, customers: pd.DataFrame) -> dict[str, dict[str, int]]:
    """``totals`` of the ledger's rows, each event once, and of ``read.load_customers``."""
    return totals(
        customers.set_index("customer_id"),
        plays["customer_id"].to_numpy(dtype=np.int64),
        plays["played_at"].to_numpy(dtype=np.int64),
        plays["is_mobile"],
        plays["zip"].fillna("").value_counts().to_dict(),
    )
