"""A step in a process of its own: it ends with us, and its last words are told."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from pydantic import SecretStr

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime import child
from workshop_lib.runtime.wait import wait_until
from workshop_lib.settings import Settings


def test_asked_to_stop_it_ends_and_its_log_is_kept(settings: Settings) -> None:
    phone = child.start(settings, "phone", child.WORKSHOP, "sms-gateway", "--port", "0")
    log = child.log_file(settings, "phone")
    wait_until(lambda: "The phone is at" in log.read_text(), 60, "the phone")
    child.check(settings, "phone", phone, "The phone")  # it runs: nothing to complain of
    child.stop([phone], 30)
    assert phone.returncode == 0 and not psutil.pid_exists(phone.pid)


@pytest.fixture
def deaf(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Starts a step that does not end when it is asked to."""
    (tmp_path / "deaf.py").write_text(
        "import signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('deaf', flush=True)\n"
        "while True: time.sleep(1)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    started = child.start(settings, "deaf", "deaf")
    wait_until(lambda: "deaf" in child.log_file(settings, "deaf").read_text(), 60, "it to run")
    yield started
    started.kill()
    started.wait()


def test_one_that_does_not_listen_is_ended(deaf: child.Child) -> None:
    child.stop([deaf], 0.2)
    assert deaf.returncode == -signal.SIGKILL


def test_whoever_is_interrupted_while_waiting_leaves_nothing_behind(deaf: child.Child) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(KeyboardInterrupt):
            child.stop([deaf], 60)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert deaf.returncode == -signal.SIGKILL


def test_when_it_fails_its_last_words_are_told(settings: Settings) -> None:
    failed = child.start(settings, "replay", child.WORKSHOP, "replay", "--speed", "1000")
    failed.wait(60)
    with pytest.raises(WorkshopError, match="The replay failed: ") as told:
        child.check(settings, "replay", failed, "The replay")
    assert str(settings.world / "tracks.csv") in told.value.message
    assert str(child.log_file(settings, "replay")) in told.value.todo


def test_it_lives_in_the_home_and_with_the_variables_it_is_given(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "told.py").write_text("import json, os\nprint(json.dumps(dict(os.environ)))\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    told = child.start(settings, "told", "told", environment={"WORKSHOP_NAMESPACE": "x-"})
    assert told.wait(60) == 0
    variables = json.loads(child.log_file(settings, "told").read_text())
    assert variables["WORKSHOP_HOME"] == str(settings.home)
    assert variables["WORKSHOP_NAMESPACE"] == "x-"


def test_another_process_reads_the_settings_that_it_was_handed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed = settings.model_copy(
        update={
            "kafka_password": SecretStr("mine"),
            "kafka_passwords": {"stream": SecretStr("its own")},
            "sms_allowed_numbers": ["+12025550100"],
        }
    )
    for name, value in child.environment(handed).items():
        monkeypatch.setenv(name, value)
    read = Settings()
    for name in ("home", "kafka_password", "kafka_passwords", "sms_allowed_numbers"):
        assert getattr(read, name) == getattr(handed, name), name
