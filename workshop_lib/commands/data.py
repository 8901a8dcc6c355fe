"""Commands of the recorded world: ``data generate``, ``data import`` and ``data describe``."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import typer
from rich.markup import escape
from rich.table import Table

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime.console import AS_JSON, err, out, print_json, say
from workshop_lib.runtime.progress import RichProgress
from workshop_lib.settings import Settings

FOLDER = typer.Option(
    None, help="Where the world lies. [default: WORKSHOP_DATA or .workshop/world]"
)
FORCE = typer.Option(False, "--force", help="Replace the world that is there.")


def generate(
    seed: int = typer.Option(7, help="The same seed makes the same world, byte by byte."),
    customers: int | None = typer.Option(
        None, help="Their ids are from 0. [default: 2000; 5000 with --full]"
    ),
    tracks: int | None = typer.Option(
        None, help="Their ids are from 0. [default: 500; 1750 with --full]"
    ),
    plays: int | None = typer.Option(
        None, help="Lines of tracks.csv, broken ones too. [default: 200000; 1000000 with --full]"
    ),
    days: int | None = typer.Option(
        None, help="How long the record is. [default: 14; 30 with --full]"
    ),
    until: str = typer.Option(
        "2026-01-05T00:00:00",
        help="The end of the world, UTC, or now (to the minute, by WORKSHOP_TIMEZONE).",
    ),
    full: bool = typer.Option(False, "--full", help="The size of the original demo's files."),
    folder: Path | None = FOLDER,
    force: bool = FORCE,
    as_json: bool = AS_JSON,
) -> None:
    """Make a world: customers, tracks, plays, ad clicks, and the ledger of what is true.

    Example: workshop data generate --seed 7 --until now
    """
    from workshop_lib.world import generate as world

    asked = {"customers": customers, "tracks": tracks, "plays": plays, "days": days}
    sizes = (world.FULL if full else world.DEMO) | {k: v for k, v in asked.items() if v is not None}
    folder = _free(folder, force)
    with RichProgress(err) as progress:
        summary = world.generate(
            folder,
            seed=seed,
            until=parse_until(until),
            progress=progress,
            **sizes,
        )
    if as_json:
        print_json(summary)
        return
    kinds = ", ".join(f"{n:,} {kind.replace('_', ' ')}" for kind, n in summary["kinds"].items())
    say(f"{summary['lines']:,} lines in {folder}: {kinds}.")
    say(
        f"{len(summary['bursts'])} planted bursts, {summary['interests']['hits']:,} interests in"
        f" all, {summary['clicks']['takers']:,} takers of the offer."
        " Look: workshop data describe"
    )


def parse_until(text: str) -> datetime:
    """``now``, to the minute and by the clocks of WORKSHOP_TIMEZONE, or an ISO date and time, UTC
    unless it says otherwise."""
    if text == "now":
        from workshop_lib.world.generate import this_minute

        return this_minute(Settings().timezone)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is no date and time such as 2026-01-05T00:00:00", param_hint="--until"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def import_(
    source: Path = typer.Argument(
        help="Folder with tracks.csv, cust.csv, music.csv, clicks.csv; with --from, a file."
    ),
    of: Literal["spotify", "lastfm", "listenbrainz"] | None = typer.Option(
        None, "--from", help="SOURCE is your own listening: the export of such an account."
    ),
    days: int = typer.Option(14, help="With --from: the last so many days of it."),
    timezone: str | None = typer.Option(
        None, help="With --from: where you listen, as Asia/Seoul. [default: WORKSHOP_TIMEZONE]"
    ),
    folder: Path | None = FOLDER,
    force: bool = FORCE,
    as_json: bool = AS_JSON,
) -> None:
    """Import files of plays, or your own listening; report what was accepted, and what not and why.

    Refused lines go to rejected.jsonl beside the world. Your own listening becomes one listener
    among simulated ones, and stays on this machine.

    Example: workshop data import ~/music

    Example: workshop data import --from spotify my_spotify_data.zip --timezone Asia/Seoul
    """
    from workshop_lib.world.import_ import import_ as import_files
    from workshop_lib.world.own_world import import_listening

    folder = _free(folder, force)
    with RichProgress(err) as progress:
        if of:
            report = import_listening(
                of,
                source,
                folder,
                days=days,
                timezone=timezone or Settings().timezone,
                progress=progress,
            )
        else:
            report = import_files(source, folder, progress=progress)
    if as_json:
        print_json(report)
        return
    _print_accounts(report)
    refused = sum(account["rejected"] for account in report["files"].values())
    where = f" Refused lines: {folder / 'rejected.jsonl'}." if refused else ""
    if of:
        _print_listening(report["listening"], where)
    else:
        _print_recording(report, where)


def _print_accounts(report: dict[str, Any]) -> None:
    """What became of the lines of each file."""
    table = Table()
    for name in ("file", "lines", "accepted", "rejected", "header", "blank", "mended"):
        table.add_column(name, justify="left" if name == "file" else "right", overflow="fold")
    for name, account in report["files"].items():
        table.add_row(name, *(f"{account[column.header]:,}" for column in table.columns[1:]))
    out.print(table)
    for line in _remarks(report):
        say(f"  {escape(line)}")


def _print_recording(report: dict[str, Any], where: str) -> None:
    sorted_ = (
        f", {report['out_of_order']:,} of them sorted by time" if report["out_of_order"] else ""
    )
    say(
        f"{report['distinct_plays']:,} plays from {report['first']} to {report['last']}{sorted_}"
        f"; {report['kinds']['duplicate']:,} repeated lines. Dates without a time zone are taken"
        f" as UTC.{where}"
    )


def _print_listening(found: dict[str, Any], where: str) -> None:
    older = f"; {found['older']:,} older ones are left out (--days)" if found["older"] else ""
    say(
        f"Your {found['plays']:,} plays of {found['tracks']:,} tracks from {found['first']} to"
        f" {found['last']} ({found['timezone']}) are among the simulated ones{older}.{where}"
    )
    say(
        f"You are customer {found['customer_id']}, with {found['interests']:,} interests: `workshop"
        f" trace {found['customer_id']}`. Your device, place, age and gender are unknown."
    )


def _remarks(report: dict[str, Any]) -> Iterator[str]:
    """What the reader recognised, changed, refused and could not match, in words."""
    consequence = {
        "music.csv": "title and artist of all tracks are unknown",
        "clicks.csv": "no model can be trained, so Stage 3 makes no offers",
    }
    for name, account in report["files"].items():
        for note in account["notes"]:
            yield f"{name}: {note}"
        for form, (number, example) in account["read_as"].items():
            yield f"{name}: {number:,} × {form}, for example {example!r}"
        for reason, number in account["reasons"].items():
            remedy = f"; convert it: iconv -f WINDOWS-1252 -t UTF-8 {name}" * (
                reason == "not UTF-8"
            )
            yield f"{name}: {number:,} × {reason}; {account['examples'][reason]}{remedy}"
        if name in consequence and not account["lines"]:
            yield f"{name} is empty: {consequence[name]}."
    for name in report.get("missing", []):
        yield f"There is no {name}: {consequence[name]}."
    where = {
        "customers": "of customers that cust.csv does not have",
        "tracks": "of tracks that music.csv does not have",
        "zips": "in no state, as no list has their zip",
    }
    for what, found in report.get("unmatched", {}).items():
        if found["plays"] and not (what == "tracks" and "music.csv" in report["missing"]):
            yield f"{found['plays']:,} plays {where[what]}, for example {found['example']!r}"


def describe(folder: Path | None = FOLDER, as_json: bool = AS_JSON) -> None:
    """Tell what is in the recorded world.

    Example: workshop data describe --folder data/sample
    """
    from workshop_lib.settings import Settings
    from workshop_lib.world.describe import describe as summarise

    with err.status("Counting …"):
        found = summarise(_folder(folder), Settings().timezone)
    if as_json:
        print_json(found)
    else:
        _print_description(found)


def _print_description(found: dict[str, Any]) -> None:

    from workshop_lib.schema.world import INTEREST_MINUTES, INTEREST_ORDINAL

    people, tracks = found["customers"], found["tracks"]
    say(
        f"[b]{found['plays']:,} plays[/b] from {found['first']} to {found['last']}"
        f" ({found['timezone']}), in {found['lines']:,} lines\n"
        f"[b]{people['number']:,} customers[/b], {people['who played']:,} ids that played,"
        f" {people['closed']:,} closed accounts\n"
        f"[b]{tracks['number']:,} tracks[/b] by {tracks['artists']:,} artists\n"
        f"[b]{found['interests']['hits']:,} interests[/b] ({INTEREST_ORDINAL} play of a track"
        f" within {INTEREST_MINUTES} min)"
    )
    for name, counts in found["totals"].items():
        out.print(_bars(f"plays by {name.replace('_', ' ')}", counts))
    for title, counts in (
        ("customers by level", people["level"]),
        ("lines by kind", found["kinds"]),
        ("malformed lines by reason", found["malformed"]),
        ("planted bursts", found["interests"]["bursts"]),
        ("ad clicks", found["clicks"]),
    ):
        if counts:
            out.print(_bars(escape(title), counts))


def _bars(title: str, counts: dict[str, int]) -> Any:
    """A table with a bar per row, the longest for the most."""

    table = Table(title=title, title_justify="left", box=None, show_header=False, pad_edge=False)
    most = max(counts.values(), default=1) or 1
    for label, number in counts.items():
        table.add_row(escape(label), f"{number:>9,}", "█" * round(30 * number / most))
    return table


def _folder(folder: Path | None) -> Path:
    return folder or Settings().world


def _free(folder: Path | None, force: bool) -> Path:
    """The folder to write to. An earlier world is replaced only with --force."""
    folder = _folder(folder)
    if (folder / "tracks.csv").exists() and not force:
        raise WorkshopError(f"There is a world in {folder} already.", "Add --force to replace it.")
    return folder
