"""Commands for learners and rooms: ``check``, ``exercises``, ``handout``, ``bundle``."""

from __future__ import annotations

import shlex
from pathlib import Path

import typer

from workshop_lib.runtime.console import AS_JSON, err, print_json, say, say_plain


def check(
    which: str = typer.Argument(help="A stage, 1 to 4, or capstone.", metavar="STAGE"),
    as_json: bool = AS_JSON,
    environment: bool = typer.Option(
        False, "--environment", help="Print what the capstone's programs need, for `eval`."
    ),
) -> None:
    """How far the exercises of a stage are: passed, not yet, not attempted, or stack down.

        What an exercise leaves on the servers is checked now; of the others you see the outcome
    that the notebook noted last. Exit code 0 only if all have passed.

    Examples: [b]workshop check 2[/b], [b]workshop check capstone[/b]
    """
    from workshop_lib.lessons.exercises import capstone
    from workshop_lib.lessons.exercises import check as checks
    from workshop_lib.settings import Settings

    if which not in ("1", "2", "3", "4", "capstone"):
        raise typer.BadParameter("Choose 1, 2, 3, 4 or capstone.")
    if environment:
        for name, value in capstone.environment(Settings()).items():
            say_plain(f"export {name}={shlex.quote(value)}")
        return
    with err.status("Looking …"):
        results = getattr(checks, which if which == "capstone" else f"stage{which}").live()
    if as_json:
        print_json(
            [
                {"exercise": r.exercise, "outcome": str(r.outcome), "message": r.message}
                for r in results
            ]
        )
    else:
        for result in results:
            say_plain(result.head)
            say_plain(f"    {result.message}")
    raise typer.Exit(0 if all(result.passed for result in results) else 1)


def exercises(
    only_check: bool = typer.Option(
        False, "--check", help="Write nothing; exit code 1 if a file would change."
    ),
) -> None:
    """Make exercises/ from solutions/: the same files, with gaps for the solutions.

    Example: [b]workshop exercises --check[/b]
    """
    from workshop_lib.lessons.exercises import generate

    made = generate.generate()
    changed = generate.differences(made) if only_check else generate.write(made)
    for name in changed:
        say(f"exercises/{name}")
    if only_check and changed:
        err.print("These differ from solutions/. Run `make exercises`.")
        raise typer.Exit(1)
    say(f"{len(made)} files, {len(changed)} changed.")


def handout(
    target: Path = typer.Argument(
        Path("build/realtime-workshop.tar.gz"), help="A new folder, or a new .tar.gz."
    ),
) -> None:
    """Copy the workshop for learners: without solutions, instructor's notes and tests.

    Example: [b]workshop handout[/b], or [b]workshop handout /media/stick/workshop[/b]
    """
    from workshop_lib.lessons import handout as handouts

    count = handouts.handout(target)
    say(f"{count} files are in {target}; solutions, instructor's notes and tests are not.")


def bundle(
    target: Path = typer.Argument(None, help="A new .tar; named after the kind of machine."),
    everything: bool = typer.Option(
        False, "--everything", help="With solutions, instructor's notes and tests."
    ),
) -> None:
    """Pack the workshop with all it needs into one archive, for a room without a network.

    It fits machines of this kind: the same system, processor and version of Python, with Java
    17. Unpacked there, `make demo` and `make lab` need no network.

    Example: [b]workshop bundle[/b], then [b]tar -xf realtime-workshop-….tar[/b] over there
    """
    from workshop_lib.commands.stack import fetch_all
    from workshop_lib.lessons import handout as handouts
    from workshop_lib.runtime.progress import RichProgress
    from workshop_lib.settings import Settings

    target = target or Path(f"build/realtime-workshop-{handouts.kind_of_machine()}.tar")
    fetch_all(Settings(), archive=False)  # which fits no other folder
    with RichProgress(err) as progress:
        digest = handouts.bundle(target, everything, progress)
    say(f"{target}: {target.stat().st_size / 1e6:,.0f} MB, sha256 {digest}")
    say("Over there: tar -xf, then `make demo` in the unpacked folder.")
