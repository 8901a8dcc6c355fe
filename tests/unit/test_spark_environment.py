"""What a Spark started by hand takes from the environment: checkpoints without programs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from workshop_lib.runtime import artifacts, spark_environment


@pytest.mark.parametrize(("local", "fetched"), [(True, True), (True, False), (False, True)])
def test_our_files_are_offered_where_their_jar_is_and_no_cluster(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, local: bool, fetched: bool
) -> None:
    jar = tmp_path / "files.jar"
    if fetched:
        jar.touch()
    monkeypatch.setattr(artifacts, "local_files", lambda: jar)
    for name in ("SPARK_DIST_CLASSPATH", "SPARK_SUBMIT_OPTS"):
        monkeypatch.delenv(name, raising=False)
    spark_environment.offer(short=True, local=local)
    options, offered = os.environ["SPARK_SUBMIT_OPTS"], local and fetched
    assert (f"-Dspark.hadoop.fs.file.impl={spark_environment.FILES}" in options) == offered
    assert os.environ.get("SPARK_DIST_CLASSPATH") == (str(jar) if offered else None)
    assert spark_environment.CHECKPOINT_FILES in options


def test_the_jar_is_one_of_those_that_are_fetched() -> None:
    assert artifacts.local_files().relative_to(artifacts.library()).as_posix() in (
        artifacts.checksums()
    )
