"""Stage 3 in the stream: who plays now, would take the offer, and may be asked.

In: the records of topic ``plays``, the reference tables, the current model. Out: documents
in index ``targets`` and entries of the outbox, each once however often a batch is written.

plays → listeners below Gold with an open account → their habits, as the model's own snapshot
has them, joined by customer id → the model's score → from its threshold on: ``decide``.
"""

from __future__ import annotations

import json
import time
from functools import partial
from typing import Any, Final, NamedTuple

from pyspark.ml import PipelineModel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from workshop_lib.errors import WorkshopError
from workshop_lib.marketing import optouts, registry
from workshop_lib.marketing.outbox import DECIDE, decide, target_id
from workshop_lib.marketing.train import score
from workshop_lib.runtime import connections
from workshop_lib.runtime.retry import retry_with_backoff
from workshop_lib.runtime.state_file import load, save
from workshop_lib.runtime.store_errors import REDIS_UNAVAILABLE
from workshop_lib.schema.labels import LEVEL
from workshop_lib.schema.names import TARGETS_INDEX
from workshop_lib.schema.play import when
from workshop_lib.schema.tables import LISTENER
from workshop_lib.schema.world import OFFER_CAMPAIGN
from workshop_lib.settings import Settings
from workshop_lib.stream.enrich import with_listener, with_place
from workshop_lib.stream.queries import Query
from workshop_lib.stream.reference import Reference
from workshop_lib.stream.sinks import TALLY, Rows, Tally, write
from workshop_lib.stream.sinks.elasticsearch import indexer
from workshop_lib.stream.source import parse, plays

#: Levels that have something to gain from a day of Gold.
BELOW_GOLD: Final = tuple(LEVEL[code] for code in sorted(LEVEL)[:-1])


class Scorer(NamedTuple):
    """A model ready to score; ``habits``: customer_id and the model's features."""

    version: str
    threshold: float
    pipeline: PipelineModel
    habits: DataFrame


def targets_query(records: DataFrame, reference: Reference, settings: Settings) -> Query:
    """Plays → targets. Without an accepted model it reads the plays and offers nothing."""
    connections.create_index(settings, connections.elasticsearch(settings), TARGETS_INDEX)
    optouts.load(settings)
    in_use = InUse(records.sparkSession, settings)

    def written(parsed: DataFrame) -> DataFrame:
        if in_use.scorer is None:
            return parsed.sparkSession.createDataFrame([], TALLY)
        listeners = with_listener(plays(parsed), reference.customers)
        chosen = choose(with_place(may_be_asked(listeners), reference.places), in_use.scorer)
        return offers(chosen, settings)

    return Query(parse(records, settings), written, in_use.begin)


def may_be_asked(listeners: DataFrame) -> DataFrame:
    """Plays of known customers below Gold whose account is open."""
    return listeners.where(
        F.col("customer_known") & F.col("account_open") & F.col("level").isin(*BELOW_GOLD)
    )


def choose(listeners: DataFrame, scorer: Scorer) -> DataFrame:
    """Those plays whose listener the model chooses, with its version, score and threshold.

    A customer without habits in the snapshot is nobody the model can tell anything about.
    """
    known = listeners.join(F.broadcast(scorer.habits), "customer_id")
    return (
        score(scorer.pipeline, known)
        .where(F.col("score") >= scorer.threshold)
        .select(
            "customer_id",
            "event_id",
            F.unix_millis("played_at").alias("played_ms"),
            *LISTENER,
            "score",
            F.lit(scorer.threshold).alias("threshold"),
            F.lit(scorer.version).alias("model_version"),
        )
    )


def offers(chosen: DataFrame, settings: Settings, script: str = DECIDE) -> DataFrame:
    """Decide on the rows of ``choose`` where they are, on the executors; the tallies.

    Decided in Redis first, then into index ``targets``: what is decided stays decided, so
    after a crash in between the same batch finds its targets and writes their documents.
    """
    index = indexer(settings, TARGETS_INDEX)

    def writer(rows: Rows) -> Tally:
        decided = _decide(rows, settings, script)
        return index([{"id": t["target_id"], "document": json.dumps(t)} for t in decided])

    return write(chosen, writer)


def _decide(rows: Rows, settings: Settings, script: str) -> list[dict[str, Any]]:
    """The targets that these rows are, or were when they came before."""
    client = connections.redis_client(settings)
    try:
        decisions = [
            retry_with_backoff(
                partial(decide, client, settings, _target(row), row["played_ms"], script),
                REDIS_UNAVAILABLE,
                server="Redis",
                seconds=settings.patience_seconds,
            )
            for row in rows
        ]
    finally:
        client.close()
    return [decision.target for decision in decisions if decision.target]


def _target(row: dict[str, Any]) -> dict[str, Any]:
    """The document of index ``targets``; an unknown place is left out."""
    fields = {name: value for name, value in row.items() if value is not None}
    played_ms = fields.pop("played_ms")
    return {
        "target_id": target_id(row["customer_id"], row["event_id"]),
        "campaign": OFFER_CAMPAIGN,
        **fields,
        "played_at": when(played_ms, iso=True),
        "decided_at": when(time.time_ns() // 1_000_000, iso=True),
    }


class InUse:
    """The model of the batch that is being written; a new one comes in between two batches.

    Which one a batch had is noted before it is written. Done again after a crash, it has the
    same one: another could choose others, and leave an offer that was sent without a document.
    """

    def __init__(self, spark: SparkSession, settings: Settings) -> None:
        self.spark, self.settings = spark, settings
        self.scorer: Scorer | None = None
        self._note = settings.home / "stream" / "targets-model.json"

    def begin(self, batch: int) -> dict[str, Any]:
        """Take the model for ``batch``; for the progress: ``model`` (its version or None) and
        ``no_offers`` (None, or why there are none)."""
        noted = load(self._note)
        again = noted is not None and noted["batch"] == batch
        version = (noted or {})["version"] if again else registry.current_version(self.settings)
        if not again:
            save(self._note, {"batch": batch, "version": version})
        why = self._take(version)
        return {"model": self.scorer.version if self.scorer else None, "no_offers": why}

    def _take(self, version: str | None) -> str | None:
        """Make ``version`` the one in use; why not, if it cannot be: no model, no offers."""
        if self.scorer and self.scorer.version == version:
            return None
        if self.scorer:
            self.scorer.habits.unpersist()
            self.scorer = None
        if version is None:
            return "no accepted model yet: `workshop train` makes one"
        try:
            model = registry.load(self.settings, version)
        except WorkshopError as error:
            return str(error)
        habits = self.spark.read.parquet(str(model.snapshot))
        self.scorer = Scorer(
            version,
            model.threshold,
            PipelineModel.load(str(model.pipeline)),
            habits.select("customer_id", *model.feature_names).dropna().cache(),
        )
        return None
