"""The command ``workshop demo``."""

from __future__ import annotations

import sys
import webbrowser

import typer

from workshop_lib.commands.stack import WITHOUT
from workshop_lib.runtime.console import err, say
from workshop_lib.runtime.progress import RichProgress
from workshop_lib.settings import Settings


def demo(
    keep: bool = typer.Option(False, "--keep", help="Leave the servers up afterwards."),
    yes: bool = typer.Option(False, "--yes", help="Do not ask before clearing earlier work."),
    docker: bool = typer.Option(False, "--docker", help="On the servers of docker/compose.yaml."),
    without: list[str] = WITHOUT,
    full: bool = typer.Option(False, "--full", help="All of a million plays, not the last day."),
    five: bool = typer.Option(
        False, "--five", help="On stage: the page opens, and each step says what to look at."
    ),
) -> None:
    """Run everything end to end and print the scorecard: two or three minutes.

    Starts the servers, makes a world, trains a model on its past, replays its last day at
    great speed, ships it into Elasticsearch and Kafka, streams it through Spark, offers a day
    of Gold to whom the model chooses, shows it all on the live page, and compares all results
    with what was planted.
    With --full it replays a month of a million plays, which takes several minutes.
    With --five it tells the story of it in five minutes and leaves the servers up.
    Exit code 0 only if every check holds. With --docker it starts all that stack's servers in
    turn, runs inside a container, and compares Logstash with the shipper.
    Examples: workshop demo --keep, or workshop demo --five
    """
    from workshop_lib import stack
    from workshop_lib.commands.stack import settings_of
    from workshop_lib.commands.verify import print_scorecard
    from workshop_lib.lessons import demo as whole
    from workshop_lib.page import server as web
    from workshop_lib.verify.check import Check, Stage

    settings = settings_of(docker)
    if five and (full or settings.stack == "docker"):
        raise typer.BadParameter("--five is the small demo on the embedded servers.")
    keep = keep or five
    if not yes and sys.stdin.isatty() and _someones_work(settings):
        typer.confirm("This clears what you replayed and streamed before. Go on?", abort=True)
    if settings.stack == "docker":
        raise typer.Exit(_on_docker(settings, keep, without))
    try:
        with RichProgress(err) as progress:
            shown = (_tell, webbrowser.open) if five else ()
            result = whole.run(settings, progress, full, *shown)
        scored = [
            Stage(s["stage"], s["name"], [Check(**c) for c in s["checks"]])
            for s in result["stages"]
        ]
        print_scorecard(scored)
        phases = ", ".join(f"{name} {seconds:g} s" for name, seconds in result["seconds"].items())
        say(
            f"{result['plays']:,} plays, {result['plays_per_second']:,} a second; "
            f"at most {result['peak_memory_gib']} GiB resident, servers and Spark together."
        )
        picture = settings.reports / "page.png"
        say(
            f"The live page{'' if keep else ' was'}: {web.address(settings)}"
            + (f", its picture: {picture}" if picture.exists() else "")
        )
        say(f"{phases}. Report: {settings.reports / 'demo.json'}")
        if five:
            _closing()
    finally:
        if not keep:
            stack.down(settings)
    if not five:
        say("What to try next:")
        for line in NEXT if keep else NEXT_AFTER_DOWN:
            say("  " + line)
    raise typer.Exit(0 if result["ok"] else 1)


def _tell(phase: str) -> None:
    """What to look at in this phase, above the bars."""
    from workshop_lib.lessons.five_minutes import STORY

    if phase in STORY:
        err.print(f"\n[bold]{STORY[phase]}[/bold]\n")


def _closing() -> None:
    """One listener, the dead letters, and where to go on."""
    from workshop_lib.commands.ingest import dlq_show
    from workshop_lib.commands.verify import trace
    from workshop_lib.lessons.five_minutes import DEAD_LETTERS, END, TRACE

    say(f"\n[bold]{TRACE}[/bold]\n")
    trace(0, last=23, as_json=False)
    say(f"\n[bold]{DEAD_LETTERS}[/bold]\n")
    dlq_show(limit=3, everything=False, as_json=False)
    say(f"\n[bold]{END}[/bold]")


def _on_docker(settings: Settings, keep: bool, without: list[str]) -> int:
    """The demo on the Docker stack; the exit code."""
    from workshop_lib import stack
    from workshop_lib.commands.verify import print_scorecard
    from workshop_lib.lessons import demo_docker
    from workshop_lib.verify.check import Check, Stage

    # What fails is left as it is: with the containers their logs would go.
    result = demo_docker.run(settings, without)
    if not keep:
        stack.down(settings)
    if "logstash" not in without:
        first = result["stages"][0]
        last = Check(**first["checks"][-1])
        print_scorecard([Stage(first["stage"], "the same by Logstash", [last])])
    say(f"Report: {settings.reports / 'demo-docker.json'}")
    return 0 if result["ok"] else 1


NEXT = (
    "workshop trace 0           follow one listener through every hop",
    "workshop verify            the scorecard again",
    "workshop dlq show          what was refused, and why",
    "workshop down              stop the servers",
)
NEXT_AFTER_DOWN = (
    "workshop demo --keep       the same, with the servers left up to look around",
    "workshop lab               the guided walk, step by step",
)


def _someones_work(settings: Settings) -> bool:
    """Whether there is a replay that the demo did not make."""
    from workshop_lib.ingest.replay import read_state
    from workshop_lib.lessons.demo import mark

    return read_state(settings) is not None and not mark(settings).exists()
