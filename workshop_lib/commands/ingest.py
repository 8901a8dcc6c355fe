"""Commands of the way in: ``replay``, ``ship`` and ``dlq``."""

from __future__ import annotations

import time
from pathlib import Path

import typer
from rich.markup import escape
from rich.table import Table

from workshop_lib.runtime.console import (
    AS_JSON,
    err,
    out,
    print_json,
    quiet_clients,
    say,
    say_plain,
    stop_on_signal,
)
from workshop_lib.runtime.progress import RichProgress
from workshop_lib.settings import Settings


def replay(
    speed: float | None = typer.Option(
        None,
        "--speed",
        help="So many times as fast as recorded; 1 (the default) means random pauses, with"
        " each play dated as it is written.",
    ),
    rate: float | None = typer.Option(None, "--rate", help="So many lines a second."),
    last: float | None = typer.Option(
        None, "--last", help="Only the last so many hours of the recording."
    ),
    limit: int | None = typer.Option(
        None, "--limit", help="So many lines at most; the next run continues after them."
    ),
    restart: bool = typer.Option(
        False, "--restart", help="Start from the beginning, with new event ids: as new plays."
    ),
    seed: int = typer.Option(7, "--seed", help="Of the random pauses."),
) -> None:
    """Replay the recorded plays: append them to the live log, dated today.

    Stopped by Ctrl-C or a crash, the next run continues where it stopped. Every date is moved
    by the same time, none into the future.

    Example: workshop replay --speed 2000 --last 24
    """
    from workshop_lib.ingest.replay import read_state
    from workshop_lib.ingest.replay import replay as run

    settings = Settings()
    before = None if restart else read_state(settings)
    with stop_on_signal() as stop, RichProgress(err) as progress:
        progress("Reading the recording")
        state = run(
            settings,
            speed=speed,
            rate=rate,
            last_hours=last,
            limit=limit,
            restart=restart,
            seed=seed,
            stop=stop,
            progress=progress,
        )
    lines = state.next_line - state.first_line
    if before and before.done and not restart:
        say(
            f"All {lines:,} lines were replayed before. `workshop replay --restart` replays them"
            " once more, as new plays; `workshop reset` removes what they became."
        )
        return
    total = state.last_line - state.first_line
    say(f"{lines:,} of {total:,} lines are in {settings.live_log}.")
    if restart and state.id_shift:
        say(
            f"They are new plays, with event ids from {state.id_shift:,}: those of earlier replays"
            " stay in the stores, so `workshop verify` needs a `workshop reset` before."
        )
    if not state.done:
        say("`workshop replay` continues from here.")


def ship(
    to: str = typer.Option(..., "--to", help="elasticsearch (Stage 1) or kafka (Stage 2)."),
    once: bool = typer.Option(False, "--once", help="Stop at the end of the log."),
    as_json: bool = AS_JSON,
) -> None:
    """Follow the live log and deliver every line of it, until Ctrl-C.

    It remembers its place; while the server is away it waits. Lines that are no plays go to
    the dead letters (see `workshop dlq show`).

    Example: workshop ship --to kafka
    """
    from dataclasses import asdict

    from workshop_lib.ingest.ship import ship as run

    quiet_clients()
    settings = Settings()
    with stop_on_signal() as stop, RichProgress(err) as progress:
        begin = time.monotonic()
        report = run(settings, to, once=once, stop=stop, progress=progress)
        seconds = time.monotonic() - begin
    if as_json:
        print_json({**asdict(report), "position": report.position._asdict(), "seconds": seconds})
        return
    say(
        f"{report.lines:,} lines to {to}: {report.accepted:,} accepted, {report.rejected:,}"
        f" rejected, {report.lines / seconds:,.0f} lines/s."
    )
    for reason, number in sorted(report.reasons.items(), key=lambda item: -item[1]):
        say_plain(f"  {number:,} × {reason}")


def dlq_show(
    limit: int = typer.Option(20, "--limit", help="The latest so many; 0 for all."),
    everything: bool = typer.Option(False, "--all", help="Also those that were replayed."),
    as_json: bool = AS_JSON,
) -> None:
    """Show dead letters of the topic, of Stage 1's file and of the outbox: reason, origin, text.

    Example: workshop dlq show --limit 5
    """
    from collections import Counter

    from workshop_lib.ingest.dead_letters import reason_kind
    from workshop_lib.ingest.dlq_replay import stored_letters
    from workshop_lib.runtime.console import printable

    quiet_clients()
    with err.status("Collecting dead letters …"):
        held = stored_letters(Settings())
    shown = [item for item in held if everything or not item.replayed]
    counts = Counter(reason_kind(item.letter.reason) for item in shown)
    if as_json:
        print_json({"counts": counts, "letters": [item.record() for item in shown]})
        return
    replayed = sum(item.replayed for item in held)
    say(f"{len(held) - replayed:,} dead letters wait, {replayed:,} were replayed.")
    for reason, number in counts.most_common():
        say_plain(f"  {number:,} × {reason}")
    if not shown:
        return
    last = shown[-limit:] if limit else shown
    table = Table(title=f"The latest {len(last)}", title_justify="left")
    for column in ("from", "offset", "stage", "reason", "text"):
        table.add_column(column, overflow="fold")
    for item in last:
        letter = item.letter
        text = letter.text if len(letter.text) <= 200 else letter.text[:200] + " …"
        cells = (letter.source, str(letter.offset), letter.stage, letter.reason, text)
        # Also line ends: they would tear the table apart.
        table.add_row(*(escape(printable(cell).replace("\n", "\\n")) for cell in cells))
    out.print(table)


def dlq_replay(
    edit: Path | None = typer.Option(
        None, "--edit", help="A file of corrected letters; only these are tried."
    ),
    as_json: bool = AS_JSON,
) -> None:
    """Deliver dead letters again: plays, documents of the stream, messages, to where they belong.

    Each is delivered once; the others stay. To repair letters: write them to a file, change their
    "text", take out those that you do not want to send, and replay the file:

    workshop dlq show --json > letters.json

    workshop dlq replay --edit letters.json

    Example: workshop dlq replay
    """
    from workshop_lib.ingest.dlq_replay import corrections, replay_dead_letters

    quiet_clients()
    edited = corrections(edit) if edit else None
    with err.status("Trying dead letters again …"):
        outcome = replay_dead_letters(Settings(), edited)
    left = dict(outcome.left.most_common())
    if as_json:
        print_json({"replayed": outcome.replayed, "replayed_before": outcome.before, "left": left})
        return
    say(
        f"{outcome.replayed:,} went on, {outcome.before:,} had before, {sum(left.values()):,} stay."
    )
    for reason, number in left.items():
        say_plain(f"  {number:,} × {reason}")
