"""``begin`` makes what is missing and leaves alone what is there; the score says so."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from begun_world import of_its_own

from workshop_lib.errors import WorkshopError
from workshop_lib.ingest.replay import read_state, replay
from workshop_lib.lessons import begin, prerequisites
from workshop_lib.lessons.begin import start_over
from workshop_lib.runtime.child import environment
from workshop_lib.runtime.connections import elasticsearch
from workshop_lib.runtime.lock import only_one
from workshop_lib.settings import Settings
from workshop_lib.stream.progress import progress
from workshop_lib.verify.score import stage1, stages, truth

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]


@pytest.fixture
def second(begun: Settings, tmp_path: Path) -> Settings:
    """A home and namespace with a copy of the world and nothing else."""
    settings = of_its_own(begun, tmp_path / "home")
    shutil.copytree(begun.world, settings.world)
    return settings


def test_at_the_start_of_stage_4_every_check_of_the_stages_before_holds(begun: Settings) -> None:
    scored = stages(begun)
    assert [stage.stage for stage in scored] == [1, 2, 3]
    assert {c.name: c.actual for s in scored for c in s.checks if not c.ok} == {}
    # Of an empty world everything would hold, too.
    assert len(truth(begun).plays) > 10_000 and prerequisites.documents(begun, "sms") > 50


def test_what_is_there_is_left_alone(begun: Settings) -> None:
    said: list[str] = []
    before = read_state(begun), progress(begun, "plays"), prerequisites.records(begun)
    begin(stage=4, settings=begun, say=said.append)
    assert "".join(said).startswith("Ready for stage 4: ") and len(said) == 1
    assert (read_state(begun), progress(begun, "plays"), prerequisites.records(begun)) == before


def test_at_the_start_of_stage_2_there_is_what_stage_1_leaves_and_no_more(
    second: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    world = (second.world / "tracks.csv").read_bytes()
    start_over(2, second)
    printed = capsys.readouterr().out
    assert "Making index plays-raw …" in printed and "Ready for stage 2" in printed
    assert all(check.ok for check in stage1(second, truth(second)).checks)
    assert (
        prerequisites.topic(second)
        and not prerequisites.plays(second)
        and not prerequisites.model(second)
    )
    assert (second.world / "tracks.csv").read_bytes() == world

    # Somebody takes the index away: position and index disagree, so it is made again.
    client = elasticsearch(second)
    client.indices.delete(index=second.index("plays-raw"))
    begin(stage=2, settings=second)
    assert "Making index plays-raw …" in capsys.readouterr().out
    assert all(check.ok for check in stage1(second, truth(second)).checks)

    # A new world: what flowed of the old one is cleared, not mixed with it.
    (second.world / "tracks.csv").write_bytes(b"".join(world.splitlines(keepends=True)[5000:]))
    begin(stage=1, settings=second)
    assert "Clearing" in capsys.readouterr().out
    assert read_state(second) is None and prerequisites.records(second) == 0


def test_a_replay_that_was_stopped_goes_on(second: Settings) -> None:
    half = replay(second, speed=1_000_000, last_hours=26, limit=3000)
    begin(stage=2, settings=second)
    now = read_state(second)
    assert now is not None and now.done and now.shift_ms == half.shift_ms
    assert all(check.ok for check in stage1(second, truth(second)).checks)


def test_nothing_is_cleared_under_a_running_step(second: Settings) -> None:
    with only_one(second, "stream"), pytest.raises(WorkshopError, match="Still running"):
        start_over(2, second)


def test_there_are_four_stages(begun: Settings) -> None:
    with pytest.raises(WorkshopError, match="no stage 5"):
        begin(stage=5, settings=begun)


def test_another_process_gets_the_same_settings(
    begun: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = begun.model_copy(update={"sms_allowed_numbers": ["+1"], "offer_daily_cap": 3})
    for name, value in environment(settings).items():
        monkeypatch.setenv(name, value)
    assert Settings() == settings
