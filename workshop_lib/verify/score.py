"""The score: every stage that has run against the ledger of what was planted.

In: Settings of a stack whose replay, shippers and streams have come to rest. Out: a
``Stage`` of checks each. A stage whose part has not run yet is an error that says so,
not a score of zero.
"""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime.identity import require_own_servers
from workshop_lib.schema.names import (
    AGGREGATES_QUERY,
    INTERESTS_INDEX,
    INTERESTS_QUERY,
    PLAYS_INDEX,
    PLAYS_QUERY,
    PLAYS_RAW_INDEX,
)
from workshop_lib.settings import Settings
from workshop_lib.verify import actual
from workshop_lib.verify.check import Check, Stage, equal, same_counts, same_ids
from workshop_lib.verify.expected import Expected, counts, expected, top
from workshop_lib.verify.offers import stage3
from workshop_lib.verify.page import stage4

TOP = 10
#: Columns by which the story asks for plays, and the check of each.
LABELS = {
    "hour": "plays per hour of day",
    "gender": "plays per gender",
    "age_band": "plays per age band",
    "device": "plays per device",
    "level": "plays per level",
    "state": "plays per state",
}


def truth(settings: Settings) -> Expected:
    """What the ledger says about the lines replayed so far."""
    if not (settings.world / "ledger.parquet").exists():
        raise WorkshopError(
            f"No ledger in {settings.world}.",
            "Make one with `workshop data generate`, or `workshop data import DIR`.",
        )
    state = actual.replayed(settings)
    if state is None or state["next_line"] <= state["first_line"]:
        raise WorkshopError("Nothing was replayed yet.", "Run `workshop replay` first.")
    if state["shift_ms"] is None:
        raise WorkshopError(
            "A replay at --speed 1 dates each play again, which no ledger can know.",
            "Run `workshop reset` and `workshop replay --speed 1000` to be able to verify.",
        )
    lines = (state["first_line"], state["next_line"])
    id_shift = state.get("id_shift", 0)
    return expected(settings.world, *lines, state["shift_ms"], settings.timezone, id_shift)


def stage1(settings: Settings, want: Expected) -> Stage:
    """See it: the shipped log in index ``plays-raw``."""
    shipped = _shipped(settings, "elasticsearch")
    actual.refresh(settings)
    letters = actual.dead_letters_of_file(settings)
    return Stage(
        1,
        "see it",
        [
            equal("lines shipped", len(want.lines), shipped["lines"]),
            equal("lines rejected", want.malformed, shipped["rejected"]),
            equal("dead letters in the file", want.malformed, letters),
            equal(
                "duplicates became one document",
                want.duplicates,
                shipped["accepted"] - actual.count(settings, PLAYS_RAW_INDEX),
            ),
            same_ids(
                "plays", set(want.plays["event_id"]), actual.event_ids(settings, PLAYS_RAW_INDEX)
            ),
            same_counts(
                "plays per hour of day",
                counts(want.plays["local_hour"]),
                actual.plays_per_hour_of_day(settings, PLAYS_RAW_INDEX),
            ),
            equal(
                "plays on mobile",
                int(want.plays["is_mobile"].sum()),
                _true(actual.plays_by(settings, "is_mobile", PLAYS_RAW_INDEX)),
            ),
        ],
    )


def stage2(settings: Settings, want: Expected) -> Stage:
    """Process it: the streams' indices and keys."""
    shipped = _shipped(settings, "kafka")
    for query in (PLAYS_QUERY, AGGREGATES_QUERY, INTERESTS_QUERY):
        if actual.stream_progress(settings, query) is None:
            raise WorkshopError(f"The stream `{query}` has not run.", "Run `workshop stream`.")
    actual.refresh(settings)
    letters = {stage: len(of) for stage, of in actual.dead_letters_of_topic(settings).items()}
    return Stage(
        2,
        "process it",
        [
            equal("lines shipped", len(want.lines), shipped["lines"]),
            equal(
                "dead letters by stage", {"ship": want.malformed} if want.malformed else {}, letters
            ),
            *_enriched(settings, want.plays),
            *_minutes(settings, want),
            *_interests(settings, want),
        ],
    )


def _enriched(settings: Settings, plays: pd.DataFrame) -> list[Check]:
    """The join with customers, tracks and places, and the answers to the story's questions."""
    unknown = {
        "customer_known": "plays of unknown customers",
        "track_known": "plays of unknown tracks",
    }
    found = actual.event_ids(settings, PLAYS_INDEX)
    return [
        same_ids("plays", set(plays["event_id"]), found),
        *(
            same_counts(name, counts(plays[column]), actual.plays_by(settings, column))
            for column, name in LABELS.items()
        ),
        *(
            equal(
                name,
                int((~plays[field]).sum()),
                len(found) - _true(actual.plays_by(settings, field)),
            )
            for field, name in unknown.items()
        ),
        *(
            equal(
                name,
                top(plays, field, TOP),
                list(actual.plays_by(settings, field, size=TOP).items()),
            )
            for field, name in {"track_id": "top tracks", "artist": "top artists"}.items()
        ),
    ]


def _minutes(settings: Settings, want: Expected) -> list[Check]:
    """Every minute's count. Plays hours too late may be dropped, but then must be counted so."""
    counted = actual.plays_per_minute(settings)
    minutes = want.plays.groupby("minute").size()
    too_late = want.of_kind("too_late")
    exact = minutes.index.difference(pd.DatetimeIndex(too_late["minute"].unique()))
    late = want.of_kind("late")
    late_minutes = exact.intersection(pd.DatetimeIndex(late["minute"].unique()))
    progress = actual.stream_progress(settings, AGGREGATES_QUERY) or {}
    dropped = progress.get("dropped_by_watermark", 0)
    return [
        same_counts(
            "plays per minute",
            _by_name(minutes.reindex(exact)),
            _by_name(
                counted.reindex(counted.index.difference(pd.DatetimeIndex(too_late["minute"])))
            ),
        ),
        equal(
            "late plays counted in their minutes",
            int(minutes.reindex(late_minutes).sum()),
            int(counted.reindex(late_minutes).fillna(0).sum()),
        ),
        equal(
            "counted and dropped as too late", len(want.plays), int(counted.sum()) + int(dropped)
        ),
    ]


def _interests(settings: Settings, want: Expected) -> list[Check]:
    """The same track often enough: all of them, no others, alike in both stores."""
    found = actual.event_ids(settings, INTERESTS_INDEX)
    inside = set(want.plays["event_id"])
    planted = [
        burst
        for burst in json.loads((settings.world / "ledger.json").read_text()).get("bursts", [])
        if {event + want.id_shift for event in burst["event_ids"]} <= inside
    ]
    right = sum(
        {event for event in burst["event_ids"] if event + want.id_shift in found}
        == set(burst["hits"])
        for burst in planted
    )
    in_elasticsearch = actual.elasticsearch_interests(settings)
    return [
        same_ids("interests", set(want.hits["event_id"].astype(int)), found),
        equal("planted bursts judged right", len(planted), right),
        same_ids(
            "Redis agrees with Elasticsearch",
            set(in_elasticsearch.items()),
            set(actual.redis_interests(settings).items()),
        ),
    ]


def _shipped(settings: Settings, to: str) -> dict[str, Any]:
    state = actual.shipped(settings, to)
    if state is None:
        raise WorkshopError(f"Nothing was shipped to {to} yet.", f"Run `workshop ship --to {to}`.")
    return state


def _by_name(series: Any) -> dict[str, int]:
    return {str(key): int(n) for key, n in series.items()}


def _true(by_label: dict[Any, int]) -> int:
    """The count of label true: a terms aggregation calls it 1."""
    return by_label.get(1, 0)


def stages(settings: Settings, phone: dict[str, Any] | None = None) -> list[Stage]:
    """All stages that have run, in order; the third only if a model was ever trained,
    the fourth only if the demo took a picture of the page.

    ``phone``: what arrived at the simulated phone, if it was asked.
    """
    require_own_servers(settings)
    if actual.health(settings) == "red":
        raise WorkshopError("Elasticsearch is not well (red).", "See `workshop status`.")
    want = truth(settings)
    scored = [stage1(settings, want), stage2(settings, want)]
    if actual.has_models(settings):
        scored.append(stage3(settings, want, phone))
    shown = stage4(settings, want)
    return [*scored, shown] if shown else scored
