"""Files in the shape of the original's repository, from import to the score: all checks hold.

No music.csv, no year of birth, no header on the plays, nothing broken, plays not in order.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import SparkSession
from sms_orders import quick

from workshop_lib.ingest.replay import replay
from workshop_lib.ingest.ship import ship
from workshop_lib.marketing import targets
from workshop_lib.marketing.learn import learn
from workshop_lib.marketing.sms_gateway import Phone, serving
from workshop_lib.marketing.sms_server import serve
from workshop_lib.runtime.connections import create_topics, elasticsearch
from workshop_lib.schema.names import TARGETS_QUERY
from workshop_lib.settings import Settings
from workshop_lib.stack.reset import reset
from workshop_lib.stream.pipeline import QUERIES
from workshop_lib.stream.run import run
from workshop_lib.verify.check import Stage
from workshop_lib.verify.score import stages
from workshop_lib.world.generate import generate
from workshop_lib.world.import_ import import_

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

HOURS = 6
MORE = {TARGETS_QUERY: targets.targets_query}


def original(folder: Path, made: Path) -> None:
    """The files of ``made`` as the original has them, in ``folder``."""
    folder.mkdir()
    sound = pd.read_parquet(made / "ledger.parquet")["kind"].isin(["play", "late"])
    lines = (made / "tracks.csv").read_bytes().splitlines(keepends=True)
    plays = [line for line, keep in zip(lines, sound, strict=True) if keep]
    (folder / "tracks.csv").write_bytes(b"".join(plays[1::2] + plays[::2]))
    with (made / "cust.csv").open(newline="") as old, (folder / "cust.csv").open("w") as new:
        csv.writer(new).writerows(row[:10] for row in csv.reader(old))
    (folder / "clicks.csv").write_bytes((made / "clicks.csv").read_bytes())


@pytest.fixture
def taken(stack: Settings, tmp_path: Path) -> Iterator[Settings]:
    generate(tmp_path / "made", customers=1500, tracks=200, plays=60_000, days=9)
    original(tmp_path / "original", tmp_path / "made")
    report = import_(tmp_path / "original", stack.world)
    assert report["missing"] == ["music.csv"]
    assert all(each["rejected"] == 0 for each in report["files"].values())
    yield stack
    reset(stack)


def wrong(scored: list[Stage]) -> list[str]:
    return [f"{s.stage} {c.name}: {c.expected} {c.actual}" for s in scored
            for c in s.checks if not c.ok]  # fmt: skip


def test_the_original_s_files_go_all_the_way_and_every_check_holds(
    taken: Settings, spark: SparkSession
) -> None:
    create_topics(taken)
    assert learn(taken, spark, seed=7).accepted
    replay(taken, speed=HOURS * 3600, last_hours=HOURS)
    ship(taken, "elasticsearch", once=True)
    ship(taken, "kafka", once=True)
    run(taken, [*QUERIES, *MORE], available_now=True, more=MORE)
    with serving(Phone()) as url:
        serve(quick(taken, url), once=True)
    elasticsearch(taken).indices.refresh(index=taken.index("*"))

    scored = stages(taken)
    assert [each.stage for each in scored] == [1, 2, 3]
    assert wrong(scored) == []
    found = {f"{s.stage} {c.name}": c.actual for s in scored for c in s.checks}
    lines = len((taken.world / "tracks.csv").read_bytes().splitlines())
    assert 1000 < found["1 lines shipped"] < lines and found["1 lines rejected"] == 0
    assert found["2 plays of unknown tracks"] == found["2 plays"]["found"]

    (other,) = elasticsearch(taken).search(index=taken.index("plays"), size=1)["hits"]["hits"]
    elasticsearch(taken).delete(index=taken.index("plays"), id=other["_id"], refresh=True)
    assert any(each.startswith("2 plays:") for each in wrong(stages(taken))), "a lost play is seen"
