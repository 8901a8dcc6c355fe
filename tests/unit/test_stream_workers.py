"""Spark's Python workers take the modules that pip installed, not Spark's zips of the same ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyspark

from workshop_lib.spark_startup.worker_daemon import installed


def test_zips_stay_where_their_modules_are_not_installed(tmp_path: Path) -> None:
    pip, archive = tmp_path / "site-packages" / "pyspark", tmp_path / "spark"
    pip.mkdir(parents=True)
    (pip / "__init__.py").touch()
    zips = [f"{home}/python/lib/{name}.zip" for home in (pip, archive) for name in ("py4j", "x")]
    others = ["", "my.zip", "/usr/lib/python311.zip"]
    assert installed([*zips, *others]) == [*zips[2:], *others]


def test_a_worker_has_the_modules_of_the_driver(spark: Any) -> None:
    def file(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import py4j
        import pyspark

        yield pa.RecordBatch.from_pylist([{"spark": pyspark.__file__, "py4j": py4j.__file__}])

    (row,) = spark.range(1, numPartitions=1).mapInArrow(file, "spark string, py4j string").collect()
    assert row.spark == pyspark.__file__
    assert ".zip" not in row.py4j
