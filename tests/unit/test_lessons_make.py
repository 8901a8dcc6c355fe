"""The one Spark that makes what a late-comer lacks: it ends with us, and tells why it failed."""

from __future__ import annotations

import psutil
import pytest

from workshop_lib.errors import WorkshopError
from workshop_lib.lessons.make import MODEL, Spark
from workshop_lib.runtime.progress import silent
from workshop_lib.runtime.wait import wait_until
from workshop_lib.settings import Settings

pytestmark = pytest.mark.spark


def of(settings: Settings) -> list[int]:
    """Processes, Java's too, that work in this home."""
    found = []
    for process in psutil.process_iter(["cmdline", "environ"]):
        words = " ".join(process.info["cmdline"] or ())
        home = (process.info["environ"] or {}).get("WORKSHOP_HOME")
        if home == str(settings.home) or str(settings.home) in words:
            found.append(process.pid)
    return found


def test_interrupted_it_leaves_nothing_running(settings: Settings) -> None:
    with pytest.raises(KeyboardInterrupt), Spark(settings) as spark:
        spark.start()
        wait_until(lambda: len(of(settings)) > 1, 60, "Java beside Python")
        raise KeyboardInterrupt
    wait_until(lambda: of(settings) == [], 60, "all of it to be gone")


def test_when_it_fails_it_says_why(settings: Settings) -> None:
    nowhere = settings.model_copy(update={"kafka_bootstrap": "127.0.0.1:9"})
    with (
        pytest.raises(
            WorkshopError, match=r"Spark failed: The servers of .* are not running"
        ) as told,
        Spark(nowhere) as spark,
    ):
        spark.make(["plays"], silent)
    assert "begin-spark.log" in told.value.todo
    wait_until(lambda: of(settings) == [], 60, "all of it to be gone")


def test_what_fails_beside_other_work_is_told_by_whoever_waits_for_it(settings: Settings) -> None:
    with Spark(settings) as spark:
        spark.order([MODEL])  # there is no world to learn from
        with pytest.raises(WorkshopError, match=r"Spark failed: There is no .*clicks"):
            spark.finish(silent)
    wait_until(lambda: of(settings) == [], 60, "all of it to be gone")
