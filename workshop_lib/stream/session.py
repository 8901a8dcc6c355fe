"""The Spark session of every stage: Settings in, one quiet session on 127.0.0.1 out."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from py4j.protocol import Py4JNetworkError
from pyspark import SparkContext, java_gateway
from pyspark.sql import SparkSession

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime import artifacts, class_archive, java
from workshop_lib.runtime.spark_environment import file_options
from workshop_lib.runtime.wait import wait_until
from workshop_lib.settings import Settings
from workshop_lib.stream.failure import jvm_ended

#: On a standalone master with free cores it takes a few.
EXECUTOR_SECONDS = 60
LOG4J = Path(__file__).with_name("log4j2.properties")
POOLS = Path(__file__).with_name("pools.xml")
#: Spark's classes fill some 150 MB; each step in growing there would be a full collection.
#: Out of memory it ends at once; otherwise it would go on collecting garbage for minutes.
JVM = (
    f"-Dlog4j2.configurationFile={LOG4J.as_uri()} -XX:MetaspaceSize=256m"
    " -XX:+UseParallelGC -Xms512m -XX:+ExitOnOutOfMemoryError"
)
#: What is kept of ended jobs, stages and queries.
RETAINED = ("ui.retainedJobs", "ui.retainedStages", "sql.ui.retainedExecutions")
#: Of a job of seconds: it ends before the second compiler pays off.
SHORT = " ".join(java.FIRST_COMPILER)
#: Whether Spark compiles code for whole stages, which does not pay off in a job of seconds either.
WHOLE_STAGE = "spark.sql.codegen.wholeStage"


def options(settings: Settings, name: str, jars: list[Path]) -> dict[str, Any]:
    """What the session is configured with, as Spark's own option names.

    ``jars`` are on the driver's class path, where the JVM's class archive covers them; a
    cluster's executors fetch them from the driver besides.
    """
    elsewhere = not settings.spark_master.startswith("local")
    return {
        **file_options(local=not elsewhere),
        "spark.app.name": name,
        "spark.master": settings.spark_master,
        "spark.driver.extraClassPath": os.pathsep.join(map(str, jars)),
        "spark.jars": ",".join(map(str, jars)) if elsewhere else "",
        "spark.driver.host": settings.spark_driver_host,
        "spark.driver.bindAddress": settings.spark_driver_host,
        "spark.driver.memory": settings.spark_driver_memory,
        "spark.executor.memory": settings.spark_executor_memory,
        # An application takes all cores of a cluster by default, and the next one waits for ever.
        **({"spark.cores.max": str(settings.spark_cores)} if settings.spark_cores else {}),
        "spark.python.daemon.module": "workshop_lib.spark_startup.worker_daemon",
        "spark.ui.enabled": str(settings.spark_ui).lower(),
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.warehouse.dir": str(settings.home / "spark-warehouse"),
        # The default 200 makes a windowed count of a few thousand rows 20 times slower.
        "spark.sql.shuffle.partitions": str(settings.shuffle_partitions),
        # Small batches every two seconds: planning each again while it runs costs more.
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        # In a notebook an error names the cell that made its column. Elsewhere Spark would import
        # IPython to ask for the cell, and call Java a few times more for each column.
        "spark.python.sql.dataFrameDebugging.enabled": str(_notebook() is not None).lower(),
        # Rows that Python has in hand at once, in each of its processes.
        "spark.sql.execution.arrow.maxRecordsPerBatch": "5000",
        # Above the default of 128 keys, lists of plays are collected by sorting, not by hashing.
        "spark.sql.objectHashAggregate.sortBased.fallbackThreshold": "100000",
        # A batch without data would only clear old state, which the next one does as well.
        "spark.sql.streaming.noDataMicroBatches.enabled": "false",
        # Hash tables grow by pages. The default page, 16 MB with a heap of 1 GB, is given to each
        # of the small tables that every batch of every query broadcasts.
        "spark.buffer.pageSize": "1m",
        # Four queries have more than the default of 100 pieces of generated code: each batch would
        # evict and compile again what the others use.
        "spark.sql.codegen.cache.maxEntries": "1000",
        # What Spark's page shows of ended batches: 1,000 of each would be 100 MB of the heap.
        **{f"spark.{kept}": "50" for kept in RETAINED},
        # One version of the state in memory, not two; a batch that fails reads its own from disk.
        "spark.sql.streaming.maxBatchesToRetainInMemory": "1",
        # Queries share the cores fairly; first come, first served would starve two of three.
        "spark.scheduler.mode": "FAIR",
        # A path, not a URI: Hadoop's paths would take %20 for what stands in the name.
        "spark.scheduler.allocation.file": f"file:{POOLS}",
    }


def spark_session(
    settings: Settings, name: str = "workshop", short: bool = False, jvm: str = ""
) -> SparkSession:
    """The session, made or found.

    ``short`` (or so in the settings): for a job of seconds, which takes half of the time with
    ``SHORT`` and less again without ``WHOLE_STAGE``. ``jvm``: options of Java's own, in the place
    of those of the class archive. What Spark itself prints goes to ``spark.log`` in
    ``settings.logs``, not into a notebook. Raises ``WorkshopError`` when the connector's jars are
    neither cached nor to be had.
    """
    forget_ended_jvm()
    os.environ["SPARK_LOCAL_IP"] = settings.spark_driver_host
    # The Java that doctor found, whatever JAVA_HOME or PATH say.
    os.environ["JAVA_HOME"] = str(java.find().home)
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    os.environ |= java.FEW_ARENAS
    config = options(settings, name, artifacts.spark_jars(settings))
    temporary = _temporary(settings)
    short = short or settings.spark_short
    compilers = SHORT if short else ""
    config[WHOLE_STAGE] = str(not short).lower()
    if settings.spark_master.startswith("local"):
        config["spark.local.dir"] = str(temporary)
    elif short:
        config["spark.executor.extraJavaOptions"] = compilers
    of_java = [
        JVM,
        f'"-Djava.io.tmpdir={temporary}"',
        compilers,
        jvm or class_archive.options(),
    ]
    config["spark.driver.extraJavaOptions"] = " ".join(filter(None, of_java))
    builder = SparkSession.builder.config(map=config)
    with stderr_to(settings.logs / "spark.log"), _own_signals():
        session = builder.getOrCreate()
    explain_ended_jvm(settings)
    # Of a session that was found, such as a notebook's own, the master may be another.
    if str(session.sparkContext.master).startswith("spark://"):
        _wait_for_an_executor(session, settings)
    return session


def forget_ended_jvm() -> None:
    """After the JVM has ended, the next session starts a new one instead of failing."""
    process = getattr(SparkContext._gateway, "proc", None)
    if process is not None and process.poll() is not None:
        SparkContext._gateway = SparkContext._jvm = SparkContext._active_spark_context = None
        SparkSession._instantiatedSession = SparkSession._activeSession = None


def _notebook() -> Any:
    """IPython's shell, if this process is one of a notebook or of IPython itself."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython else None


def explain_ended_jvm(settings: Settings) -> None:
    """In a notebook, a cell that fails because the JVM has ended says so, without a traceback."""
    shell = _notebook()
    if shell is None:
        return

    def show(shell: Any, kind: Any, error: BaseException, trace: Any, tb_offset: Any) -> None:
        ended = jvm_ended(settings, wait=5.0)
        if ended:
            print(f"{ended} Then run the notebook again from its first cell.", file=sys.stderr)
        else:
            shell.showtraceback((kind, error, trace), tb_offset=tb_offset)

    shell.set_custom_exc((Py4JNetworkError, ConnectionRefusedError), show)


def _wait_for_an_executor(session: SparkSession, settings: Settings) -> None:
    """``WorkshopError`` when the cluster has no room: jobs would wait for ever without a word."""
    context = session.sparkContext._jsc.sc()

    def has_executor() -> bool:
        return bool(context.getExecutorMemoryStatus().size() > 1)  # the driver is one

    try:
        wait_until(has_executor, EXECUTOR_SECONDS, "an executor")
    except WorkshopError:
        session.stop()
        raise WorkshopError(
            f"{settings.spark_master} gave this application no executor within"
            f" {EXECUTOR_SECONDS} s.",
            "Its workers have no free core or memory: stop another application (a notebook's"
            " kernel, `workshop stream`), or lower WORKSHOP_SPARK_CORES and"
            " WORKSHOP_SPARK_EXECUTOR_MEMORY.",
        ) from None


def _temporary(settings: Settings) -> Path:
    """This process's folder for what Spark spills: /tmp is often small. Dead ones' are removed."""
    folder = settings.home / "spark-tmp"
    mine = folder / str(os.getpid())
    mine.mkdir(parents=True, exist_ok=True)
    for other in folder.iterdir():
        if other.name.isdigit() and not psutil.pid_exists(int(other.name)):
            shutil.rmtree(other, ignore_errors=True)
    return mine


@contextmanager
def _own_signals() -> Iterator[None]:
    """Who handles Ctrl-C goes on doing so; Spark would end the batch that is being written.

    Where it only interrupts, as in a notebook, Spark's way is the better one: it ends the job.
    The JVM gets a session of its own: a signal to our process group would end it before us. It
    ends when its standard input does.
    """
    ours = signal.getsignal(signal.SIGINT)
    started_apart = partial(subprocess.Popen, start_new_session=True)
    setattr(java_gateway, "Popen", started_apart)  # noqa: B010
    try:
        yield
    finally:
        setattr(java_gateway, "Popen", subprocess.Popen)  # noqa: B010
    main = threading.current_thread() is threading.main_thread()
    if main and ours not in (signal.default_int_handler, signal.SIG_DFL, None):
        signal.signal(signal.SIGINT, ours)


@contextmanager
def stderr_to(path: Path) -> Iterator[None]:
    """A process started inside, such as Spark's Java one, has ``path`` as its standard error."""
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
