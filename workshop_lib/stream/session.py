"""The Spark session of every stage: Settings in, one quiet session on 127.0.0.1 out."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from workshop_lib.settings import Settings

LOG4J = Path(__file__).with_name("log4j2.properties")


def options(settings: Settings, name: str, jars: list[Path]) -> dict[str, Any]:
    """What the session is configured with, as Spark's own option names."""
    return {
        "spark.app.name": name,
        "spark.master": settings.spark_master,
        "spark.jars": ",".join(map(str, jars)),
        "spark.driver.host": settings.spark_driver_host,
        "spark.driver.bindAddress": settings.spark_driver_host,
        "spark.driver.memory": settings.spark_driver_memory,
        "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile={LOG4J.as_uri()}",
        "spark.executor.memory": settings.spark_executor_memory,
        "spark.ui.enabled": str(settings.spark_ui).lower(),
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.warehouse.dir": str(settings.home / "spark-warehouse"),
        # The default 200 makes a windowed count of a few thousand rows 20 times slower.
        "spark.sql.shuffle.partitions": str(settings.shuffle_partitions),
        # Small batches every two seconds: planning each again while it runs costs more.
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        # A batch without data would only clear old state, which the next one does as well.
        "spark.sql.streaming.noDataMicroBatches.enabled": "false",
        # Queries share the cores fairly; first come, first served would starve two of three.
        "spark.scheduler.mode": "FAIR",
    }


def spark_session(
    settings: Settings, name: str = "workshop", connectors: bool = True, short: bool = False
) -> SparkSession:
    """The session, made or found. ``connectors``: with the jars that read Kafka.

    ``short`` (or so in the settings): for a job of seconds, which ends before the JVM's second
    compiler pays off; without that one such a job takes half of the time.

    What Spark itself prints goes to ``spark.log`` in ``settings.logs``, not into a notebook.
    Raises ``WorkshopError`` when the jars are neither cached nor to be had.
    """
    os.environ["SPARK_LOCAL_IP"] = settings.spark_driver_host
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    config = options(settings, name, _jars(settings, connectors))
    if short or settings.spark_short:
        config["spark.driver.extraJavaOptions"] += " -XX:TieredStopAtLevel=1"
    builder = SparkSession.builder.config(map=config)
    with _stderr_to(settings.logs / "spark.log"):
        return builder.getOrCreate()


def _jars(settings: Settings, connectors: bool) -> list[Path]:
    if not connectors:
        return []
    from workshop_lib.stack import artifacts

    return artifacts.spark_jars(settings)


@contextmanager
def _stderr_to(path: Path) -> Iterator[None]:
    """A process started inside, here the Java one, has ``path`` as its standard error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sys.stderr.flush()
    ours = os.dup(2)
    with path.open("ab") as log:
        os.dup2(log.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(ours, 2)
        os.close(ours)
