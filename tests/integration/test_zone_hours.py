"""Hours and days by the clocks of a zone, over changes to and from summer time: Elasticsearch's
counts, the explorer's charts and the ledger agree."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from workshop_lib.charts import answers
from workshop_lib.charts.ask import ask
from workshop_lib.charts.chart import Chart, DateHistogram, Histogram, Metric
from workshop_lib.charts.search import Search
from workshop_lib.charts.time_range import TimeRange, iso
from workshop_lib.runtime import connections
from workshop_lib.schema.names import PLAYS_INDEX
from workshop_lib.settings import Settings
from workshop_lib.verify import actual

pytestmark = pytest.mark.stack
#: New York's clocks are put back on 1 November 2026 at 06:00 UTC, forward on 8 March at 07:00.
PUT_BACK, PUT_FORWARD = datetime(2026, 11, 1, 6, tzinfo=UTC), datetime(2026, 3, 8, 7, tzinfo=UTC)
#: One play every 20 minutes from 30 hours before each to 30 hours after it.
MOMENTS = [
    moment + timedelta(minutes=20 * n) for moment in (PUT_BACK, PUT_FORWARD) for n in range(-90, 90)
]
ZONES = ("America/New_York", "Asia/Seoul", "Asia/Kathmandu", "UTC")


@pytest.fixture
def filled(stack: Settings) -> Iterator[Settings]:
    client = connections.elasticsearch(stack)
    connections.create_index(stack, client, PLAYS_INDEX)
    documents = (
        (
            str(n),
            {"event_id": n, "customer_id": n % 7, "hour": at.hour, "played_at": at.isoformat()},
        )
        for n, at in enumerate(MOMENTS)
    )
    index = stack.index(PLAYS_INDEX)
    assert not list(connections.bulk_index(client, index, documents))
    answers.refresh(stack)
    yield stack
    client.indices.delete(index=index)


def iso_of(moment: datetime) -> str:
    return iso(int(moment.timestamp()) * 1000)


def by_the_clock(zone: str, moments: list[datetime]) -> dict[int, int]:
    """Python's own idea of the zone: plays per hour of day."""
    hours = pd.Series([at.astimezone(ZoneInfo(zone)).hour for at in moments])
    return {int(hour): int(n) for hour, n in hours.value_counts().items()}


@pytest.mark.parametrize("zone", ZONES)
def test_hours_of_the_day_are_those_of_the_zone_s_clocks(filled: Settings, zone: str) -> None:
    settings = filled.model_copy(update={"timezone": zone})
    want = by_the_clock(zone, MOMENTS)
    found = answers.busiest_hours(settings)
    assert list(found.index) == list(range(24))
    assert {hour: n for hour, n in found.items() if n} == want
    assert actual.plays_per_hour_of_day(settings, PLAYS_INDEX) == want


@pytest.mark.parametrize("zone", ZONES)
def test_the_explorer_splits_by_the_same_hours_with_any_metric(filled: Settings, zone: str) -> None:
    around = [at for at in MOMENTS if at.month in (10, 11)]
    start, end = iso_of(around[0]), "2026-11-03"
    chart = Chart("bar", metric=Metric("unique count", "customer_id"), x=Histogram("hour"))
    answer = ask(filled, Search(time=TimeRange(start, end, zone)), chart)
    table = answer.table[answer.table["plays"] > 0]
    assert dict(zip(table["x"].astype(int), table["plays"], strict=True)) == by_the_clock(
        zone, around
    )
    assert table["value"].max() == 7  # exact, where adding up hours would count people twice


def test_a_day_of_25_hours_is_one_bar_that_begins_at_midnight(filled: Settings) -> None:
    zone = "America/New_York"
    search = Search(time=TimeRange("2026-10-31", "2026-11-03", zone))
    answer = ask(filled, search, Chart("bar", x=DateHistogram(interval="day")))
    local = pd.Series(MOMENTS).dt.tz_convert(zone)
    days = local[local >= "2026-10-31"].dt.date.value_counts().sort_index()
    assert [f"{at:%d %H:%M}" for at in answer.table["x"]] == ["31 00:00", "01 00:00", "02 00:00"]
    assert answer.table["plays"].tolist() == days.tolist()
    assert answer.table["plays"][1] == 25 * 3
