"""Stage 4 against the ledger: what the page showed, number by number.

In: the snapshot that the page was sent when the demo took its picture, and the ledger's truth
about the replayed plays. Out: a ``Stage`` of checks; None when no picture was taken of what
is replayed now.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from workshop_lib.ingest.replay import read_state
from workshop_lib.runtime.state_file import load, save
from workshop_lib.settings import Settings
from workshop_lib.verify.check import Check, Stage, equal, same_counts
from workshop_lib.verify.expected import Expected, top


def remember(settings: Settings, snapshot: dict[str, Any]) -> None:
    """Keep what the page showed, and how far the replay was then."""
    state = read_state(settings)
    save(settings.page_report, {"lines": state.next_line if state else 0, "snapshot": snapshot})


def stage4(settings: Settings, want: Expected) -> Stage | None:
    """Show it: the counts of the page's view, the last 24 hours."""
    shown, state = load(settings.page_report), read_state(settings)
    if shown is None or state is None or shown["lines"] != state.next_line:
        return None
    return Stage(4, "show it", _checks(shown["snapshot"]["elasticsearch"]["data"], want.plays))


def _checks(page: dict[str, Any], plays: pd.DataFrame) -> list[Check]:
    span = page["span"]
    seen = plays[plays["played_at"].between(span["from"], span["to"], inclusive="left")]
    size = len(page["tracks"])
    return [
        equal("plays on the page", len(seen), page["plays"]),
        same_counts("plays per device", _counts(seen["device"]), page["device"]),
        same_counts("plays per gender", _counts(seen["gender"]), page["gender"]),
        same_counts("plays per age band", _counts(seen["age_band"]), _pairs(page["ages"])),
        same_counts("plays per hour of day", _counts(seen["hour"]), _pairs(page["hours"])),
        same_counts(
            "plays per state",
            _counts(seen["state"]),
            {row["state"]: row["plays"] for row in page["states"]},
        ),
        equal(
            "top tracks",
            list(top(seen, "track_id", size).items()),
            [(row["id"], row["plays"]) for row in page["tracks"]],
        ),
        equal(
            "top artists",
            list(top(seen, "artist", size).items()),
            [(row["artist"], row["plays"]) for row in page["artists"]],
        ),
    ]


def _counts(column: pd.Series) -> dict[Any, int]:
    return {key: int(n) for key, n in column.value_counts().items()}


def _pairs(rows: list[list[Any]]) -> dict[Any, int]:
    """Rows of label and count, without those that count nothing."""
    return {label: n for label, n in rows if n}
