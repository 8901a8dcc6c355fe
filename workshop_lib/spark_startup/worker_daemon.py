"""Spark's Python workers, ready sooner: what the sinks import is there before they fork.

Spark starts this module instead of ``pyspark.daemon`` (``spark.python.daemon.module``). Each
worker is a fork of it; without these imports each would load the servers' clients again, which
takes longer than its share of a small batch.
"""

from __future__ import annotations

import gc
import sys
from pathlib import Path


def installed(paths: list[str]) -> list[str]:
    """``paths`` without Spark's own zips, if its Python is also installed, as pip does it.

    Spark puts them first, and Python compiles what comes from a zip again in each process.
    """

    def is_installed(path: Path) -> bool:
        return path.match("python/lib/*.zip") and (path.parents[2] / "__init__.py").exists()

    return [path for path in paths if not is_installed(Path(path))]


sys.path[:] = installed(sys.path)

from pyspark.daemon import manager  # noqa: E402

import workshop_lib.marketing.targets  # noqa: E402
import workshop_lib.stream.pipeline  # noqa: E402, F401

if __name__ == "__main__":
    # A worker collects garbage after each task; it would look at all that was imported, for longer
    # than a small task takes.
    gc.freeze()
    manager()
