"""The command that erases a listener."""

from __future__ import annotations

import typer
from rich.table import Table

from workshop_lib.runtime.console import AS_JSON, out, print_json
from workshop_lib.settings import Settings


def forget(
    customer: int = typer.Argument(..., min=0, help="Customer id."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Search and count; erase nothing."),
    as_json: bool = AS_JSON,
) -> None:
    """Erase a listener from every store, file and model of this home, and prove it.

    Searches the recorded world, the log, topics, checkpoints, indices, Redis, dead letters,
    model snapshots and printed logs; erases; and searches all of them again. Refuses while
    something runs that could write the listener again. Counts without a name stay. Where plays
    were in the topic, the next `workshop stream` reads the topic again from its beginning.

    Example: [b]workshop forget 17 --dry-run[/b], then [b]workshop forget 17[/b]
    """
    from workshop_lib.forget.run import forget as erase

    rows = erase(Settings(), customer, dry_run)
    if as_json:
        print_json([row._asdict() for row in rows])
        return
    table = Table("store", "found", "erased", "left", title_justify="left")
    for row in rows:
        left = "–" if row.left is None else str(row.left)
        table.add_row(row.store, f"{row.found:,}", f"{row.erased:,}", left)
    out.print(table)


def expire(
    dry_run: bool = typer.Option(False, "--dry-run", help="Count; delete nothing."),
    as_json: bool = AS_JSON,
) -> None:
    """Delete the documents of Elasticsearch that are older than their index keeps them.

    How long each store keeps what is in workshop_lib/schema/retention.py. Kafka and Redis delete
    by themselves; for Elasticsearch run this once a day (cron).

    Example: [b]workshop expire --dry-run[/b]
    """
    from workshop_lib.forget.expire import expire as delete

    found = delete(Settings(), dry_run)
    if as_json:
        print_json(found)
        return
    table = Table("index", "too old" if dry_run else "deleted")
    for index, count in found.items():
        table.add_row(index, f"{count:,}")
    out.print(table)
