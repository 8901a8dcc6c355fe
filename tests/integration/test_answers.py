"""The story's questions, answered by Elasticsearch and by pandas."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from explore_world import index, known_plays

from workshop_lib.charts import answers
from workshop_lib.runtime import connections
from workshop_lib.schema.names import PLAYS_PER_MINUTE_INDEX
from workshop_lib.settings import Settings
from workshop_lib.stack.reset import reset

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def asked(running_stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    settings = running_stack.model_copy(
        update={
            "home": tmp_path_factory.mktemp("answers"),
            "namespace": f"t{uuid.uuid4().hex[:8]}-",
        }
    )
    index(settings, known_plays())
    yield settings
    reset(settings)


@pytest.mark.parametrize("name", ["gender", "device", "level", "live-ages", "live-states"])
def test_a_question_of_the_catalogue_counts_every_play(asked: Settings, name: str) -> None:
    found = answers.counts(asked, name)
    assert found.to_dict() == known_plays()[found.index.name].value_counts().to_dict()
    assert found.is_monotonic_decreasing
    assert answers.share(found).sum() == pytest.approx(1)


def test_the_largest_and_a_day_of_24_hours(asked: Settings) -> None:
    by_artist = known_plays().groupby("artist").size().reset_index(name="plays")
    top = by_artist.sort_values(["plays", "artist"], ascending=[False, True]).head(10)
    found = answers.counts(asked, "top-artists")
    assert list(found.items()) == list(zip(top["artist"], top["plays"], strict=True))
    only = answers.plays_by(asked, "hour", query={"term": {"device": "mobile"}})
    assert only.sum() == (known_plays()["device"] == "mobile").sum()
    hours = answers.busiest_hours(asked)
    truth = known_plays()["hour"].value_counts().reindex(range(24), fill_value=0)
    assert hours.tolist() == truth.tolist()


def test_minutes_are_read_in_pages_as_the_stream_wrote_them(asked: Settings) -> None:
    client = connections.elasticsearch(asked)
    connections.create_index(asked, client, PLAYS_PER_MINUTE_INDEX)
    assert answers.plays_per_minute(asked).empty
    rows = [
        {"minute": f"2026-01-{d:02}T{h:02}:{m:02}:00Z", "dimension": "all", "value": "all"}
        for d in range(1, 9)
        for h in range(24)
        for m in range(60)
    ]
    documents = [(str(n), row | {"plays": n}) for n, row in enumerate(rows)]
    assert not list(connections.bulk_index(client, asked.index(PLAYS_PER_MINUTE_INDEX), documents))
    answers.refresh(asked)
    found = answers.plays_per_minute(asked)["all"]
    assert len(rows) > 10_000
    assert found.tolist() == list(range(len(rows)))
    assert str(found.index[61]) == "2026-01-01 01:01:00+00:00"
