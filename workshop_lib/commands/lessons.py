"""Commands of the lesson: ``check`` and ``exercises``."""

from __future__ import annotations

import shlex

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
