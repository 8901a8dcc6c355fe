"""Stages 1 and 2 against the ledger: what went in, what must be there, what is there.

In: Settings of a stack whose replay, shippers and streams have come to rest. Out: a
``Stage`` of checks each. A stage whose part has not run yet is an error that says so,
not a score of zero.
"""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from workshop_lib.charts import answers
from workshop_lib.errors import WorkshopError
from workshop_lib.ingest.replay import read_state
from workshop_lib.ingest.ship import read_ship_state
from workshop_lib.marketing.registry import list_models
from workshop_lib.runtime.connections import elasticsearch
from workshop_lib.schema.names import (
    AGGREGATES_QUERY,
    INTERESTS_INDEX,
    INTERESTS_QUERY,
    PLAYS_INDEX,
    PLAYS_QUERY,
    PLAYS_RAW_INDEX,
)
from workshop_lib.settings import Settings
from workshop_lib.stream.run import progress
from workshop_lib.verify import held
from workshop_lib.verify.check import Check, Stage, equal, same_counts, same_ids
from workshop_lib.verify.expected import Expected, expected, top
from workshop_lib.verify.offers import stage3
from workshop_lib.verify.page import stage4

TOP = 10


def truth(settings: Settings) -> Expected:
    """What the ledger says about the lines replayed so far."""
    if not (settings.world / "ledger.parquet").exists():
        raise WorkshopError(
            f"No ledger in {settings.world}.",
            "Make one with `workshop data generate`, or `workshop data import DIR`.",
        )
    state = read_state(settings)
    if state is None or state.next_line <= state.first_line:
        raise WorkshopError("Nothing was replayed yet.", "Run `workshop replay` first.")
    if state.shift_ms is None:
        raise WorkshopError(
            "A replay at --speed 1 dates each play anew, which no ledger can know.",
            "Run `workshop reset` and `workshop replay --speed 1000` to be able to verify.",
        )
    return expected(settings.world, state.first_line, state.next_line, state.shift_ms)


def stage1(settings: Settings, want: Expected) -> Stage:
    """See it: the shipped log in index ``plays-raw``."""
    shipped = _shipped(settings, "elasticsearch")
    answers.refresh(settings)
    return Stage(
        1,
        "see it",
        [
            equal("lines shipped", len(want.lines), shipped.lines),
            equal("lines rejected", want.malformed, shipped.rejected),
            equal("dead letters in the file", want.malformed, held.dead_letters_of_file(settings)),
            equal(
                "duplicates became one document",
                want.duplicates,
                shipped.accepted - held.count(settings, PLAYS_RAW_INDEX),
            ),
            same_ids(
                "plays", set(want.plays["event_id"]), held.event_ids(settings, PLAYS_RAW_INDEX)
            ),
            same_counts(
                "plays per hour of day",
                _counts(want.plays["hour"]),
                held.plays_per_hour_of_day(settings, PLAYS_RAW_INDEX),
            ),
            equal(
                "plays on mobile",
                int(want.plays["is_mobile"].sum()),
                int(_true(answers.plays_by(settings, "is_mobile", index=PLAYS_RAW_INDEX))),
            ),
        ],
    )


def stage2(settings: Settings, want: Expected) -> Stage:
    """Process it: the streams' indices and keys."""
    shipped = _shipped(settings, "kafka")
    for query in (PLAYS_QUERY, AGGREGATES_QUERY, INTERESTS_QUERY):
        if progress(settings, query) is None:
            raise WorkshopError(f"The stream `{query}` has not run.", "Run `workshop stream`.")
    answers.refresh(settings)
    return Stage(
        2,
        "process it",
        [
            equal("lines shipped", len(want.lines), shipped.lines),
            equal("dead letters by stage", {"ship": want.malformed}, _letters(settings)),
            *_enriched(settings, want),
            *_minutes(settings, want),
            *_interests(settings, want),
        ],
    )


def _enriched(settings: Settings, want: Expected) -> list[Check]:
    """The join with customers, tracks and places, and the answers to the story's questions."""
    plays = want.plays
    asked = {
        "plays per hour of day": (plays["hour"], answers.busiest_hours),
        "plays per gender": (plays["gender"], answers.genders),
        "plays per age band": (plays["age_band"], answers.age_bands),
        "plays per device": (plays["device"], answers.devices),
        "plays per level": (plays["level"], answers.levels),
        "plays per state": (plays["state"], answers.regions),
    }
    unknown = {
        "plays of unknown customers": "customer_known",
        "plays of unknown tracks": "track_known",
    }
    tracks = answers.top_tracks(settings, TOP)
    return [
        same_ids("plays", set(plays["event_id"]), held.event_ids(settings, PLAYS_INDEX)),
        *(
            same_counts(name, _counts(column), _nonzero(ask(settings)))
            for name, (column, ask) in asked.items()
        ),
        *(
            equal(
                name,
                int((~plays[field]).sum()),
                len(plays) - int(_true(answers.plays_by(settings, field))),
            )
            for name, field in unknown.items()
        ),
        equal(
            "top tracks",
            list(top(plays, "track_id", TOP).items()),
            list(zip(tracks.index.get_level_values("track_id"), tracks.tolist(), strict=True)),
        ),
        equal(
            "top artists",
            list(top(plays, "artist", TOP).items()),
            [(artist, int(n)) for artist, n in answers.top_artists(settings, TOP).items()],
        ),
    ]


def _minutes(settings: Settings, want: Expected) -> list[Check]:
    """Every minute's count. Plays hours too late may be dropped, but then must be counted so."""
    counted = answers.plays_per_minute(settings)["all"]
    minutes = want.plays.groupby("minute").size()
    too_late = want.of_kind("too_late")
    exact = minutes.index.difference(pd.DatetimeIndex(too_late["minute"].unique()))
    late = want.of_kind("late")
    late_minutes = exact.intersection(pd.DatetimeIndex(late["minute"].unique()))
    dropped = (progress(settings, AGGREGATES_QUERY) or {}).get("dropped_by_watermark", 0)
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
    """Three plays within 30 minutes: all of them, no others, alike in both stores."""
    found = held.event_ids(settings, INTERESTS_INDEX)
    inside = set(want.plays["event_id"])
    planted = [
        burst
        for burst in json.loads((settings.world / "ledger.json").read_text()).get("bursts", [])
        if set(burst["event_ids"]) <= inside
    ]
    right = sum(set(burst["event_ids"]) & found == set(burst["hits"]) for burst in planted)
    in_elasticsearch = held.elasticsearch_interests(settings)
    return [
        same_ids("interests", set(want.hits["event_id"].astype(int)), found),
        equal("planted bursts judged right", len(planted), right),
        same_ids(
            "Redis agrees with Elasticsearch",
            set(in_elasticsearch.items()),
            set(held.redis_interests(settings).items()),
        ),
    ]


def _shipped(settings: Settings, to: str) -> Any:
    state = read_ship_state(settings, to)
    if state is None:
        raise WorkshopError(f"Nothing was shipped to {to} yet.", f"Run `workshop ship --to {to}`.")
    return state


def _letters(settings: Settings) -> dict[str, int]:
    return {stage: len(origin) for stage, origin in held.dead_letters_of_topic(settings).items()}


def _counts(column: pd.Series) -> dict[Any, int]:
    return {key: int(n) for key, n in column.value_counts().items()}


def _nonzero(counts: pd.Series) -> dict[Any, int]:
    return {key: int(n) for key, n in counts.items() if n}


def _by_name(counts: Any) -> dict[str, int]:
    return {str(key): int(n) for key, n in counts.items()}


def _true(counts: pd.Series) -> int:
    """The count of label true: a terms aggregation calls it 1."""
    return int(counts.get(1, 0))


def stages(settings: Settings, phone: dict[str, Any] | None = None) -> list[Stage]:
    """All stages that have run, in order; the third only if a model was ever trained,
    the fourth only if the demo took a picture of the page.

    ``phone``: what arrived at the simulated phone, if it was asked.
    """
    if elasticsearch(settings).cluster.health()["status"] == "red":
        raise WorkshopError("Elasticsearch is not well (red).", "See `workshop status`.")
    want = truth(settings)
    scored = [stage1(settings, want), stage2(settings, want)]
    if list_models(settings):
        scored.append(stage3(settings, want, phone))
    shown = stage4(settings, want)
    return [*scored, shown] if shown else scored
