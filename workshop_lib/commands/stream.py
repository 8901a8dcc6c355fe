"""Commands of the stream part."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Any

import typer

from workshop_lib.runtime.console import AS_JSON, err, print_json, quiet_clients, stop_on_signal
from workshop_lib.settings import Settings


class Name(StrEnum):
    plays = "plays"
    aggregates = "aggregates"
    interests = "interests"
    targets = "targets"


def stream(
    queries: list[Name] = typer.Argument(None, help="Which of them; all by default."),
    available_now: bool = typer.Option(
        False, "--available-now", help="End when all that is in the topic now is done."
    ),
    as_json: bool = AS_JSON,
) -> None:
    """Stages 2 and 3: plays from Kafka through Spark into Elasticsearch and Redis.

    Joins each play with its listener, track and place, counts plays per minute, finds who
    plays the same track again and again, and offers a day of Gold to whom the current model
    chooses. Runs until Ctrl-C, which lets the running batch end; the next start continues from
    there.

    Example: [b]workshop stream[/b], or [b]workshop stream interests --available-now[/b]
    """
    from rich.live import Live

    from workshop_lib.marketing.targets import targets_query
    from workshop_lib.stream.run import run

    quiet_clients()
    names = [name.value for name in queries or Name]
    lines = dict.fromkeys(names, "waiting for the first batch …")

    def text() -> str:
        return "\n".join(f"{name:<11}{line}" for name, line in lines.items())

    with stop_on_signal() as stop, Live(text(), console=err, auto_refresh=False) as live:

        def report(name: str, progress: dict[str, Any]) -> None:
            lines[name] = line(progress)
            live.update(text(), refresh=True)

        more = {Name.targets.value: targets_query}
        result = run(Settings(), names, available_now, stop, report, more)
    if as_json:
        print_json(result)


def line(progress: dict[str, Any]) -> str:
    """One query's progress, in one line."""
    read, lag, left = progress["input_rows"], progress["lag"], progress["seconds_left"]
    of = f" of {read + lag:,} ({read / (read + lag):.0%})" if lag else ""
    still = f"  {timedelta(seconds=round(left))} left" if lag and left else ""
    return (
        f"batch {progress['batch']}  {read:,}{of} read  "
        f"{progress['rows_per_second']:,.0f} rows/s  {progress['written']:,} written  "
        f"{progress['dead_lettered']:,} dead letters  "
        f"{progress['dropped_by_watermark']:,} too late{still}"
    )
