"""Make a world: the files of a music site, and the ledger of what is true of it.

In: a seed and sizes. Out: cust.csv, music.csv, tracks.csv, clicks.csv, optouts.csv,
ledger.parquet, ledger_customers.parquet and ledger.json (formats: data/README.md). The same
arguments give the same bytes. Serves all stages.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime.progress import Progress, silent
from workshop_lib.schema.play import MalformedPlay, Play, parse, to_line
from workshop_lib.world import ledger
from workshop_lib.world.behaviour import listen
from workshop_lib.world.bursts import Bursts, plant, undisturbed
from workshop_lib.world.catalogue import make_catalogue, tracks_table
from workshop_lib.world.clicks import CAUSES, STEEPNESS, Clicks, click, opt_outs
from workshop_lib.world.faults import BREAK, KIND_NAMES, MALFORMED, arrive, counts
from workshop_lib.world.people import People, customers_table, make_people
from workshop_lib.world.plays import SECOND, UNKNOWN_ZIPS, Plays, csv_lines, zip_list
from workshop_lib.world.publish import staged
from workshop_lib.world.randomness import Ints, rng

#: A Monday's first moment. Fixed, so that the same command makes the same world on any day.
UNTIL: Final = datetime(2026, 1, 5, tzinfo=UTC)
DEMO: Final = {"customers": 2000, "tracks": 500, "plays": 200_000, "days": 14}
#: The world of the demo, of the notebooks and of the exercises: two weeks.
WORLD: Final[dict[str, Any]] = {"seed": 7, **DEMO}
#: The size of the original demo's files.
FULL: Final = {"customers": 5000, "tracks": 1750, "plays": 1_000_000, "days": 30}
#: Share of plays by customers, of tracks, at zips that are in no file.
UNKNOWN_SHARE: Final = 0.001
LIMITS: Final = {
    "customers": (50, 5_000_000),
    "tracks": (50, 1_000_000),
    "plays": (1_000, 20_000_000),
    "days": (3, 366),
}


def this_minute(zone: str, now: datetime | None = None) -> datetime:
    """What the clocks of ``zone`` show, as the world writes local times: as if it were UTC.

    A world that ends then has its evenings where the page, in that zone, has today's; a replay
    moves its last play to now.
    """
    local = (now or datetime.now(UTC)).astimezone(ZoneInfo(zone))
    return local.replace(second=0, microsecond=0, tzinfo=UTC)


def generate(
    folder: Path,
    *,
    seed: int = 7,
    customers: int = 2000,
    tracks: int = 500,
    plays: int = 200_000,
    days: int = 14,
    until: datetime = UNTIL,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Write a world into ``folder``, in place of the one that may be there; its ledger.json.

    ``plays`` is the number of lines of tracks.csv, broken and repeated ones included; they
    end at ``until`` (aware; whole seconds count) and span ``days``. ``report`` is called with
    each step. Raises ``WorkshopError`` for sizes out of ``LIMITS``.
    """
    sizes = {"customers": customers, "tracks": tracks, "plays": plays, "days": days}
    _check(sizes, seed)
    until = until.astimezone(UTC).replace(microsecond=0)

    progress("Making the world: customers and tracks")
    people = make_people(seed, customers, days, until)
    catalogue = make_catalogue(seed, tracks)
    bursts = plant(people, tracks, seed, days, until)
    zips = zip_list(people.zip, people.trip_zip)

    progress("Making the world: plays")
    *_, duplicates, _ = counts(plays)
    wanted = plays - duplicates - int(np.count_nonzero(bursts.twice)) - len(bursts.plays)
    if wanted < plays // 2:
        raise WorkshopError(f"{plays} plays are too few for {days} days.", "Ask for fewer days.")
    spare = wanted // 100 + 40 * int(bursts.burst[-1] + 1)
    natural = listen(people, catalogue, seed, wanted + spare, days, until)
    natural = _exactly(natural.take(undisturbed(natural, bursts)), wanted, seed)
    natural, unknown = _some_unknown(natural, len(people), tracks, len(zips), seed)
    both = Plays.concat([natural, bursts.plays])
    order = np.argsort(both.played_at, kind="stable")
    true = both.take(order)
    planted = order >= len(natural)
    burst_row = np.empty(len(bursts.plays), dtype=np.int64)
    burst_row[order[planted] - len(natural)] = np.flatnonzero(planted)
    delay, twice = np.zeros((2, len(true)), dtype=np.int64)
    delay[burst_row], twice[burst_row] = bursts.delay, bursts.twice

    progress("Making the world: faults")
    lines = arrive(true, ~planted, delay, twice, plays, seed)
    event_id = lines.row + 1  # ids are given when a track starts, so in the order of event time
    arrived = true.take(lines.row)
    malformed = np.flatnonzero(lines.kind == MALFORMED)
    malformed_lines, reason = _break(
        arrived, event_id, zips, malformed, lines.fault, lines.row, until
    )

    progress("Making the world: clicks")
    sound = np.ones(len(true), dtype=bool)
    sound[list(lines.fault)] = False
    happened = true.take(sound)
    clicks = click(people, happened, seed, days, until)
    would_take = clicks.customers["would_take"].to_numpy()
    silent = opt_outs(would_take, seed)

    progress("Making the world: files")
    summary = {
        "parameters": {"seed": seed, **sizes, "until": until.isoformat()},
        "lines": len(lines.row),
        "distinct_plays": len(happened),
        "kinds": _tally(lines.kind, KIND_NAMES),
        "malformed": {name: list(lines.fault.values()).count(name) for name in BREAK},
        "unknown": unknown,
        "interests": {"hits": ledger.count_hits(happened)},
        "totals": _totals(people, happened, zips),
        "clicks": _clicks_summary(clicks),
        "optouts": {"customers": len(silent), "would_take": int(would_take[silent].sum())},
        "bursts": _bursts_summary(bursts, burst_row + 1),
    }
    with staged(folder) as making, ThreadPoolExecutor(1) as aside:
        table = aside.submit(
            lambda: ledger.write_lines(
                ledger.line_table(lines.kind, event_id, arrived, zips, reason),
                making / "ledger.parquet",
            )
        )
        with (making / "tracks.csv").open("wb") as file:
            file.writelines(csv_lines(event_id, arrived, zips, malformed_lines))
        _write(customers_table(people, seed, until), making / "cust.csv")
        _write(tracks_table(catalogue), making / "music.csv")
        _write(clicks.table, making / "clicks.csv", csv.QUOTE_MINIMAL)
        _write(pd.DataFrame({"CustID": silent}), making / "optouts.csv")
        clicks.customers.to_parquet(making / "ledger_customers.parquet", index=False)
        (making / "ledger.json").write_text(json.dumps(summary, indent=1) + "\n")
        table.result()
    return summary


def _check(sizes: dict[str, int], seed: int) -> None:
    for name, (low, high) in LIMITS.items():
        if not low <= sizes[name] <= high:
            raise WorkshopError(
                f"{sizes[name]:,} {name} is out of range.", f"Ask for {low:,} to {high:,}."
            )
    if seed < 0:
        raise WorkshopError("The seed is negative.", "Take 0 or more.")


def _exactly(plays: Plays, wanted: int, seed: int) -> Plays:
    """``wanted`` of the plays, chosen at random."""
    if len(plays) < wanted:
        raise WorkshopError(
            "The planted bursts leave too few other plays.", "Ask for more customers or plays."
        )
    keep = np.ones(len(plays), dtype=bool)
    out = rng(seed, "trim").choice(len(plays), len(plays) - wanted, replace=False)
    keep[out] = False
    return plays.take(keep)


def _some_unknown(
    plays: Plays, customers: int, tracks: int, places: int, seed: int
) -> tuple[Plays, dict[str, int]]:
    """Some plays of customers, tracks and zips that are in no file, and how many."""
    draw = rng(seed, "unknown")
    size = max(round(UNKNOWN_SHARE * len(plays)), 2)
    rows = draw.choice(len(plays), 3 * size, replace=False).reshape(3, size)
    customer, track, place = plays.customer.copy(), plays.track.copy(), plays.place.copy()
    customer[rows[0]] = customers + draw.integers(0, 20, size)
    track[rows[1]] = tracks + draw.integers(0, 20, size)
    place[rows[2]] = places - 1 - draw.integers(0, len(UNKNOWN_ZIPS), size)
    made = Plays(plays.played_at, customer, track, plays.mobile, place)
    return made, {"customers": size, "tracks": size, "zips": size}


def _break(
    arrived: Plays,
    event_id: Ints,
    zips: np.ndarray,
    rows: Ints,
    fault: dict[int, str],
    play_of: Ints,
    until: datetime,
) -> tuple[dict[int, bytes], dict[int, str]]:
    """The bytes of the malformed lines, and why the parser refuses each."""
    latest = int(until.timestamp()) * SECOND
    lines, reasons = {}, {}
    for row in rows.tolist():
        line = to_line(
            Play(
                int(event_id[row]),
                int(arrived.customer[row]),
                int(arrived.track[row]),
                int(arrived.played_at[row]),
                bool(arrived.mobile[row]),
                str(zips[arrived.place[row]]),
            )
        )
        name = fault[int(play_of[row])]
        lines[row] = BREAK[name](line.decode().split(","))
        try:
            parse(lines[row], latest)
        except MalformedPlay as error:
            reasons[row] = str(error)
        else:
            raise AssertionError(f"the fault {name!r} broke nothing: {lines[row]!r}")
    return lines, reasons


def _totals(people: People, plays: Plays, zips: np.ndarray) -> dict[str, dict[str, int]]:
    customers = pd.DataFrame(
        {
            "gender": people.gender,
            "level": people.level,
            "birth_year": np.where(people.birth_year > 0, people.birth_year, np.nan),
        }
    )
    per_place = np.bincount(plays.place, minlength=len(zips)).tolist()
    per_zip: Counter[str] = Counter()
    for code, number in zip(zips.tolist(), per_place, strict=True):
        per_zip[code] += number
    return ledger.totals(customers, plays.customer, plays.played_at, plays.mobile, per_zip)


def _tally(codes: Ints, names: tuple[str, ...]) -> dict[str, int]:
    return dict(zip(names, np.bincount(codes, minlength=len(names)).tolist(), strict=True))


def _clicks_summary(clicks: Clicks) -> dict[str, Any]:
    return {
        "from": clicks.start.isoformat(),
        "to": clicks.end.isoformat(),
        "takers": int(clicks.customers["would_take"].sum()),
        "by_ad": {ad: int(n) for ad, n in clicks.table["AdClicked"].value_counts().items()},
        "why": "p = 1 / (1 + exp(-steepness × (Σ weight × (habit − middle) / spread − threshold)))",
        "steepness": STEEPNESS,
        "threshold": clicks.threshold,
        "causes": {
            name: {"middle": middle, "spread": spread, "weight": weight}
            for name, (middle, spread, weight) in CAUSES.items()
        },
    }


def _bursts_summary(bursts: Bursts, event_id: Ints) -> list[dict[str, Any]]:
    """Each burst with its event ids and those of them that are hits; times in ms since 1970."""
    starts = np.searchsorted(bursts.burst, np.arange(len(bursts.kinds) + 1))
    summary = []
    for number, kind in enumerate(bursts.kinds):
        rows = slice(starts[number], starts[number + 1])
        ids = event_id[rows].tolist()
        summary.append(
            {
                "why": kind.why,
                "customer_id": int(bursts.plays.customer[rows][0]),
                "track_id": int(bursts.plays.track[rows][0]),
                "played_at": bursts.plays.played_at[rows].tolist(),
                "event_ids": ids,
                "hits": [ids[i] for i in kind.hits],
            }
        )
    return summary


def _write(table: pd.DataFrame, path: Path, quoting: Literal[0, 2] = csv.QUOTE_NONNUMERIC) -> None:
    """As the original's files: a plain header, then text in quotes and numbers without."""
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(",".join(table.columns) + "\n")
        table.to_csv(file, index=False, header=False, quoting=quoting, lineterminator="\n")
