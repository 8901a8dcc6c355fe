"""Why a stream, or Spark's JVM, ended: one line that a person can act on.

In: errors of Spark and py4j, the JVM's exit code, Spark's log. Out: ``WorkshopError``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import TimeoutExpired
from typing import Final

from py4j.protocol import Py4JNetworkError
from pyspark import SparkContext

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime.disk import FULL_WORDS
from workshop_lib.settings import Settings

#: Spark's and py4j's names for "something else failed": the cause is further down.
_WRAPPER: Final = r"(?:Python|StreamingQuery|Spark|Py4J\w*|Foreach\w*)(?:Exception|Error)"
_ERROR: Final = re.compile(r"^\s*(?:Caused by: )?(?:[\w$]+\.)*(\w*(?:Error|Exception)\b.*)", re.M)
#: A Python traceback and, not indented, the error at its end.
_TRACEBACK: Final = re.compile(r"Traceback \(most recent call last\):\n(?:[ \t].*\n|\n)*(\S.*)")
#: Before the name of an error: the module that it is of.
_MODULE: Final = re.compile(r"^(?:\w+\.)+(?=\w+(?::|$))")
_DAMAGED: Final = re.compile(
    r"CANNOT_LOAD_STATE_STORE|STATE_STORE_\w+|Incomplete log file|[Mm]alformed|JsonParseException"
    r"|MappingException|EOFException|batch \d+ doesn't exist|StreamMetadata|Error reading"
    r"|Failed to read|NumberFormatException"
)
#: Of ``-XX:+ExitOnOutOfMemoryError``.
_OUT_OF_MEMORY: Final = 3
#: The JVM may answer no more a moment before it has ended.
_ENDING_SECONDS: Final = 5.0


def cause(text: str) -> str:
    """The one line of a query's long error that names its cause."""
    ours = re.findall(r"WorkshopError: (.+)", text)
    python = [_MODULE.sub("", line) for line in _TRACEBACK.findall(text)]
    java = [line for line in _ERROR.findall(text) if not re.match(_WRAPPER, line)]
    lines = ours[:1] or python[-1:] or java[:1] or text.strip().splitlines()[:1]
    return lines[0].strip()[:300] if lines else "no reason was given"


def query_failed(settings: Settings, name: str, checkpoint: Path, text: str) -> WorkshopError:
    """The error that says why the query ``name`` failed with the long error ``text``."""
    reason = cause(text)
    if FULL_WORDS in text:
        return WorkshopError(
            f"The stream `{name}` failed: the disk of {settings.home} is full.",
            "Make room and start it again; it continues where it was. "
            f"Details: {settings.logs / 'spark.log'}.",
        )
    if "WorkshopError" not in text and "Traceback" not in text and _DAMAGED.search(text):
        return WorkshopError(
            f"The checkpoint of the stream `{name}` is damaged: {reason}",
            f"Delete {checkpoint} and start again: the stream reads the topic from its beginning, "
            "and writes everything again under the same ids.",
        )
    return WorkshopError(
        f"The stream `{name}` failed: {reason}",
        "Fix that and start it again; it continues where it was. "
        f"Details: {settings.logs / 'spark.log'}.",
    )


def jvm_ended(settings: Settings, wait: float = 0.0) -> WorkshopError | None:
    """Why Spark's JVM is no longer there; None if it is, or was never started."""
    process = getattr(SparkContext._gateway, "proc", None)
    if process is None:
        return None
    try:
        code = process.wait(wait) if wait else process.poll()
    except TimeoutExpired:
        return None
    if code is None:
        return None
    log = f"It continues where it was. Log: {settings.logs / 'spark.log'}."
    if code == _OUT_OF_MEMORY:
        return WorkshopError(
            f"Spark's JVM ran out of memory; its heap is {settings.spark_driver_memory}.",
            "Start again with a larger WORKSHOP_SPARK_DRIVER_MEMORY, such as 2g, or a smaller "
            f"WORKSHOP_BATCH_RECORDS (now {settings.batch_records}). {log}",
        )
    if code < 0 or code > 128:
        return WorkshopError(
            f"Spark's JVM was killed (signal {-code if code < 0 else code - 128}).",
            "Start again. If the machine had no memory left, close other programs or lower "
            f"WORKSHOP_SPARK_DRIVER_MEMORY (now {settings.spark_driver_memory}). {log}",
        )
    return WorkshopError(f"Spark's JVM ended with exit code {code}.", f"Start again. {log}")


@contextmanager
def one_line_if_jvm_ends(settings: Settings) -> Iterator[None]:
    """In the body: whatever fails because the JVM is gone becomes one ``WorkshopError``."""
    try:
        yield
    except Exception as error:
        ended = why_jvm_ended(settings, error)
        if ended is None:
            raise
        raise ended from error


def why_jvm_ended(settings: Settings, error: Exception) -> WorkshopError | None:
    """``jvm_ended``, after ``error``, which may come a moment before the end."""
    lost = isinstance(error, Py4JNetworkError | ConnectionError | EOFError)
    return jvm_ended(settings, _ENDING_SECONDS if lost else 0.0)
