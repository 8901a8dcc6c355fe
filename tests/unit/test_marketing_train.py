"""Training on the demo's world, and what it must not do: peek, depend on order, accept noise."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import typer

from workshop_lib.commands.train import repeat, seconds
from workshop_lib.errors import WorkshopError
from workshop_lib.ingest.recording import fingerprint, read_recording
from workshop_lib.lessons import demo
from workshop_lib.marketing import libsvm
from workshop_lib.marketing.baselines import shuffled_labels
from workshop_lib.marketing.features import FEATURES, ORIGINAL_FEATURES
from workshop_lib.marketing.gate import gate
from workshop_lib.marketing.learn import (
    click_window,
    learn_from_file,
    newest_history,
    training_rows,
)
from workshop_lib.marketing.learn import history as plays_of
from workshop_lib.marketing.train import PARTS, Trained, part_of, train
from workshop_lib.runtime import state_file
from workshop_lib.settings import Settings
from workshop_lib.world.generate import generate
from workshop_lib.world.read import load_clicks, load_customers


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's world, at the generator's own date."""
    folder = tmp_path_factory.mktemp("demo-world")
    generate(folder, **demo.WORLD)
    return folder


@pytest.fixture(scope="module")
def labelled(spark: Any, world: Path) -> pd.DataFrame:
    clicks = load_clicks(world)
    before, _ = click_window(clicks, world)
    plays = plays_of(spark, world / "tracks.csv")
    return training_rows(plays, before, clicks, load_customers(world))


@pytest.fixture(scope="module")
def trained(spark: Any, labelled: pd.DataFrame) -> Trained:
    return train(spark, labelled)


def learned(model: Trained) -> tuple[list[float], float, float]:
    """All that was learned: coefficients, intercept, threshold."""
    regression = model.pipeline.stages[-1]
    return regression.coefficients.toArray().tolist(), regression.intercept, model.threshold


def test_the_demos_model_is_accepted_and_beats_the_rules(
    trained: Trained, settings: Settings
) -> None:
    numbers = trained.metrics
    assert gate(numbers, settings).reasons == ()
    assert numbers["lift"] >= 3 and numbers["lift"] > numbers["baseline_lift"]
    assert numbers["error"] < numbers["baseline_error"]
    assert numbers["error"] < numbers["always_no_error"]
    low, high = numbers["intervals"]["lift"]
    assert 3 < low < numbers["lift"] < high
    # It offers to about as many as there are takers, not to everybody.
    assert 0.5 < numbers["volume"] / numbers["base_rate"] < 2


def test_it_learned_the_causes_that_the_world_has(trained: Trained) -> None:
    """Evening and mobile for, ever new tracks against; see world.clicks."""
    weights = dict(zip(FEATURES, learned(trained)[0], strict=True))
    assert weights["evening"] > 0 and weights["mobile"] > 0 and weights["unique_tracks"] < 0


def test_shuffled_labels_are_refused(
    spark: Any, labelled: pd.DataFrame, settings: Settings
) -> None:
    dealt = shuffled_labels(labelled)
    assert dealt["label"].sum() == labelled["label"].sum()
    model = train(spark, dealt)
    assert not gate(model.metrics, settings).accepted
    assert 0.35 < model.metrics["auc"] < 0.65


def test_the_three_parts_are_disjoint_and_all(trained: Trained, labelled: pd.DataFrame) -> None:
    fit, validate, test = (trained.parts[name] for name in PARTS)
    assert not (fit & validate or fit & test or validate & test)
    assert fit | validate | test == set(labelled["customer_id"])
    assert len(test) == trained.metrics["customers"]


def test_what_the_test_part_holds_changes_nothing_that_is_learned(
    spark: Any, labelled: pd.DataFrame, trained: Trained
) -> None:
    """The control: the same change to the fit part, or to validation, is noticed."""
    changed = {name: learned(train(spark, _spoil(labelled, trained.parts[name]))) for name in PARTS}
    weights, _, threshold = learned(trained)
    assert changed["test"] == learned(trained)
    assert changed["validate"][0] == weights and changed["validate"][2] != threshold
    assert changed["fit"][0] != weights


def _spoil(labelled: pd.DataFrame, ids: frozenset[int]) -> pd.DataFrame:
    """Other labels and a lower evening for the first half of ``ids``."""
    some = labelled["customer_id"].isin(sorted(ids)[: len(ids) // 2])
    return labelled.assign(
        label=labelled["label"].mask(some, 1 - labelled["label"]),
        evening=labelled["evening"].mask(some, labelled["evening"] / 2),
    )


def test_the_order_of_rows_changes_nothing_and_a_training_repeats(
    spark: Any, labelled: pd.DataFrame, trained: Trained
) -> None:
    again = train(spark, labelled.sample(frac=1, random_state=5))
    assert learned(again) == learned(trained) and again.metrics == trained.metrics


def test_a_customer_keeps_their_part_whoever_else_is_there() -> None:
    ids = np.arange(20_000)
    parts = part_of(ids, seed=7)
    shares = {name: float(np.mean(parts == name)) for name in PARTS}
    assert shares == pytest.approx(PARTS, abs=0.02)
    assert (part_of(ids[::3], seed=7) == parts[::3]).all()
    assert 0.3 < np.mean(part_of(ids, seed=8) != parts) < 0.7


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_too_few_of_a_class_are_said_in_one_line(
    spark: Any, labelled: pd.DataFrame, label: float
) -> None:
    with pytest.raises(WorkshopError, match="are needed") as error:
        train(spark, labelled[labelled["label"] == label])
    assert "more customers" in error.value.todo


def test_a_world_without_clicks_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(WorkshopError, match=r"clicks\.csv") as error:
        load_clicks(tmp_path)
    assert "workshop data generate" in error.value.todo
    (tmp_path / "clicks.csv").write_text("EventID,CustID,AdClicked,Localtime\n")
    with pytest.raises(WorkshopError, match="no ad clicks"):
        click_window(load_clicks(tmp_path), tmp_path)


def test_a_features_txt_can_be_trained_on(
    spark: Any, labelled: pd.DataFrame, settings: Settings, tmp_path: Path
) -> None:
    libsvm.write(labelled, tmp_path / "features.txt")
    model, decision = learn_from_file(settings, spark, tmp_path / "features.txt")
    assert model.feature_names == ORIGINAL_FEATURES
    assert model.metrics["auc"] > 0.9 and decision == gate(model.metrics, settings)
    assert not (settings.home / "models").exists()  # nobody could be scored with it


def test_the_newest_history_ends_where_the_replay_is(world: Path, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, data=world)
    recorded = read_recording(world / "tracks.csv")
    end = int(recorded.arrived[-1])
    line = len(recorded) - 1000
    assert end - newest_history(settings).timestamp() * 1000 == pytest.approx(
        settings.live_hours * 3_600_000, abs=60_000
    )
    _replayed_to(settings, line, fingerprint(recorded.path))
    assert newest_history(settings).timestamp() * 1000 == recorded.arrived[line]
    # A replay of another recording says nothing about this one.
    _replayed_to(settings, line, "another")
    assert newest_history(settings).timestamp() * 1000 < recorded.arrived[line]


def _replayed_to(settings: Settings, line: int, mark: str) -> None:
    state = {
        "source": str(settings.world / "tracks.csv"),
        "fingerprint": mark,
        "first_line": 0,
        "next_line": line,
        "last_line": 200_000,
        "mode": "speed",
        "pace": 1.0,
        "shift_ms": 0,
        "last_hours": None,
        "seed": 7,
        "until_line": line,
        "next_byte": 0,
    }
    state_file.save(settings.home / "replay.json", json.loads(json.dumps(state)))


def test_a_failed_round_is_reported_and_the_next_one_comes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    stop, rounds = threading.Event(), []

    def work() -> None:
        rounds.append(len(rounds))
        if len(rounds) == 1:
            raise WorkshopError("There is no clicks.csv.")
        if len(rounds) == 2:
            raise ValueError("odd\nand more")
        stop.set()

    repeat(work, 0.001, stop)
    assert rounds == [0, 1, 2]
    said = capsys.readouterr().err
    assert "There is no clicks.csv." in said and "ValueError: odd" in said


def test_a_single_round_fails_as_itself() -> None:
    def work() -> None:
        raise WorkshopError("There is no clicks.csv.")

    with pytest.raises(WorkshopError, match="There is no"):
        repeat(work, None, threading.Event())


@pytest.mark.parametrize(
    ("text", "expected"), [("10m", 600), ("90s", 90), ("1.5h", 5400), ("5", 5)]
)
def test_a_time_is_read(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["10x", "", "m", "-5s", "0m"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is no time"):
        seconds(text)
