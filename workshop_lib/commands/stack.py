"""Commands that handle the servers: ``up``, ``down``, ``status``, ``doctor``, ``download``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer
from rich.markup import escape
from rich.table import Table

from workshop_lib.runtime.console import (
    AS_JSON,
    err,
    out,
    print_json,
    say,
    say_plain,
    stop_on_signal,
    warn,
)
from workshop_lib.runtime.progress import RichProgress
from workshop_lib.settings import Settings

if TYPE_CHECKING:
    from workshop_lib.stack import ServiceStatus

DOCKER = typer.Option(False, "--docker", help="The servers of docker/compose.yaml.")
WITHOUT = typer.Option(
    [],
    help="With --docker: kibana or logstash stays out, where its image cannot be had; once each.",
)


def fetch(settings: Settings) -> None:
    """Java and the servers' files are there; downloads show a progress bar."""
    from workshop_lib.runtime import artifacts, java

    with err.status("Looking for Java …"):
        java.find_or_install()
    if not artifacts.missing():
        return
    with RichProgress(err) as progress:
        artifacts.ensure(settings, progress)


def fetch_all(settings: Settings, archive: bool = True) -> None:
    """All that any command needs, at the same time: servers, the page's packages, and, with
    ``archive``, Spark's classes, written down so that it starts in half of the time from now on."""
    from concurrent.futures import ThreadPoolExecutor

    from workshop_lib.errors import WorkshopError
    from workshop_lib.runtime import artifacts, class_archive, java, node

    with err.status("Looking for Java …"):
        java.find_or_install()
    with RichProgress(err) as progress, ThreadPoolExecutor() as beside:
        artifacts.ensure(settings, progress, "spark")  # the archive needs them
        others = (beside.submit(artifacts.ensure, settings, progress), beside.submit(node.install))
        try:
            if archive:
                class_archive.make(progress)
        except WorkshopError as error:
            # The download itself, which was asked for, is complete.
            warn(error)
        for other in others:
            other.result()


def settings_of(docker: bool) -> Settings:
    """The settings, of the Docker stack if ``docker``; not while the embedded one is up."""
    from workshop_lib.errors import WorkshopError

    settings = Settings()
    if not docker or settings.stack == "docker":
        return settings
    if (settings.home / "stack.json").exists():
        raise WorkshopError(
            "The embedded stack is up.", "Run `workshop down`, then the same command again."
        )
    return settings.model_copy(update={"stack": "docker"})


def up(
    docker: bool = DOCKER,
    stage: int = typer.Option(
        0, min=0, max=4, help="With --docker: only what this stage needs; 0 for all."
    ),
    without: list[str] = WITHOUT,
    as_json: bool = AS_JSON,
) -> None:
    """Start Kafka, Elasticsearch and Redis; what is already running stays as it is.

    With --docker also Spark, Logstash, Kibana, JupyterLab, the SMS server and the page.

    Example: [b]workshop up[/b], or [b]workshop up --docker --stage 1[/b]
    """
    from workshop_lib import stack

    settings = settings_of(docker)
    if settings.stack == "docker":
        # Docker shows its own progress on the same lines.
        show(settings, stack.up(settings, stage=stage, without=without), as_json)
        if not as_json:
            show_pages()
        return say_if_changed(settings)
    if settings.stack == "embedded":
        fetch(settings)
    with err.status("Starting the servers …"):
        services = stack.up(settings)
    show(settings, services, as_json)
    say_if_changed(settings)
    if not all(service.ok for service in services):
        raise typer.Exit(1)


def say_if_changed(settings: Settings) -> None:
    """A position in one stack's servers is wrong in another's: say how to start over."""
    from workshop_lib.stack import record
    from workshop_lib.stack.reset import local_state

    if record.changed(settings) and any(path.exists() for path in local_state(settings)):
        err.print(
            "What you replayed and streamed before is in the other stack's servers:"
            " run `workshop reset` before you go on.",
            style="yellow",
            soft_wrap=True,
        )


def show_pages() -> None:
    """Where a browser finds what, and where the passwords are."""
    from workshop_lib.stack.compose import pages
    from workshop_lib.stack.docker_cli import env_file

    for name, address in pages().items():
        say(f"{name}: {address}")
    say(f"Passwords and tokens are in {env_file()}.")


def down(
    clean: bool = typer.Option(False, "--clean", help="Remove their data and programs, too."),
) -> None:
    """Stop all servers. Their data stays unless --clean is given.

    Example: workshop down
    """
    from workshop_lib import stack

    settings = Settings()
    with err.status("Stopping the servers …"):
        stopped = stack.down(settings)
        if clean:
            stack.remove(settings)
    say(f"Stopped {', '.join(stopped)}." if stopped else "Nothing was running.")


def status(
    watch: bool = typer.Option(
        False, "--watch", help="The pipeline instead: lag, watermark, state, dead letters, outbox."
    ),
    as_json: bool = AS_JSON,
) -> None:
    """Show each server's process, port, version, memory and health.

    Exit code 1 if one of them is not well. With --watch: how the streams and the outbox are,
    again and again until Ctrl-C; with --json a line of JSON each time.

    Example: workshop status --json, or workshop status --watch
    """
    from workshop_lib import stack
    from workshop_lib.page import server as web

    settings = Settings()
    if watch:
        return watch_pipeline(settings, as_json)
    services = stack.status(settings)
    show(settings, services, as_json)
    page = web.address(settings)
    if page and not as_json:
        say(f"The live page: {page}")
    raise typer.Exit(0 if all(service.ok for service in services) else 1)


def watch_pipeline(settings: Settings, as_json: bool, every_seconds: float = 2.0) -> None:
    """Show the pipeline until Ctrl-C or SIGTERM."""
    import json
    import sys

    from rich.live import Live

    from workshop_lib.page import pipeline

    with stop_on_signal() as stop:
        if as_json:
            while True:
                print(json.dumps(pipeline.read(settings)._asdict()), file=sys.stdout, flush=True)
                if stop.wait(every_seconds):
                    return
        with Live(pipeline.table(pipeline.read(settings)), console=out) as live:
            while not stop.wait(every_seconds):
                live.update(pipeline.table(pipeline.read(settings)))


def show(settings: Settings, services: list[ServiceStatus], as_json: bool) -> None:
    """The servers as a table or as JSON, with the memory they hold together."""
    if as_json:
        print_json([service.as_dict() for service in services])
        return

    from workshop_lib.stack.embedded import resident_with_spark
    from workshop_lib.stack.preflight import MEMORY_NEEDED

    table = Table()
    for column in ("server", "version", "address", "process", "memory", "health"):
        table.add_column(column, overflow="fold")
    for s in services:
        table.add_row(
            s.name,
            s.version,
            f"{s.host}:{s.port}" if s.port else "–",
            str(s.pid or "–"),
            f"{s.memory / 2**20:.0f} MB" if s.memory else "–",
            "[green]ok[/green]" if s.ok else f"[red]{escape(s.problem.split(';')[0])}[/red]",
        )
    out.print(table)
    for s in services:
        if ";" in s.problem:
            say_plain(f"{s.name} {s.problem}")
    if any(not s.ok for s in services):
        say(f"`workshop up` starts what is not running; logs are in {settings.logs}.")
    if settings.stack != "embedded":
        return
    servers = sum(s.memory for s in services)
    with_spark = max(servers, resident_with_spark(settings))
    say(
        f"Memory: servers {servers / 2**30:.2f} GiB, with Spark {with_spark / 2**30:.2f}"
        f" of {MEMORY_NEEDED / 2**30:.0f} GiB at most."
    )


def doctor(docker: bool = DOCKER, as_json: bool = AS_JSON) -> None:
    """Check this machine: Python, Java, memory, disk, files, ports, servers.

    With --docker: Docker, its memory, ports. Changes nothing. The last line says whether this
    machine is ready; exit code 1 if something must be done first. Example: workshop doctor
    """
    from workshop_lib.stack import docker_preflight, preflight

    settings = Settings()
    look = docker_preflight if docker or settings.stack == "docker" else preflight
    findings = list(look.examine(settings))
    if as_json:
        print_json([finding.as_dict() for finding in findings])
    else:
        for f in findings:
            mark = "[green]ok  [/green]" if f.ok else "[red]FIX [/red]"
            say(f"{mark} {f.name}: {f.found}")
            if not f.ok:
                say(f"     → {f.todo}")
        wrong = [f.name for f in findings if not f.ok]
        ready = "This machine is ready. `make demo` tries the whole pipeline on it."
        say(f"Not ready yet: {', '.join(wrong)}. Do what the arrows say." if wrong else ready)
    raise typer.Exit(0 if all(finding.ok for finding in findings) else 1)


def download(
    docker: bool = DOCKER,
    without: list[str] = WITHOUT,
    archive: bool = typer.Option(True, help="Build Spark's class archive, too."),
) -> None:
    """Fetch all that the servers and the page need, for a room with bad Wi-Fi.

    The first time it also builds Spark's class archive, for about a minute: Spark starts faster
    from then on. No server is started.

    Example: workshop download
    """
    from workshop_lib.runtime import artifacts
    from workshop_lib.stack import compose

    if docker:
        compose.download(Settings(), without)
        say("All images are there.")
        return
    fetch_all(Settings(), archive)
    say(f"All {len(artifacts.checksums())} files are in {artifacts.cache()}.")
