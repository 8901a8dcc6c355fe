"""Stage 2, step 2: each play gets its listener, its track and its place.

In: rows with the fields of a play and the three reference tables; ``plays_query`` passes
malformed records (fields null) through, too. Out: the same rows, none more and none less, with
the further fields of ``schema.tables.INDICES["plays"]``. An id that no table has leaves
``unknown`` labels, and ``customer_known`` or ``track_known`` false.
"""

from __future__ import annotations

from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from workshop_lib.schema.labels import AGE_BANDS, CAMPAIGN, DEVICE, GENDER, LEVEL, UNKNOWN
from workshop_lib.stream.reference import Reference


def enrich(plays: DataFrame, reference: Reference) -> DataFrame:
    """``plays`` → who listened, what, where. The tables are small: they go to every core."""
    return with_place(
        with_track(with_listener(plays, reference.customers), reference.tracks), reference.places
    ).withColumns(
        {"hour": F.hour("played_at"), "device": label(F.col("is_mobile"), DEVICE)},
    )


def with_listener(plays: DataFrame, customers: DataFrame) -> DataFrame:
    """Adds gender, age, age_band, level, campaign, account_open, customer_known."""
    labelled = customers.select(
        "customer_id",
        "birth_year",
        label(F.col("gender"), GENDER).alias("gender"),
        label(F.col("level"), LEVEL).alias("level"),
        label(F.col("campaign"), CAMPAIGN).alias("campaign"),
        (F.col("status") == 1).alias("account_open"),
        F.lit(True).alias("customer_known"),
    )
    age = F.year("played_at") - F.col("birth_year")
    joined = plays.join(F.broadcast(labelled), "customer_id", "left")
    return (
        joined.withColumn("age", age)
        .withColumn("age_band", age_band(F.col("age")))
        .fillna(UNKNOWN, ["gender", "level", "campaign"])
        .fillna(False, ["customer_known"])
        .drop("birth_year")
    )


def with_track(plays: DataFrame, tracks: DataFrame) -> DataFrame:
    """Adds title, artist, length_seconds, track_known."""
    known = tracks.withColumn("track_known", F.lit(True))
    return (
        plays.join(F.broadcast(known), "track_id", "left")
        .fillna(UNKNOWN, ["title", "artist"])
        .fillna(False, ["track_known"])
    )


def with_place(plays: DataFrame, places: DataFrame) -> DataFrame:
    """Adds state and location of the play's zip; no location when the zip is unknown."""
    return (
        plays.join(F.broadcast(places), "zip", "left")
        .fillna(UNKNOWN, ["state"])
        .withColumn("location", F.when(F.col("lat").isNotNull(), F.struct("lat", "lon")))
        .drop("lat", "lon")
    )


def label(code: Column, names: dict[Any, str]) -> Column:
    """The name of ``code``, ``unknown`` if it is none of ``names``."""
    name = F.coalesce(*(F.when(code == key, F.lit(text)) for key, text in names.items()))
    return F.coalesce(name, F.lit(UNKNOWN))


def age_band(age: Column) -> Column:
    """The label of the band that ``age`` (years) lies in; ``unknown`` for null and below 0."""
    oldest_first = sorted(AGE_BANDS, reverse=True)
    band = F.coalesce(*(F.when(age >= youngest, F.lit(name)) for youngest, name in oldest_first))
    return F.coalesce(band, F.lit(UNKNOWN))
