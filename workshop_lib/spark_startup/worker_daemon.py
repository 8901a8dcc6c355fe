"""Spark's Python workers, ready sooner: what the sinks import is there before they fork.

Spark starts this module instead of ``pyspark.daemon`` (``spark.python.daemon.module``). Each
worker is a fork of it; without these imports each would load the servers' clients again, which
takes longer than its share of a small batch.
"""

from __future__ import annotations

from pyspark.daemon import manager

import workshop_lib.marketing.targets
import workshop_lib.stream.pipeline  # noqa: F401

if __name__ == "__main__":
    manager()
