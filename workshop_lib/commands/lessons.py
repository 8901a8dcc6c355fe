"""Commands of the lesson: ``check`` and ``exercises``."""

from __future__ import annotations

import typer

from workshop_lib.runtime.console import AS_JSON, err, print_json, say, say_plain


def check(
    stage: int = typer.Argument(min=1, max=4, help="Which stage's exercises."),
    as_json: bool = AS_JSON,
) -> None:
    """How far the exercises of a stage are: passed, not yet, not attempted, or stack down.

    What an exercise leaves on the servers is looked at now; of the others the outcome is told
    that the notebook noted last. Exit code 0 only if all have passed.

    Example: [b]workshop check 2[/b]
    """
    from workshop_lib.lessons.exercises import check as checks

    with err.status("Looking …"):
        results = getattr(checks, f"stage{stage}").live()
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
    """Make exercises/ from solutions/: the same notebooks, with blanks for the solutions.

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
    say(f"{len(made)} notebooks, {len(changed)} changed.")
