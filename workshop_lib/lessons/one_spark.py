"""One Spark process for all that ``begin`` found missing of Stages 2 and 3.

In: lines of standard input, each with names of prerequisites (JSON). Out: a trained model, and
what the queries write of all that the topic holds. Training runs beside the queries, so Java
starts once and both cores work; only the batch of ``targets`` waits for the model.

It starts before there is work: a line comes when what it needs is there. The end of the input
means: no more orders. SIGTERM ends it at once; the next one does again what was half done.

Example: echo '["a model", "plays", "targets"]' | python -m workshop_lib.lessons.one_spark
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, TextIO

from pyspark.sql import DataFrame, SparkSession

from workshop_lib.errors import WorkshopError
from workshop_lib.lessons.make import MODEL
from workshop_lib.marketing import model_index
from workshop_lib.marketing.learn import learn
from workshop_lib.marketing.targets import targets_query
from workshop_lib.runtime.console import quiet_clients
from workshop_lib.runtime.lock import only_one
from workshop_lib.schema.names import TARGETS_QUERY
from workshop_lib.settings import Settings
from workshop_lib.stream.failure import one_line_if_jvm_ends
from workshop_lib.stream.pipeline import Builder, Query
from workshop_lib.stream.progress import caught_up, start_over
from workshop_lib.stream.reference import Reference
from workshop_lib.stream.run import prepare, run
from workshop_lib.stream.session import spark_session

#: A scheduling pool of ``pools.xml``.
POOL: Final = "model"


def main(settings: Settings, orders: TextIO) -> None:
    """Make all that the lines of ``orders`` name."""
    model: Future[None] | None = None
    with ThreadPoolExecutor(1) as beside:
        spark = spark_session(_one_more_slot(settings), short=True)
        for line in orders:
            names = json.loads(line)
            if MODEL in names:
                model = beside.submit(_train, settings, spark)
            queries = [name for name in names if name != MODEL]
            if queries:
                _stream(settings, queries, model)
        if model:
            model.result()


def _stream(settings: Settings, queries: list[str], model: Future[None] | None) -> None:
    prepare(settings)  # says first which server does not answer
    for query in queries:
        if caught_up(settings, [query]):
            # It has read everything, but its index was deleted: it reads it again.
            start_over(settings, query)
    run(settings, queries, available_now=True, more={TARGETS_QUERY: _targets_of(model)})


def _one_more_slot(settings: Settings) -> Settings:
    """Training runs hundreds of tiny tasks, which must not wait for a long one to end."""
    if settings.spark_master != "local[*]":
        return settings
    slots = (os.cpu_count() or 2) + 1
    return settings.model_copy(update={"spark_master": f"local[{slots}]"})


def _targets_of(model: Future[None] | None) -> Builder:
    """``targets_query``, whose batch waits for the model that is being trained."""

    def build(
        records: DataFrame, reference: Reference, settings: Settings, partitions: Sequence[int] = ()
    ) -> Query:
        query = targets_query(records, reference, settings)

        def begin(number: int) -> dict[str, Any]:
            if model:
                model.result()
            return query.begin(number)

        return query._replace(begin=begin)

    return build


def _train(settings: Settings, spark: SparkSession) -> None:
    with only_one(settings, "train"):
        # A pool of its own, as each query has: within one pool jobs run one after the other.
        spark.sparkContext.setLocalProperty("spark.scheduler.pool", POOL)
        learn(settings, spark)
    model_index.publish(settings)


if __name__ == "__main__":
    quiet_clients()
    try:
        with one_line_if_jvm_ends(settings := Settings()):
            main(settings, sys.stdin)
    except WorkshopError as error:
        sys.exit(str(error))
