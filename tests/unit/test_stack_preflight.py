"""The look at the machine: what is wrong is named, with the remedy; nothing is changed."""

from __future__ import annotations

import tempfile
from importlib import metadata
from pathlib import Path

import pytest

from workshop_lib.settings import Settings
from workshop_lib.stack import preflight


def _look(settings: Settings) -> dict[str, preflight.Finding]:
    return {finding.name: finding for finding in preflight.examine(settings)}


def test_this_machine_will_do_and_looking_changes_nothing(settings: Settings) -> None:
    found = _look(settings)
    assert all(found[name].ok for name in ("system", "Python", "packages", "Java"))
    assert "pyspark 4.2.0" in found["packages"].found
    assert found["running"].found == "none up"
    assert list(settings.home.iterdir()) == []


def test_a_package_of_another_version_or_missing_is_named(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        metadata,
        "requires",
        lambda name: ["pyspark==1.0", "nosuchpackage", "numpy", "nosuchextra; extra == 'test'"],
    )
    finding = preflight._packages(settings)
    assert not finding.ok
    assert finding.found == (
        f"pyspark {metadata.version('pyspark')}, not ==1.0; nosuchpackage missing, not installed"
    )


def test_a_folder_for_temporary_files_that_is_not_there_is_named(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    finding = preflight._temporary(settings)
    assert not finding.ok and "gone" in finding.found and "TMPDIR" in finding.todo


def test_too_little_memory_and_disk_say_how_much_is_needed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "MEMORY_NEEDED", 2**60)
    monkeypatch.setattr(preflight, "DISK_NEEDED", 2**60)
    found = _look(settings)
    assert not found["memory"].ok and "GiB" in found["memory"].todo
    assert not found["disk"].ok and "WORKSHOP_HOME" in found["disk"].todo
