"""A stream that fails, and a JVM that ends, are one line that says what happened."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from kafka.errors import KafkaTimeoutError
from py4j.protocol import Py4JNetworkError
from pyspark import SparkContext

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime.state_file import save
from workshop_lib.settings import Settings
from workshop_lib.stream import progress, query_run
from workshop_lib.stream.failure import cause, one_line_if_jvm_ends, query_failed

WORKER = """[STREAM_FAILED] Query [id = 1, runId = 2] terminated with exception: Job aborted \
due to stage failure: Task 0 in stage 3.0 failed 1 times, most recent failure: Lost task 0.0 in \
stage 3.0 (TID 3): org.apache.spark.api.python.PythonException: An exception was thrown from the \
Python worker:
Traceback (most recent call last):
  File "/a/pyspark/worker.py", line 1, in main
    process()
  File "/a/sinks/redis.py", line 7, in write
    fill(rows)
{error}

\tat org.apache.spark.api.python.BasePythonRunner.handlePythonException(PythonRunner.scala:581)
Caused by: org.apache.spark.SparkException: Job aborted
"""


@pytest.mark.parametrize(
    ("error", "line"),
    [
        ("AssertionError: Need at least one: key or value", "AssertionError: Need at least one"),
        ("ValueError: year 0 is out of range", "ValueError: year 0"),
        ("MemoryError", "MemoryError"),
        (
            "py4j.protocol.Py4JNetworkError: Answer from 127.0.0.1 is empty.",
            "Py4JNetworkError: Answer from 127.0.0.1 is empty.",
        ),
        ("pyspark.errors.PySparkRuntimeError", "PySparkRuntimeError"),
        ("elasticsearch.ApiError: ApiError(500, 'boom')", "ApiError: ApiError(500"),
        (
            "workshop_lib.errors.WorkshopError: Redis did not answer for 60 s. See it.",
            "Redis did not answer for 60 s.",
        ),
        (
            "KeyError: 'a'\n\nDuring handling of the above exception, another exception "
            'occurred:\n\nTraceback (most recent call last):\n  File "x", line 1, in f\n'
            "RuntimeError: at last",
            "RuntimeError: at last",
        ),
    ],
)
def test_the_cause_is_that_of_the_worker(error: str, line: str) -> None:
    assert cause(WORKER.format(error=error)).startswith(line)


def test_without_python_the_cause_is_the_first_of_java() -> None:
    text = "STREAM_FAILED\norg.apache.spark.SparkException: Job aborted\nCaused by: "
    assert cause(text + "java.io.IOException: No space left") == "IOException: No space left"
    assert cause("something else") == "something else"
    assert cause("") == "no reason was given"


def test_a_damaged_checkpoint_says_what_to_delete(settings: Settings) -> None:
    text = "java.lang.IllegalStateException: batch 7 doesn't exist"
    failed = query_failed(settings, "plays", Path("/home/checkpoints/plays"), text)
    assert "checkpoint of the stream `plays` is damaged" in failed.message
    assert "Delete /home/checkpoints/plays" in failed.todo
    other = query_failed(settings, "plays", Path("/c"), WORKER.format(error="ValueError: no"))
    assert other.message == "The stream `plays` failed: ValueError: no"


def ended(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    process = subprocess.Popen([sys.executable, "-c", code])
    monkeypatch.setattr(SparkContext, "_gateway", SimpleNamespace(proc=process))


@pytest.mark.parametrize(
    ("code", "message", "todo"),
    [
        ("import sys; sys.exit(3)", "ran out of memory; its heap is 1g", "DRIVER_MEMORY"),
        ("import os; os.kill(os.getpid(), 9)", "was killed (signal 9)", "no memory left"),
        ("import sys; sys.exit(1)", "ended with exit code 1", "spark.log"),
    ],
)
def test_a_jvm_that_ended_is_named_with_the_setting(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, code: str, message: str, todo: str
) -> None:
    ended(monkeypatch, code)
    with pytest.raises(WorkshopError) as raised, one_line_if_jvm_ends(settings):
        raise Py4JNetworkError("Answer from Java side is empty")
    assert message in raised.value.message
    assert todo in raised.value.todo
    assert str(settings.logs) in raised.value.todo


def test_while_the_jvm_lives_an_error_stays_what_it_is(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended(monkeypatch, "import time; time.sleep(60)")
    with pytest.raises(ValueError, match="ours"), one_line_if_jvm_ends(settings):
        raise ValueError("ours")
    SparkContext._gateway.proc.kill()


def test_a_topic_that_was_made_anew_is_refused(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its offsets begin again: a stream that continued at the old ones would miss records."""
    save(settings.home / "stream" / "plays.json", {"topic_id": "first", "offsets": {"0": 30}})
    monkeypatch.setattr(progress, "_topic_id", lambda settings: "first")
    progress.check_topic(settings, ["plays", "aggregates"])
    monkeypatch.setattr(progress, "_topic_id", lambda settings: "second")
    with pytest.raises(WorkshopError, match="plays was deleted and created again") as raised:
        progress.check_topic(settings, ["plays", "aggregates"])
    assert "workshop reset" in raised.value.todo


def test_how_much_is_unread_waits_for_kafka(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client gives up sooner than a stream may; what it reports is no reason to end."""
    save(settings.home / "stream" / "plays.json", {"offsets": {"0": 30}})
    answers: list[dict[str, int]] = [{"0": 35, "1": 2}]

    def away_then_there(settings: Settings, which: str) -> dict[str, int]:
        if asked.pop(0):
            raise KafkaTimeoutError("no answer")
        return answers[0]

    monkeypatch.setattr(query_run, "offsets", away_then_there)
    asked = [True, True, False]
    assert query_run.unread_records(settings, "plays") == {0: 5, 1: 2}
    asked = [True] * 9
    impatient = settings.model_copy(update={"patience_seconds": 0.1})
    with pytest.raises(WorkshopError, match=r"Kafka did not answer for 0.1 s"):
        query_run.unread_records(impatient, "plays")
