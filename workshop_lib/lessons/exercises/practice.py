"""What the exercises of Stage 2 begin with: the topic's plays, as a table or as a stream.

In: Settings. Out: a pandas table in the order of arrival, or a streaming DataFrame. Nothing
here is to be learned; it spares the exercise what the notebooks have shown.
"""

from __future__ import annotations

from typing import Any

import orjson
import pandas as pd

from workshop_lib.lessons.exercises import live
from workshop_lib.schema.play import PLAY
from workshop_lib.settings import Settings


def plays_table(settings: Settings) -> pd.DataFrame:
    """The plays of topic ``plays`` in the order in which they came, repeated ones too."""
    records = sorted(live.topic(settings), key=lambda each: (each.timestamp, each.offset))
    table = pd.DataFrame(filter(None, map(_play, records)), columns=list(PLAY))
    moments = pd.to_datetime(table["played_at"], utc=True, errors="coerce", format="ISO8601")
    return table.assign(played_at=moments).dropna()


def _play(record: Any) -> dict[str, Any] | None:
    """The play that a record is; None for one that a lesson about dead letters has left."""
    try:
        value = orjson.loads(record.value or b"")
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) and set(value) >= set(PLAY) else None


def plays_stream(settings: Settings, spark: Any = None) -> Any:
    """The same as a stream of Spark, with the columns of ``schema.play.PLAY``."""
    from workshop_lib.stream.session import spark_session
    from workshop_lib.stream.source import parse, plays, records

    spark = spark or spark_session(settings, short=True)
    return plays(parse(records(spark, settings), settings)).select(*PLAY)


def run_once(stream: Any, settings: Settings, name: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Run ``stream`` as query ``name`` over all that there is; the rows, a later one in place
    of an earlier one of the same first column, and Spark's own report of the last batch.

    A query of that name that still runs is stopped. Raises what the query raised.
    """
    for query in stream.sparkSession.streams.active:
        if query.name == name:
            query.stop()
    parts: list[pd.DataFrame] = []
    query = (
        stream.writeStream.queryName(name)
        .outputMode("update")
        .trigger(availableNow=True)
        .foreachBatch(lambda batch, number: parts.append(batch.toPandas()))
        .start()
    )
    try:
        query.awaitTermination(120)
    finally:
        query.stop()
    rows = pd.concat(parts) if parts else pd.DataFrame(columns=stream.columns)
    reports = [each for each in query.recentProgress if each["numInputRows"]]
    return rows.drop_duplicates(rows.columns[0], keep="last"), dict(reports[-1]) if reports else {}
