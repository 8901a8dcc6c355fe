"""Stage 4 against the ledger: what the page showed, number by number.

In: the snapshot that the page was sent when the demo took its picture, and the ledger's truth
about the replayed plays. Out: a ``Stage`` of checks; None when no picture was taken of what
is replayed now.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from workshop_lib.runtime.state_file import load, save
from workshop_lib.settings import Settings
from workshop_lib.verify import actual
from workshop_lib.verify.check import Check, Stage, equal, same_counts
from workshop_lib.verify.expected import Expected, counts, top


def remember(settings: Settings, snapshot: dict[str, Any]) -> None:
    """Keep what the page showed, and how far the replay was then."""
    save(settings.page_report, {"lines": _lines(settings), "snapshot": snapshot})


def _lines(settings: Settings) -> int:
    return int((actual.replayed(settings) or {"next_line": 0})["next_line"])


def stage4(settings: Settings, want: Expected) -> Stage | None:
    """Show it: the counts of the page's view, the last 24 hours."""
    shown = load(settings.page_report)
    if shown is None or not shown["lines"] or shown["lines"] != _lines(settings):
        return None
    return Stage(4, "show it", _checks(shown["snapshot"]["elasticsearch"]["data"], want.plays))


def _checks(page: dict[str, Any], plays: pd.DataFrame) -> list[Check]:
    span = page["span"]
    seen = plays[plays["played_at"].between(span["from"], span["to"], inclusive="left")]
    size = len(page["tracks"])
    states = {row["state"]: row["plays"] for row in page["states"]}
    artists = [(row["artist"], row["plays"]) for row in page["artists"]]
    tracks = [(row["id"], row["plays"]) for row in page["tracks"]]
    return [
        equal("plays on the page", len(seen), page["plays"]),
        same_counts("plays per device", counts(seen["device"]), page["device"]),
        same_counts("plays per gender", counts(seen["gender"]), page["gender"]),
        same_counts("plays per age band", counts(seen["age_band"]), _pairs(page["ages"])),
        same_counts("plays per hour of day", counts(seen["local_hour"]), _pairs(page["hours"])),
        same_counts("plays per state", counts(seen["state"]), states),
        equal("top tracks", top(seen, "track_id", size), tracks),
        equal("top artists", top(seen, "artist", size), artists),
    ]


def _pairs(rows: list[list[Any]]) -> dict[Any, int]:
    """Rows of label and count, without those that count nothing."""
    return {label: n for label, n in rows if n}
