"""The registry keeps whole models only, switches in one step and goes back."""

from __future__ import annotations

import threading

import pandas as pd
import pytest
from made_models import NO, YES, candidate

from workshop_lib.errors import WorkshopError
from workshop_lib.marketing import registry
from workshop_lib.marketing.gate import GateDecision
from workshop_lib.settings import Settings


def test_nothing_is_in_use_before_the_first_accepted_model(settings: Settings) -> None:
    assert registry.current(settings) is None and registry.list_models(settings) == []
    registry.store(settings, candidate(), NO)
    assert registry.current(settings) is None


def test_a_kept_model_is_read_back_as_it_was(settings: Settings) -> None:
    kept = registry.store(settings, candidate(0.5), YES)
    read = registry.current(settings)
    assert read == kept and registry.VERSION.fullmatch(kept.version)
    assert (read.threshold, read.feature_names, read.about) == (0.5, ("evening",), {"seed": 7})
    assert (read.pipeline / "weights").read_text() == "0.5"
    assert pd.read_parquet(read.snapshot)["evening"].tolist() == [0.25, 0.5]
    # Not a number is not known, also after reading: the gate refuses what it does not know.
    assert read.metrics == {"error": 0.05, "precision": None, "intervals": {"error": [0.01, None]}}


def test_a_refused_model_is_recorded_and_the_last_good_one_stays(settings: Settings) -> None:
    good = registry.store(settings, candidate(1), YES)
    bad = registry.store(settings, candidate(2), NO)
    assert registry.current(settings) == good
    assert {m.version: (m.accepted, m.reasons) for m in registry.list_models(settings)} == {
        good.version: (True, ()),
        bad.version: (False, NO.reasons),
    }


def test_a_refused_model_cannot_be_put_in_use_by_any_door(settings: Settings) -> None:
    bad = registry.store(settings, candidate(), NO)
    with pytest.raises(WorkshopError, match="lift is 1"):
        registry.rollback(settings, bad.version)
    assert registry.current(settings) is None


def test_a_crash_while_writing_leaves_the_old_model_and_no_trace(settings: Settings) -> None:
    good = registry.store(settings, candidate(1), YES)
    with pytest.raises(OSError, match="no space"):
        registry.store(settings, candidate(2, breaks=True), YES)
    assert registry.current(settings) == good
    assert {f.name for f in (settings.home / "models").iterdir()} == {"current", good.version}


def test_half_written_folders_are_no_models(settings: Settings) -> None:
    """As kill -9 leaves them: a draft, and a version whose record is not there."""
    good = registry.store(settings, candidate(1), YES)
    root = settings.home / "models"
    (root / ".draft-0123").mkdir()
    (root / ".draft-0123" / registry.RECORD).write_text("{}")
    (root / "29991231T235959Z-00000000").mkdir()
    assert registry.list_models(settings) == [good]
    with pytest.raises(WorkshopError, match="no model"):
        registry.load(settings, "29991231T235959Z-00000000")


@pytest.mark.parametrize("damage", ["change", "remove"])
def test_a_damaged_model_is_not_served(settings: Settings, damage: str) -> None:
    model = registry.store(settings, candidate(1), YES)
    weights = model.pipeline / "weights"
    assert registry.current(settings) == model
    weights.write_text("9.9") if damage == "change" else weights.unlink()
    with pytest.raises(WorkshopError, match="damaged"):
        registry.current(settings)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"accepted": true}', "\x00"])
def test_a_damaged_record_is_named_and_hides_no_other_model(settings: Settings, text: str) -> None:
    good = registry.store(settings, candidate(1), YES)
    bad = registry.store(settings, candidate(2), YES)
    (bad.folder / registry.RECORD).write_text(text)
    with pytest.raises(WorkshopError, match=f"{bad.version} is damaged"):
        registry.current(settings)
    assert registry.list_models(settings) == [good]
    assert registry.rollback(settings) == registry.current(settings) == good


def test_names_that_lead_out_of_the_registry_are_none(settings: Settings) -> None:
    registry.store(settings, candidate(), YES)
    for name in ("../models", "", ".", "current"):
        with pytest.raises(WorkshopError, match="no model"):
            registry.load(settings, name)


def test_rollback_goes_back_one_accepted_model_at_a_time(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, refused, third = _days(settings, monkeypatch, YES, NO, YES)
    assert registry.current(settings) == third
    assert registry.rollback(settings) == first  # past the refused one
    assert registry.current(settings) == first
    with pytest.raises(WorkshopError, match="no earlier"):
        registry.rollback(settings)
    assert registry.rollback(settings, third.version) == third
    assert refused in registry.list_models(settings)


def test_two_models_of_one_second_are_two_and_the_later_can_be_rolled_back(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = _days(settings, monkeypatch, YES, YES, YES, same=True)
    assert len({m.version for m in models}) == 3
    assert registry.list_models(settings) == models  # in order of training
    assert registry.rollback(settings) == models[1]


def test_a_reader_sees_whole_models_only_while_another_writes(settings: Settings) -> None:
    """Whatever moment a reader looks at, threshold, weights and snapshot are of one model."""
    registry.store(settings, candidate(1), YES)
    done, seen, wrong = threading.Event(), set(), []

    def read() -> None:
        while not done.is_set():
            try:
                model = registry.current(settings)
                assert model is not None
                parts = {
                    model.threshold,
                    float((model.pipeline / "weights").read_text()),
                    float(pd.read_parquet(model.snapshot)["evening"].iloc[1]),
                }
                assert len(parts) == 1, parts
                seen.update(parts)
            except Exception as error:
                wrong.append(error)
                return

    reader = threading.Thread(target=read)
    reader.start()
    try:
        number = 1
        # Until the reader has met several; a switch that it never saw proves nothing.
        while number < 200 and reader.is_alive() and (len(seen) < 4 or number < 10):
            number += 1
            registry.store(settings, candidate(float(number)), YES)
    finally:
        done.set()
        reader.join()
    assert not wrong and len(seen) >= 4


def _days(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    *decisions: GateDecision,
    same: bool = False,
) -> list[registry.Model]:
    """A model a day (or all in one second), each with its decision."""
    real = registry.datetime
    day = 0

    class Clock(real):  # type: ignore[valid-type, misc]
        @classmethod
        def now(cls, tz: object = None) -> object:
            return real(2026, 1, 1 + day, tzinfo=registry.UTC)

    monkeypatch.setattr(registry, "datetime", Clock)
    kept = []
    for number, decision in enumerate(decisions):
        day = 0 if same else number
        kept.append(registry.store(settings, candidate(float(number + 1)), decision))
    return kept
