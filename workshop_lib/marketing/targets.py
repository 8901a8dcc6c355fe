"""Stage 3 in the stream, on one page: who plays now, would take the offer, and may be asked.

::

    records → parse → plays → listener → eligible → place → with_score → decided → index targets
                                                                                   and outbox

In: the records of topic ``plays``, the reference tables, the active model. Out: documents in
index ``targets`` and entries of the outbox, each once however often a batch is written. The
first steps are ``workshop_lib.stream``'s; the scores come from the model and the features of
its own snapshot, joined by customer id; ``decide`` is in ``outbox``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import pyarrow as pa
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
from workshop_lib.runtime.store_errors import redis_unavailable
from workshop_lib.schema.labels import LEVEL
from workshop_lib.schema.names import TARGETS_INDEX
from workshop_lib.schema.play import when
from workshop_lib.schema.tables import LISTENER
from workshop_lib.schema.world import OFFER_CAMPAIGN
from workshop_lib.settings import Settings
from workshop_lib.stream.enrich import with_listener, with_place
from workshop_lib.stream.pipeline import Query
from workshop_lib.stream.reference import Reference
from workshop_lib.stream.sinks import Sink, WriteResult
from workshop_lib.stream.sinks.elasticsearch import write_to_index
from workshop_lib.stream.source import parse, plays

#: Levels that have something to gain from a day of Gold.
BELOW_GOLD: Final = tuple(LEVEL[code] for code in sorted(LEVEL)[:-1])


class ScoringModel(NamedTuple):
    """A model ready for use; ``selected``: customer_id and score of those whom it selects."""

    version: str
    threshold: float
    selected: DataFrame


def targets_query(
    records: DataFrame, reference: Reference, settings: Settings, partitions: Sequence[int] = ()
) -> Query:
    """Plays → targets. Without an accepted model it reads the plays and offers nothing."""
    connections.prepare(settings, TARGETS_INDEX)
    optouts.load(settings)
    active = ActiveModel(records.sparkSession, settings)
    active.load_current()
    candidates = (
        records.transform(parse, settings)
        .transform(plays)
        .transform(with_listener, reference.customers)
        .transform(eligible)
        .transform(with_place, reference.places)
    )
    # The model may be another one in each batch.
    return Query(candidates, (write_decided(settings),), active.begin, active.select)


def eligible(listeners: DataFrame) -> DataFrame:
    """Plays of known customers below Gold whose account is open."""
    return listeners.where(
        F.col("customer_known") & F.col("account_open") & F.col("level").isin(*BELOW_GOLD)
    )


def scoring_model(
    version: str, threshold: float, pipeline: PipelineModel, features: DataFrame
) -> ScoringModel:
    """``features``: customer_id and the model's features, null where there is no history.

    They are of the model's snapshot and do not change with a play, so each listener is scored
    once, not with every play. A customer without features is nobody the model can say anything
    about.
    """
    scored = score(pipeline, features.dropna()).where(F.col("score") >= threshold)
    return ScoringModel(version, threshold, scored.select("customer_id", "score").cache())


def with_score(candidates: DataFrame, model: ScoringModel) -> DataFrame:
    """Those plays whose listener the model selects, with its version, score and threshold."""
    return candidates.join(F.broadcast(model.selected), "customer_id").select(
        "customer_id",
        "event_id",
        F.unix_millis("played_at").alias("played_ms"),
        *LISTENER,
        "score",
        F.lit(model.threshold).alias("threshold"),
        F.lit(model.version).alias("model_version"),
    )


def write_decided(settings: Settings, script: str = DECIDE) -> Sink:
    """A sink of the rows of ``with_score``: decides on them where they are, on the executors.

    Decided in Redis first, then into index ``targets``: what is decided stays decided, so
    after a crash in between the same batch finds its targets and writes their documents.
    """
    to_index = write_to_index(settings, TARGETS_INDEX)

    def write(batch: pa.RecordBatch) -> WriteResult:
        decided = _decide(batch.to_pylist(), settings, script)
        if not decided:
            return WriteResult()
        rows = [{"id": each["target_id"], "document": json.dumps(each)} for each in decided]
        return to_index(pa.RecordBatch.from_pylist(rows))

    return write


def _decide(rows: list[dict[str, Any]], settings: Settings, script: str) -> list[dict[str, Any]]:
    """The targets that these rows are, or were when they came before."""
    client = connections.redis_client(settings)
    try:
        decisions = [
            retry_with_backoff(
                partial(decide, client, settings, _target(row), row["played_ms"], script),
                redis_unavailable,
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


class ActiveModel:
    """The model of the batch that is being written; a new one comes in between two batches.

    Which one a batch had is noted before it is written. Done again after a crash, it has the
    same one: another could select others, and leave an offer that was sent without a document.
    """

    def __init__(self, spark: SparkSession, settings: Settings) -> None:
        self.spark, self.settings = spark, settings
        self.model: ScoringModel | None = None
        self._note = settings.home / "stream" / "targets-model.json"

    def load_current(self) -> None:
        """Load the current model, if there is one, before the first batch asks for it.

        That is many small jobs, and each would wait for tasks of the other queries.
        """
        self._activate(registry.current_version(self.settings))
        if self.model:
            self.model.selected.count()

    def begin(self, batch: int) -> dict[str, Any]:
        """Take the model for ``batch``; for the progress: ``model`` (its version or None) and
        ``no_offers`` (None, or why there are none)."""
        noted = load(self._note)
        again = noted is not None and noted["batch"] == batch
        version = (noted or {})["version"] if again else registry.current_version(self.settings)
        if not again:
            save(self._note, {"batch": batch, "version": version})
        reason = self._activate(version)
        return {"model": self.model.version if self.model else None, "no_offers": reason}

    def select(self, candidates: DataFrame) -> DataFrame:
        """``with_score`` by the model of this batch; no rows without one."""
        return with_score(candidates, self.model) if self.model else candidates.limit(0)

    def _activate(self, version: str | None) -> str | None:
        """Make ``version`` the active one; why not, if it cannot be: no model, no offers."""
        if self.model and self.model.version == version:
            return None
        if self.model:
            self.model.selected.unpersist()
            self.model = None
        if version is None:
            return "no accepted model yet: `workshop train` makes one"
        try:
            model = registry.load(self.settings, version)
        except WorkshopError as error:
            return str(error)
        snapshot = self.spark.read.parquet(str(model.snapshot))
        self.model = scoring_model(
            version,
            model.threshold,
            PipelineModel.load(str(model.pipeline)),
            snapshot.select("customer_id", *model.feature_names),
        )
        return None
