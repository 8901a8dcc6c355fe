"""Stage 2: the tables that a play is joined with, from the recorded world's files."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from workshop_lib.settings import Settings

CUSTOMERS = (
    "customer_id int, gender int, birth_year int, zip string, level int, status int, campaign int"
)
TRACKS = "track_id int, title string, artist string, length_seconds int"
PLACES = "zip string, state string, lat double, lon double"
#: Tables of more bytes are data that a plan points to, not a part of it.
_NOT_IN_THE_PLAN = ("spark.sql.execution.arrow.localRelationThreshold", "0")


class Reference(NamedTuple):
    """Customers, tracks and zip places, each with one row per id."""

    customers: DataFrame
    tracks: DataFrame
    places: DataFrame


def to_spark(
    spark: SparkSession, customers: pd.DataFrame, tracks: pd.DataFrame, places: pd.DataFrame
) -> Reference:
    """The three pandas tables as Spark ones, with the columns and types above.

    They are cached in Spark's columns. As rows of the plan, which small tables are by default,
    every batch of every query would copy them when it is planned, and keep its copy.
    """
    tables = ((customers, CUSTOMERS), (tracks, TRACKS), (places, PLACES))
    spark.conf.set(*_NOT_IN_THE_PLAN)
    try:
        return Reference(*(_table(spark, frame, schema).cache() for frame, schema in tables))
    finally:
        spark.conf.unset(_NOT_IN_THE_PLAN[0])


def load(settings: Settings) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Customers, tracks and places of ``settings.world``, for ``to_spark``.

    Raises ``WorkshopError`` when there is no world.
    """
    from workshop_lib.world.places import zip_places
    from workshop_lib.world.read import load_customers, load_tracks

    return load_customers(settings.world), load_tracks(settings.world), zip_places()


def _table(spark: SparkSession, frame: pd.DataFrame, schema: str) -> DataFrame:
    columns = [column.split() for column in schema.split(", ")]
    types = {"int": pa.int32(), "string": pa.string(), "double": pa.float64()}
    arrow = pa.schema([(name, types[kind]) for name, kind in columns])
    return spark.createDataFrame(pa.Table.from_pandas(frame, arrow, preserve_index=False), schema)
