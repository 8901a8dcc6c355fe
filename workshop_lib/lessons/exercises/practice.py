"""What the exercises of Stage 2 begin with: the topic's plays, as a table or as a stream.

In: Settings. Out: a pandas table in the order of arrival, or a streaming DataFrame.
"""

from __future__ import annotations

from typing import Any

import orjson
import pandas as pd

from workshop_lib.lessons.exercises import live
from workshop_lib.schema.play import PLAY
from workshop_lib.settings import Settings


def plays_table(settings: Settings) -> pd.DataFrame:
    """The plays of topic ``plays`` in the order of arrival, repeated ones too."""
    records = sorted(live.topic(settings), key=lambda each: (each.timestamp, each.offset))
    table = pd.DataFrame(filter(None, map(_play, records)), columns=list(PLAY))
    moments = pd.to_datetime(table["played_at"], utc=True, errors="coerce", format="ISO8601")
    return table.assign(played_at=moments).dropna()


def _play(record: Any) -> dict[str, Any] | None:
    """The play in a record; None for one that a lesson about dead letters has left."""
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


def labelled_customers(settings: Settings, spark: Any) -> pd.DataFrame:
    """A row per customer who could take the offer: id, eight features from before the ads, and
    ``label``, 1 for whoever clicked."""
    from workshop_lib.marketing.features import history
    from workshop_lib.marketing.learn import click_window, training_rows
    from workshop_lib.world.read import load_clicks, load_customers

    clicks = load_clicks(settings.world)
    first_click, _ = click_window(clicks, settings.world)
    plays = history(spark, settings.world / "tracks.csv")
    return training_rows(plays, first_click, clicks, load_customers(settings.world))
