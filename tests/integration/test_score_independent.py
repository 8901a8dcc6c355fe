"""A fault in the pipeline's loaders or join is seen by the score, which shares none of them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pandas as pd
import pytest

from workshop_lib.ingest.replay import replay
from workshop_lib.ingest.ship import ship
from workshop_lib.settings import Settings
from workshop_lib.stack.reset import reset
from workshop_lib.stream import reference
from workshop_lib.stream import run as runner
from workshop_lib.stream.progress import start_over
from workshop_lib.verify.score import stage2, truth
from workshop_lib.world.generate import generate

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures("spark")]

Tables = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]


def by_line_number(customers: pd.DataFrame, tracks: pd.DataFrame, places: pd.DataFrame) -> Tables:
    ids = customers["customer_id"].to_numpy()[::-1]
    return customers.assign(customer_id=ids), tracks, places


def genders_swapped(customers: pd.DataFrame, tracks: pd.DataFrame, places: pd.DataFrame) -> Tables:
    return customers.assign(gender=1 - customers["gender"]), tracks, places


def no_leading_zeros(customers: pd.DataFrame, tracks: pd.DataFrame, places: pd.DataFrame) -> Tables:
    return customers, tracks, places.assign(zip=places["zip"].str.lstrip("0"))


def first_track_lost(customers: pd.DataFrame, tracks: pd.DataFrame, places: pd.DataFrame) -> Tables:
    return customers, tracks.iloc[1:], places


@pytest.fixture(scope="module")
def flowed(running_stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A small world, replayed and streamed by the code as it is."""
    names = (
        *("kafka_bootstrap", "kafka_password"),
        *("elasticsearch_url", "elasticsearch_password", "redis_url"),
    )
    settings = Settings(
        home=tmp_path_factory.mktemp("score"),
        namespace=f"t{uuid.uuid4().hex[:8]}-",
        **{name: getattr(running_stack, name) for name in names},
    )
    generate(
        settings.world,
        seed=3,
        customers=100,
        tracks=60,
        plays=1500,
        days=3,
        until=datetime.now(UTC),
    )
    replay(settings, speed=1e7)
    ship(settings, "kafka", once=True)
    runner.run(settings, available_now=True)
    yield settings
    reset(settings)


def wrong(settings: Settings) -> set[str]:
    return {check.name for check in stage2(settings, truth(settings)).checks if not check.ok}


def test_the_code_as_it_is_scores_green(flowed: Settings) -> None:
    assert wrong(flowed) == set()


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        (by_line_number, {"plays per gender", "plays per age band", "plays per level"}),
        (genders_swapped, {"plays per gender"}),
        (no_leading_zeros, {"plays per state"}),
        (first_track_lost, {"plays of unknown tracks"}),
    ],
)
def test_a_broken_loader_scores_red(
    flowed: Settings,
    monkeypatch: pytest.MonkeyPatch,
    fault: Callable[[pd.DataFrame, pd.DataFrame, pd.DataFrame], Tables],
    seen: set[str],
) -> None:
    monkeypatch.setattr(runner, "load", lambda settings: fault(*reference.load(settings)))
    start_over(flowed, "plays")
    runner.run(flowed, ["plays"], available_now=True)
    assert seen <= wrong(flowed)
