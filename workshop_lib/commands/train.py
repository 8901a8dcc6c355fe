"""Commands of learning: ``train`` and ``models``."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.markup import escape
from rich.table import Table

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime.console import AS_JSON, err, out, print_json, say, stop_on_signal, warn
from workshop_lib.runtime.progress import RichProgress
from workshop_lib.settings import Settings

if TYPE_CHECKING:
    from threading import Event

    from workshop_lib.marketing.registry import Model

_UNITS = {"s": 1, "m": 60, "h": 3600}
_SHOWN = ("error", "precision", "recall", "f1", "auc", "lift", "base_rate", "volume")


def seconds(text: str) -> float:
    """``90s``, ``10m``, ``1.5h`` or plain seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text.strip())
    if not match or not float(match[1]):
        raise typer.BadParameter(f"{text!r} is no time like 90s, 10m or 1h.")
    return float(match[1]) * _UNITS[match[2] or "s"]


def train(
    every: str = typer.Option(None, "--every", help="Again so often, like 10m, until Ctrl-C."),
    features: Path = typer.Option(
        None, "--features", help="Train on this libSVM file instead; judged, but not kept."
    ),
    save_features: Path = typer.Option(
        None, "--save-features", help="Also write label and six features as a libSVM file."
    ),
    seed: int = typer.Option(7, "--seed", help="Which customers are tested on."),
    as_json: bool = AS_JSON,
) -> None:
    """Stage 3: learn from past ad clicks who takes the offer; the gate judges the model.

    A refused model is kept with the reasons and never used; the last good one stays. The
    exit code is 0 either way: a refusal is an answer.

    Example: [b]workshop train[/b], or [b]workshop train --every 10m[/b]
    """
    from workshop_lib.runtime.lock import only_one

    settings = Settings()
    pause = seconds(every) if every else None
    if features and (pause or save_features):
        raise typer.BadParameter("--features goes with neither --every nor --save-features.")
    with stop_on_signal() as stop:
        if features:
            _train_on_file(settings, features, seed, as_json)
            return
        with only_one(settings, "train"):
            repeat(lambda: _round(settings, seed, save_features, as_json), pause, stop)


def repeat(work: Callable[[], None], pause: float | None, stop: Event) -> None:
    """``work`` once, or every ``pause`` seconds until ``stop``; a failed round is reported.

    Alone, a failure is the command's own. Rounds start at even distances; one that takes
    longer than ``pause`` is followed at once.
    """
    if pause is None:
        work()
        return
    while not stop.is_set():
        due = time.monotonic() + pause
        try:
            work()
        except Exception as error:
            # Whatever it was: the last good model stays in use, the next round may do better.
            first = str(error).splitlines()[0] if str(error) else ""
            name = "" if isinstance(error, WorkshopError) else f"{type(error).__name__}: "
            err.print(
                f"[red]This round failed:[/red] {name}{first} Next in {pause:g} s.",
                highlight=False,
                soft_wrap=True,
            )
        stop.wait(max(0.0, due - time.monotonic()))


def _round(settings: Settings, seed: int, save_features: Path | None, as_json: bool) -> None:
    from workshop_lib.marketing import model_index
    from workshop_lib.marketing.learn import learn

    # Before Spark starts, which takes seconds, so that a missing file is reported at once.
    _world_is_there(settings)
    with RichProgress(err) as progress:
        progress("starting Spark")
        model = learn(settings, _spark(settings), seed, progress, save_features)
    if as_json:
        print_json(as_dict(model))
    else:
        _show(model)
    try:
        model_index.publish(settings)
    except WorkshopError as error:
        warn(error)


def _world_is_there(settings: Settings) -> None:
    from workshop_lib.marketing.learn import click_window
    from workshop_lib.world.read import load_clicks

    click_window(load_clicks(settings.world), settings.world)


def _spark(settings: Settings) -> Any:
    from workshop_lib.stream.session import spark_session

    return spark_session(settings, "train", short=True)


def _train_on_file(settings: Settings, path: Path, seed: int, as_json: bool) -> None:
    from workshop_lib.marketing import libsvm
    from workshop_lib.marketing.learn import learn_from_file

    libsvm.read(path)  # a wrong line is reported before Spark starts
    with RichProgress(err) as progress:
        progress(f"training on {path.name}")
        trained, decision = learn_from_file(settings, _spark(settings), path, seed)
    if as_json:
        print_json({"metrics": trained.metrics, "threshold": trained.threshold, **asdict(decision)})
        return
    _show_numbers(trained.metrics, decision.accepted, decision.reasons)
    say("Not kept: such a file knows no customers, so nobody could be scored with it.")


def models_list(
    as_json: bool = AS_JSON,
) -> None:
    """Every model that was trained, newest first.

    Example: [b]workshop models list[/b]
    """

    from workshop_lib.marketing import registry

    settings = Settings()
    in_use = registry.current_version(settings)
    kept = registry.list_models(settings)[::-1]
    if as_json:
        print_json([{**as_dict(model), "current": model.version == in_use} for model in kept])
        return
    if not kept:
        say("No model yet. `workshop train` makes one.")
        return
    table = Table("", "version", "gate", "error", "precision", "recall", "lift", "shifted")
    for model in kept:
        numbers = (_text(model.metrics.get(n)) for n in ("error", "precision", "recall", "lift"))
        shifted = ", ".join((model.about.get("drift") or {}).get("shifted", []))
        gate = "accepted" if model.accepted else "refused"
        mark = "in use" if model.version == in_use else ""
        table.add_row(mark, model.version, gate, *numbers, shifted or "-")
    out.print(table)


def models_show(
    version: str = typer.Argument(None, help="Which; the one in use by default."),
    as_json: bool = AS_JSON,
) -> None:
    """All that is known of one model.

    Example: [b]workshop models show[/b]
    """
    from workshop_lib.marketing import registry

    settings = Settings()
    model = registry.load(settings, version) if version else registry.current(settings)
    if model is None:
        raise WorkshopError(
            "No model is in use.", "`workshop train` makes one, `workshop models list` shows all."
        )
    if as_json:
        print_json(as_dict(model))
    else:
        _show(model)


def models_rollback(
    version: str = typer.Argument(None, help="To which; the accepted one before by default."),
    as_json: bool = AS_JSON,
) -> None:
    """Use an earlier accepted model again; running streams pick it up.

    The next accepted training replaces it again.

    Example: [b]workshop models rollback[/b]
    """
    from workshop_lib.marketing import model_index, registry

    settings = Settings()
    model = registry.rollback(settings, version)
    if as_json:
        print_json(as_dict(model))
    else:
        say(f"In use now: {model.version}")
    try:
        model_index.publish(settings)
    except WorkshopError as error:
        warn(error)


def models_index() -> None:
    """Write all kept models into index ``models``, say after Elasticsearch was away.

    Example: [b]workshop models index[/b]
    """
    from workshop_lib.marketing import model_index

    say(f"{model_index.publish(Settings())} models written.")


def as_dict(model: Model) -> dict[str, Any]:
    """The model as JSON: everything but its files, whose folder is named."""
    values = asdict(model)
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in values.items()
    }


def _show(model: Model) -> None:
    say(f"[b]{model.version}[/b]")
    _show_numbers(model.metrics, model.accepted, model.reasons)
    drift = model.about.get("drift") or {}
    if drift:
        shifted = ", ".join(drift["shifted"]) or "nothing"
        say(f"Shifted since {drift['against']}: {shifted}")


def _show_numbers(metrics: dict[str, Any], accepted: bool, reasons: tuple[str, ...]) -> None:
    """The numbers with their intervals, the baselines' and the gate's word."""

    intervals = metrics.get("intervals") or {}
    table = Table("on customers not seen", "model", "95 % interval", "one rule")
    for name in _SHOWN:
        low_high = intervals.get(name)
        between = " – ".join(map(_text, low_high)) if low_high else ""
        baseline = metrics.get(f"baseline_{name}")
        table.add_row(name, _text(metrics.get(name)), between, _text(baseline, ""))
    out.print(table)
    say(
        f"The rules: fewest errors: {metrics.get('baseline_rule')};"
        f" best at this volume: {metrics.get('baseline_rule_at_volume')}"
    )
    if accepted:
        say("[green]Accepted by the gate.[/green]")
    else:
        say(f"[red]Refused by the gate:[/red] {escape('; '.join(reasons))}")


def _text(value: Any, unknown: str = "?") -> str:
    return f"{value:.3f}" if isinstance(value, int | float) else unknown
