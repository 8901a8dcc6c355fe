"""Spark's class archive: it is used where it fits, and does no harm where it does not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from workshop_lib.runtime import class_archive
from workshop_lib.spark_startup import rehearsal

pytestmark = pytest.mark.spark

#: Starts Spark, counts to ten; says the JVM's options that mean the archive.
SCRIPT = """
import sys
from pathlib import Path
from workshop_lib.settings import Settings
from workshop_lib.runtime import class_archive
from workshop_lib.stream.session import spark_session

folder, log, home = map(Path, sys.argv[1:])
class_archive.FOLDER = folder
jvm = class_archive.options() + f" -Xlog:class+load=info:file={log}"
spark = spark_session(Settings(home=home, spark_master="local[1]"), jvm=jvm)
print(spark.range(10).count())
"""
#: The same with Spark's own builder, as in notebook 04.
BY_HAND = """
import os, sys
from pathlib import Path
from pyspark.sql import SparkSession
from workshop_lib.settings import Settings
from workshop_lib.runtime import artifacts, class_archive, spark_environment

folder, log, home = map(Path, sys.argv[1:])
class_archive.FOLDER = folder
spark_environment.offer(short=True)
jars = os.pathsep.join(map(str, artifacts.spark_jars(Settings(home=home))))
spark = (
    SparkSession.builder.master("local[1]")
    .config("spark.driver.extraClassPath", jars)
    .config("spark.driver.host", "127.0.0.1")
    .config("spark.driver.extraJavaOptions", f"-Xlog:class+load=info:file={log}")
    .getOrCreate()
)
print(spark.range(10).count())
"""
#: What the JVM's log of loaded classes says of one that came from the archive of ours.
FROM_IT = "shared objects file (top)"


def loaded(folder: Path, tmp_path: Path, script: str = SCRIPT) -> tuple[int, int]:
    """(classes that came from the archive in ``folder``, all classes) of a small Spark job."""
    log = tmp_path / "classes.log"
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder), str(log), str(tmp_path)],
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.strip() == "10", done.stderr
    lines = log.read_text().splitlines()
    return sum(FROM_IT in line for line in lines), len(lines)


@pytest.mark.parametrize("script", [SCRIPT, BY_HAND], ids=["ours", "by hand"])
def test_the_archive_of_this_environment_has_nearly_all_classes(
    tmp_path: Path, script: str
) -> None:
    if class_archive.make() is None:  # it waits for who is building it
        pytest.skip("this Java or this environment cannot have one")
    shared, every = loaded(class_archive.FOLDER, tmp_path, script)
    # The rest is Java's own, of signed jars, or generated while Spark runs.
    assert every > 9_000 and shared > 0.6 * every


def test_one_that_does_not_fit_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "spark-broken.jsa").write_bytes(b"no archive at all" * 1000)
    shared, every = loaded(tmp_path, tmp_path)
    assert shared == 0 and every > 9_000


def test_the_rehearsal_makes_no_world_but_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    def generate(folder: Path, **_: object) -> None:
        made.append(folder)
        raise InterruptedError

    monkeypatch.setenv("WORKSHOP_DATA", str(tmp_path / "somebody's world"))
    monkeypatch.setattr(rehearsal, "generate", generate)
    with pytest.raises(InterruptedError):
        rehearsal.rehearse(tmp_path / "rehearsal", tmp_path / "classes.jsa")
    assert made == [tmp_path / "rehearsal" / "world"]
