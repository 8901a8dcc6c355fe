"""A step in a process of its own: it ends with us, and its last words are told."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

from workshop_lib import step
from workshop_lib.errors import WorkshopError
from workshop_lib.settings import Settings
from workshop_lib.wait import wait_until


def test_asked_to_stop_it_ends_and_its_log_is_kept(settings: Settings) -> None:
    phone = step.start(settings, "phone", step.WORKSHOP, "sms-gateway", "--port", "0")
    log = step.log_of(settings, "phone")
    wait_until(lambda: "The phone is at" in log.read_text(), 60, "the phone")
    step.check(settings, "phone", phone, "The phone")  # it runs: nothing to complain of
    step.stop([phone], 30)
    assert phone.returncode == 0 and not psutil.pid_exists(phone.pid)


def test_one_that_does_not_listen_is_ended(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deaf.py").write_text(
        "import signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('deaf', flush=True)\n"
        "while True: time.sleep(1)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    deaf = step.start(settings, "deaf", "deaf")
    wait_until(lambda: "deaf" in step.log_of(settings, "deaf").read_text(), 60, "it to run")
    step.stop([deaf], 0.2)
    assert deaf.returncode == -9


def test_when_it_fails_its_last_words_are_told(settings: Settings) -> None:
    failed = step.start(settings, "replay", step.WORKSHOP, "replay", "--speed", "1000")
    failed.wait(60)
    with pytest.raises(WorkshopError, match="The replay failed: ") as told:
        step.check(settings, "replay", failed, "The replay")
    assert str(settings.world / "tracks.csv") in told.value.message
    assert str(step.log_of(settings, "replay")) in told.value.todo


def test_it_lives_in_the_home_and_with_the_variables_it_is_given(settings: Settings) -> None:
    told = step.start(settings, "told", "this", environment={"WORKSHOP_NAMESPACE": "x-"})
    try:
        variables = psutil.Process(told.pid).environ()
    finally:
        told.wait(60)
    assert variables["WORKSHOP_HOME"] == str(settings.home)
    assert variables["WORKSHOP_NAMESPACE"] == "x-" and sys.executable
