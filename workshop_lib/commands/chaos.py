"""Command ``chaos``: faults under load, and an account of every line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from workshop_lib.runtime.console import err, out, print_json, stop_on_signal


def chaos(
    rounds: int = typer.Option(50, min=0, help="Faults that are injected."),
    seed: int = typer.Option(1, help="Of their order and moments."),
    fault: list[str] = typer.Option(None, "--fault", help="Only this one; may be repeated."),
    report: Path = typer.Option(None, help="Also write the report there, as Markdown."),
    as_json: bool = typer.Option(False, "--json", help="Print the report as JSON."),
) -> None:
    """Inject faults into a pipeline of its own under load, and account for every line.

    Kills, freezes and restarts servers and processes, blocks the store, fills the disk, changes
    the log. Takes about half a minute a round, in a home of its own; what you have stays
    untouched. Only root can fill the disk: the run's home is then a small one of its own, in
    memory. Exit code 0 only if nothing was lost, duplicated or invented, and the checker saw its
    negative controls. Ctrl-C ends it after this round, with the account so far.

    Example: [b]workshop chaos --rounds 5 --seed 7[/b]
    """
    from workshop_lib.runtime.progress import RichProgress
    from workshop_lib.settings import Settings
    from workshop_lib.verify.chaos.run import run

    with stop_on_signal() as stop, RichProgress(err) as progress:
        result = run(Settings().home / "chaos", seed, rounds, fault, progress, stop)
    found = result.as_dict()
    if report:
        report.write_text(markdown(found), encoding="utf-8")
    if as_json:
        print_json(found)
    else:
        out.print(markdown(found), markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(0 if result.ok else 1)


def markdown(report: dict[str, Any]) -> str:
    """The report of a chaos run."""

    def table(rows: list[dict[str, Any]]) -> list[str]:
        names = list(rows[0]) if rows else []
        cells = [[_cell(row[name]) for name in names] for row in rows]
        lines = [[name.replace("_", " ") for name in names], ["---"] * len(names), *cells]
        return ["| " + " | ".join(line) + " |" for line in lines]

    verdict = "nothing lost, duplicated or invented" if report["ok"] else "NOT OK"
    left_out = [{"faults": k, "why": v} for k, v in report["left_out"].items()]
    controls = [{"control": k, "caught": v} for k, v in report["controls"].items()]
    return "\n".join(
        [
            f"# Chaos, seed {report['seed']}, {len(report['rounds'])} rounds: {verdict}",
            "",
            f"`workshop chaos --seed {report['seed']} --rounds {len(report['rounds'])}` took"
            f" {report['seconds'] / 60:.0f} minutes.",
            "",
            *("## Accounts", ""),
            *table(report["accounts"]),
            *("", "## Faults, and seconds until everything flowed again", ""),
            *table(report["faults"]),
            *(("", "## Left out", "", *table(left_out)) if left_out else ()),
            *("", "## Negative controls", ""),
            *table(controls),
            "",
        ]
    )


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {number}" for name, number in value.items()) or "–"
    if isinstance(value, bool):
        return "yes" if value else "NO"
    return "–" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
