"""``workshop train`` and ``workshop models`` as a learner runs them, on real servers."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from made_models import NO, YES, candidate
from typer.testing import CliRunner

from workshop_lib.cli import app
from workshop_lib.lessons import demo
from workshop_lib.marketing import model_index, registry
from workshop_lib.marketing.drift import drift
from workshop_lib.marketing.features import FEATURES
from workshop_lib.runtime.connections import elasticsearch
from workshop_lib.runtime.wait import wait_until
from workshop_lib.settings import Settings
from workshop_lib.world.generate import generate
from workshop_lib.world.read import load_clicks, load_customers

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo-world")
    generate(folder, **demo.WORLD)
    return folder


def environment(settings: Settings, **more: str) -> dict[str, str]:
    return os.environ | {
        "WORKSHOP_HOME": str(settings.home),
        "WORKSHOP_NAMESPACE": settings.namespace,
        "WORKSHOP_DATA": str(settings.world),
        "WORKSHOP_ELASTICSEARCH_URL": settings.elasticsearch_url,
        "WORKSHOP_ELASTICSEARCH_PASSWORD": settings.elasticsearch_password.get_secret_value(),
        "WORKSHOP_SPARK_MASTER": "local[2]",
        **more,
    }


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "workshop_lib.cli", *arguments]


def workshop(settings: Settings, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        env=environment(settings, **more),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def in_this_process(settings: Settings, *arguments: str, **more: str) -> tuple[int, str]:
    """Exit code and output of a command that finds the Spark session of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(settings, **more).items():
            patch.setenv(name, value)
        done = CliRunner().invoke(app, arguments)
    return done.exit_code, done.stdout


def indexed(settings: Settings) -> dict[str, dict[str, Any]]:
    client = elasticsearch(settings)
    hits = client.search(index=settings.index("models"), size=100)["hits"]["hits"]
    return {hit["_id"]: hit["_source"] for hit in hits}


@pytest.mark.usefixtures("spark")  # which the second training finds
def test_train_refuse_and_roll_back(stack: Settings, world: Path) -> None:
    """Accepted, then refused by stricter floors, then accepted again, then back to the first."""
    settings = stack.model_copy(update={"data": world})

    done = workshop(settings, "train", "--json")
    assert done.returncode == 0, done.stderr
    first = json.loads(done.stdout)
    model = registry.current(settings)
    assert model is not None and model.version == first["version"] and first["accepted"]
    assert first["metrics"]["lift"] >= 3 and first["about"]["drift"] == {}

    # The snapshot: everybody with plays, Gold members and closed accounts too.
    snapshot = pd.read_parquet(model.snapshot)
    assert [c for c in snapshot if c != "score"] == ["customer_id", *FEATURES]
    customers = load_customers(world)
    known = snapshot["customer_id"].isin(customers["customer_id"])
    assert snapshot["customer_id"].is_unique and known.sum() > 0.98 * len(customers)
    assert snapshot["score"].between(0, 1).all()
    # Scored as training says: those who clicked lie above the threshold more often than not.
    took = set(load_clicks(world).query("ad == 'ADV_REDUCED_1DAY'")["customer_id"])
    above = snapshot["customer_id"].isin(took) & (snapshot["score"] >= model.threshold)
    assert above.sum() > 0.6 * len(took)

    code, said = in_this_process(settings, "train", WORKSHOP_GATE_MIN_PRECISION="1")
    assert code == 0 and "Refused by the gate" in said
    assert registry.current(settings) == model
    listed = registry.list_models(settings)
    assert [m.accepted for m in listed] == [True, False]
    assert "precision" in listed[1].reasons[0]
    # Nothing moved between the two, and this was looked at.
    assert listed[1].about["drift"]["against"] == model.version
    assert listed[1].about["drift"]["shifted"] == []
    assert drift(snapshot, snapshot.assign(evening=1 - snapshot["evening"]))["shifted"]

    documents = indexed(settings)
    assert {v: (d["accepted"], d["current"]) for v, d in documents.items()} == {
        listed[0].version: (True, True),
        listed[1].version: (False, False),
    }
    assert documents[model.version]["lift"] == pytest.approx(first["metrics"]["lift"])
    assert documents[listed[1].version]["reasons"] == list(listed[1].reasons)

    _kept_again(settings, model)
    second = registry.current(settings)
    assert second is not None and second.version != model.version
    back = workshop(settings, "models", "rollback", "--json")
    assert back.returncode == 0 and json.loads(back.stdout)["version"] == model.version
    assert registry.current(settings) == model
    in_use = {v for v, d in indexed(settings).items() if d["current"]}
    assert in_use == {model.version}
    shown = json.loads(workshop(settings, "models", "list", "--json").stdout)
    assert [(m["version"], m["current"]) for m in shown] == [
        (second.version, False),
        (listed[1].version, False),
        (model.version, True),
    ]


def _kept_again(settings: Settings, model: registry.Model) -> None:
    """The same model once more, as a later version; it becomes the current one."""

    class Copy:
        def save(self, path: str) -> None:
            shutil.copytree(model.pipeline, path)

    registry.store(
        settings,
        registry.Candidate(
            Copy(),
            pd.read_parquet(model.snapshot),
            model.threshold,
            model.metrics,
            model.feature_names,
            model.about,
        ),
        YES,
    )


def test_publishing_twice_changes_nothing_and_numbers_not_known_are_left_out(
    stack: Settings,
) -> None:
    registry.store(stack, candidate(), NO)
    assert model_index.publish(stack) == model_index.publish(stack) == 1
    (document,) = indexed(stack).values()
    assert document["error"] == 0.05 and "precision" not in document
    assert document["current"] is False and document["reasons"] == list(NO.reasons)


def test_a_model_is_kept_while_elasticsearch_is_away(settings: Settings) -> None:
    away = settings.model_copy(update={"elasticsearch_url": "http://127.0.0.1:9"})
    registry.store(away, candidate(1), YES)
    registry.store(away, candidate(2), YES)
    done = workshop(away, "models", "rollback")
    assert done.returncode == 0 and "In use now" in done.stdout
    assert "not in the index" in done.stderr.replace("\n", " ")
    assert workshop(away, "models", "index").returncode == 1


def test_errors_are_one_line_that_says_what_to_do(settings: Settings, tmp_path: Path) -> None:
    missing = workshop(settings, "train")
    assert missing.returncode == 1 and "clicks.csv" in missing.stderr
    assert "workshop data generate" in missing.stderr and "Traceback" not in missing.stderr
    wrong = tmp_path / "features.txt"
    wrong.write_text("1 1:0.5\n1 9:0.5\n")
    line = workshop(settings, "train", "--features", str(wrong))
    assert line.returncode == 1 and "line 2" in line.stderr
    assert workshop(settings, "train", "--every", "soon").returncode == 2
    assert workshop(settings, "models", "show").returncode == 1


def test_every_goes_on_after_a_failure_alone_until_interrupted(settings: Settings) -> None:
    """Without a world each round fails; a second one is refused; Ctrl-C ends it well."""
    with subprocess.Popen(
        command("train", "--every", "0.2s"),
        env=environment(settings),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            said = [process.stderr.readline() for _ in range(2)]
            assert all("This round failed" in line and "clicks.csv" in line for line in said)
            other = workshop(settings, "train")
            assert other.returncode == 1 and str(process.pid) in other.stderr
            process.send_signal(signal.SIGINT)
            assert wait_until(lambda: process.poll() is not None, timeout=180)
            assert process.returncode == 0
        finally:
            process.kill()
