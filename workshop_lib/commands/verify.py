"""Commands that look back: ``verify``, ``trace`` and ``reset``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer
from rich.markup import escape
from rich.table import Table

from workshop_lib.runtime.console import AS_JSON, err, out, print_json, say, say_plain
from workshop_lib.settings import Settings

if TYPE_CHECKING:
    from workshop_lib.verify.check import Stage
    from workshop_lib.verify.trace import TracedPlay


def verify(
    as_json: bool = AS_JSON,
) -> None:
    """Score every stage against the ledger of what was planted.

    Exit code 0 only if every check holds. Example: workshop verify --json
    """
    from workshop_lib.verify.score import stages

    with err.status("Comparing the servers with the ledger …"):
        scored = stages(Settings())
    if as_json:
        print_json([stage.as_dict() for stage in scored])
    else:
        print_scorecard(scored)
    raise typer.Exit(0 if all(stage.ok for stage in scored) else 1)


def print_scorecard(scored: list[Stage]) -> None:
    """A table a stage: each check, what was expected, and what there is if that differs."""

    for stage in scored:
        table = Table(title=f"Stage {stage.stage}: {stage.name}", title_justify="left")
        table.add_column("check")
        table.add_column("expected", overflow="fold")
        table.add_column("actual", overflow="fold")
        table.add_column("")
        for check in stage.checks:
            table.add_row(
                check.name,
                escape(_short(check.expected)),
                "the same" if check.expected == check.actual else escape(_short(check.actual)),
                "[green]ok[/green]" if check.ok else "[bold red]WRONG[/bold red]",
            )
        out.print(table)
    wrong = sum(not check.ok for stage in scored for check in stage.checks)
    total = sum(len(stage.checks) for stage in scored)
    say(
        f"[green]All {total} checks hold.[/green]"
        if not wrong
        else f"[red]{wrong} of {total} checks fail.[/red]"
    )


def _short(value: Any) -> str:
    """A value of a check in one or two lines; the JSON report has it whole."""
    if isinstance(value, dict):
        value = ", ".join(f"{key} {number}" for key, number in value.items())
    elif isinstance(value, list) and value:
        first = value[0]
        best = f"{first[0]} ({first[1]})" if isinstance(first, list | tuple) else str(first)
        value = f"{best} first of {len(value)}"
    elif isinstance(value, bool):
        value = "yes" if value else "no"
    elif isinstance(value, int):
        value = f"{value:,}"
    return str(value)


def trace(
    customer_id: int = typer.Argument(help="The listener's id; ids start at 0."),
    last: int = typer.Option(15, "--last", help="How many of the latest plays to show."),
    as_json: bool = AS_JSON,
) -> None:
    """Follow one listener through log, Kafka, stream, Elasticsearch and Redis.

    Example: workshop trace 0
    """

    from workshop_lib.schema.play import when
    from workshop_lib.schema.world import INTEREST_MINUTES, INTEREST_ORDINAL
    from workshop_lib.verify.trace import trace as follow

    with err.status(f"Looking for customer {customer_id} …"):
        found = follow(Settings(), customer_id)
    plays: list[TracedPlay] = found["plays"]
    if as_json:
        print_json({**found, "plays": [{**asdict(p), "delays": p.delays} for p in plays]})
        return
    who = found["listener"]
    known = {name: "unknown" if value in (None, "") else value for name, value in who.items()}
    facts = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in known.items())
    say_plain(facts)
    table = Table(title=f"{len(plays)} plays, the last {min(last, len(plays))}", box=None)
    for column in ("played at, UTC", "event", "line", "Kafka", "→ Kafka", "→ search", "track"):
        table.add_column(
            column, justify="left" if column == "track" else "right", no_wrap=column != "track"
        )
    for play in plays[-last:]:
        delay = play.delays
        table.add_row(
            when(play.played_at)[5:19],
            str(play.event_id),
            _or_dash(play.log_line),
            " ".join(play.kafka) or "–",
            _duration(delay["play_to_kafka"]),
            _duration(delay["kafka_to_elasticsearch"]),
            ("★ " if play.interest else "") + escape(play.title or str(play.track_id)),
        )
    out.print(table)
    out.print(
        "line: of the log; Kafka: partition:offset; ★: "
        f"{INTEREST_ORDINAL} of its track within {INTEREST_MINUTES} minutes."
        " A squeezed replay dates plays long before they reach Kafka.",
        style="dim",
    )
    listed = ", ".join(
        f"{item['track_id']} ({when(item['interested_at'])})" for item in found["interests"]
    )
    say(f"Interest list in Redis: {listed or 'empty'}")
    for offer in found["offers"]:
        say_plain(
            f"Offer after event {offer['event_id']}: score {offer['score']:.3f} by model"
            f" {offer['model_version']}, SMS {offer['status']}"
            f" {_duration(offer['decided_to_sent'])} after the decision"
        )


def _or_dash(value: int | None) -> str:
    return "–" if value is None else str(value)


def _duration(seconds: float | None) -> str:
    """Seconds in the unit a person would say them in; squeezed replays make hours of them."""
    if seconds is None:
        return "–"
    if abs(seconds) < 120:
        return f"{seconds:.2f} s"
    return f"{seconds / 60:.0f} min" if abs(seconds) < 7200 else f"{seconds / 3600:.1f} h"


def reset(
    to_stage: int = typer.Option(
        None, "--to-stage", min=1, max=4, help="Then make what the stages before this one leave."
    ),
    yes: bool = typer.Option(False, "--yes", help="Do not ask."),
) -> None:
    """Clear topics, indices, keys, checkpoints and the live log together.

    The recorded world and the servers stay. With --to-stage, somebody who comes late can start
    that stage a minute later: what the stages before it leave behind is there.

    Example: [b]workshop reset --yes[/b], or [b]workshop reset --to-stage 3[/b]
    """
    from workshop_lib.lessons.begin import start_over
    from workshop_lib.stack.reset import reset as clear

    if not yes:
        typer.confirm("Clear all that flowed through Kafka, Elasticsearch and Redis?", abort=True)
    if to_stage is not None:
        start_over(to_stage)
        return
    removed = clear(Settings())
    say("Cleared: " + ", ".join(f"{number} {kind}" for kind, number in removed.items()) + ".")
