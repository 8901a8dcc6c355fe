"""Notebook 04, Spark streaming (and 05): plays made by hand, and sending them.

In: a sandbox and plays. Out: records in its topic ``plays``; tables and figures of what a
query did.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import accumulate
from typing import Final

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pyspark.sql import SparkSession
from pyspark.sql.streaming import StreamingQuery

from workshop_lib.lessons.figures import finished
from workshop_lib.runtime import artifacts
from workshop_lib.runtime.connections import producer
from workshop_lib.schema.names import PLAYS_TOPIC
from workshop_lib.schema.play import Play, to_json
from workshop_lib.settings import Settings
from workshop_lib.stream.session import stderr_to

#: The evening of the hand-made plays: a Sunday, 20:00 UTC, in ms.
EVENING: Final = int(datetime(2026, 1, 4, 20, tzinfo=UTC).timestamp() * 1000)


def session(settings: Settings) -> SparkSession:
    """The session of notebook 04: two threads, the Kafka connector, UTC. What Spark itself prints
    goes to ``spark.log`` in ``settings.logs``."""
    jars = os.pathsep.join(map(str, artifacts.spark_jars(settings)))
    options: dict[str, bool | float | int | str | None] = {
        "spark.driver.extraClassPath": jars,
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.streaming.noDataMicroBatches.enabled": "false",
    }
    os.environ["PYSPARK_PYTHON"] = sys.executable  # else Spark's workers take another Python
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    builder = SparkSession.builder.appName("by hand").master("local[2]")
    with stderr_to(settings.logs / "spark.log"):
        made = builder.config(map=options).getOrCreate()
    made.sparkContext.setLogLevel("ERROR")
    return made


def play(event: int, listener: int, track: int, minute: float) -> Play:
    """Play ``event``, so many minutes after 20:00."""
    return Play(event, listener, track, EVENING + round(minute * 60_000), True, "02108")


def send(mine: Settings, values: Iterable[Play | bytes]) -> None:
    """Send plays, or bytes as they are, to topic ``plays`` of ``mine``, in this order."""
    to_kafka = producer(mine)
    try:
        topic = mine.topic(PLAYS_TOPIC)
        for value in values:
            if isinstance(value, bytes):
                to_kafka.send(topic, value)
            else:
                to_kafka.send(topic, to_json(value), str(value.customer_id).encode())
        to_kafka.flush(30)
    finally:
        to_kafka.close()


@contextmanager
def send_slowly(mine: Settings, plays: Sequence[Play], seconds: float) -> Iterator[None]:
    """While the block runs, ``plays`` come one by one, spread over so many seconds."""
    stop = threading.Event()

    def come() -> None:
        to_kafka = producer(mine, linger_ms=0)
        for each in plays:
            to_kafka.send(mine.topic(PLAYS_TOPIC), to_json(each), str(each.customer_id).encode())
            if stop.wait(seconds / len(plays)):
                break
        to_kafka.close()

    thread = threading.Thread(target=come, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def batches(query: StreamingQuery) -> pd.DataFrame:
    """One row per batch that had rows: what came in, the watermark, what was dropped, and how
    many rows the state keeps."""
    return pd.DataFrame(
        [
            {
                "batch": report["batchId"],
                "rows in": report["numInputRows"],
                "watermark": minute(report["eventTime"].get("watermark")),
                "dropped": sum(s["numRowsDroppedByWatermark"] for s in report["stateOperators"]),
                "state rows": sum(s["numRowsTotal"] for s in report["stateOperators"]),
            }
            for report in query.recentProgress
            if report["numInputRows"]
        ]
    )


def minute(moment: datetime | str | None) -> str:
    """Hour and minute, UTC, of a moment; "none" at Spark's beginning of time.

    A moment without a zone is one that Spark collected: it is in this machine's zone.
    """
    if not moment:
        return "none"
    when = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    when = when.astimezone(UTC)
    return "none" if when.year == 1970 else when.strftime("%H:%M")


def evening(rows: Mapping[str, Sequence[float]], track: int = 7) -> list[Play]:
    """Plays of listeners 1, 2, 3 …, one for each row of minutes, in order of arrival.

    Within a row minutes are in order of arrival: one that is smaller than its neighbour comes
    late. The same minute twice is the same play, sent again.
    """
    arriving: list[tuple[float, Play]] = []
    for listener, minutes in enumerate(rows.values(), 1):
        for minute, arrival in zip(minutes, accumulate(minutes, max), strict=True):
            event = 10 * listener + list(minutes).index(minute)
            arriving.append((arrival, play(event, listener, track, minute)))
    return [each for _, each in sorted(arriving, key=lambda pair: pair[0])]


def clock(minute: float) -> str:
    """Minutes after 20:00 as a time of day."""
    return f"{20 + int(minute // 60)}:{int(minute % 60):02d}"


def clock_axis(figure: Figure, ax: Axes, every: int) -> Figure:
    ax.xaxis.set_major_locator(plt.MultipleLocator(every))
    ax.xaxis.set_major_formatter(lambda minute, _: clock(minute))
    return finished(figure, ax)
