"""The capstone's solution runs outside the repository, by ``spark-submit``, and gives what the
ledger says; without a part of it, the check says which."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from workshop_lib.lessons.exercises import check
from workshop_lib.lessons.exercises.capstone import environment
from workshop_lib.lessons.exercises.generate import CAPSTONE, EXERCISES, SOLUTIONS
from workshop_lib.lessons.exercises.outcome import Outcome, Result
from workshop_lib.runtime import artifacts, java
from workshop_lib.runtime.connections import elasticsearch, redis_client
from workshop_lib.settings import Settings

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]


def run(folder: Path, settings: Settings, *words: str) -> str:
    """One of the capstone's programs, as a learner starts it, in ``folder``; what it prints."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WORKSHOP_")}
    kept.pop("PYTHONPATH", None)
    java_home = {"JAVA_HOME": str(java.find().home)}
    done = subprocess.run(
        words,
        cwd=folder,
        env=kept | java_home | environment(settings) | {"PYSPARK_PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


def submit(folder: Path, settings: Settings, program: str) -> str:
    jars = ":".join(map(str, artifacts.spark_jars(settings)))  # at home: --packages
    spark = Path(sys.executable).with_name("spark-submit")
    options = ("--driver-class-path", jars, "--master", "local[2]")
    return run(
        folder, settings, str(spark), *options, "--conf", "spark.driver.host=127.0.0.1", program
    )


def outcomes(settings: Settings) -> dict[str, Result]:
    return {result.exercise: result for result in check.capstone.live(settings)}


@pytest.fixture(scope="module")
def done(begun: Settings, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Settings]:
    """The folder of a learner who has finished, after one run of each program."""
    folder = tmp_path_factory.mktemp("home") / "capstone"
    shutil.copytree(SOLUTIONS / CAPSTONE, folder)
    run(folder, begun, sys.executable, "produce.py", "--reset")
    assert {each.outcome for each in outcomes(begun).values()} == {Outcome.NOT_ATTEMPTED}
    run(folder, begun, sys.executable, "produce.py")
    submit(folder, begun, "stream.py")
    submit(folder, begun, "model.py")
    return folder, begun


def test_the_solution_gives_what_the_ledger_says(done: tuple[Path, Settings]) -> None:
    assert {n: str(r) for n, r in outcomes(done[1]).items() if not r.passed} == {}


def test_all_of_it_may_run_again(done: tuple[Path, Settings]) -> None:
    folder, settings = done
    run(folder, settings, sys.executable, "produce.py")  # every play a second time
    submit(folder, settings, "stream.py")
    assert {n: str(r) for n, r in outcomes(settings).items() if not r.passed} == {}


@pytest.mark.parametrize(
    ("step", "name", "query", "message"),
    [
        ("2.plays", "plays", {"term": {"level": "Gold"}}, "are missing"),
        ("2.counts", "plays-per-minute", {"term": {"plays": 1}}, "plays together"),
        ("3", "interests", {"term": {"customer_id": 0}}, "are missing"),
    ],
)
def test_what_is_missing_is_noticed(
    step: str, name: str, query: dict[str, object], message: str, done: tuple[Path, Settings]
) -> None:
    client, settings = elasticsearch(done[1]), done[1]
    index = settings.index(f"capstone-{name}")
    hits = client.search(index=index, query=query, size=1000)["hits"]["hits"]
    assert hits
    for hit in hits:
        client.delete(index=index, id=hit["_id"])
    result = outcomes(settings)[step]
    for hit in hits:
        client.index(index=index, id=hit["_id"], document=hit["_source"])
    assert result.outcome is Outcome.NOT_YET and message in result.message


def test_targets_of_nobody_in_particular_are_noticed(done: tuple[Path, Settings]) -> None:
    client, settings = elasticsearch(done[1]), done[1]
    index = settings.index("capstone-targets")
    kept = client.search(index=index, size=1000)["hits"]["hits"]
    gold = client.search(index=settings.index("capstone-plays"), query={"term": {"level": "Gold"}})
    play = gold["hits"]["hits"][0]["_source"]
    wrong = {"customer_id": play["customer_id"], "event_id": play["event_id"], "score": 1.0}
    client.index(index=index, id="wrong", document=wrong)
    result = outcomes(settings)["4+5"]
    client.delete(index=index, id="wrong", refresh=True)
    assert result.outcome is Outcome.NOT_YET and "is Gold" in result.message
    assert len(kept) == client.count(index=index)["count"]


def test_an_interest_list_that_is_wrong_is_noticed(done: tuple[Path, Settings]) -> None:
    redis, settings = redis_client(done[1]), done[1]
    key = next(redis.scan_iter(match=settings.key("capstone:interests:*"), count=1000))
    redis.zadd(key, {"999999": 1.0})
    result = outcomes(settings)["3"]
    redis.zrem(key, "999999")
    assert result.outcome is Outcome.NOT_YET and "other tracks" in result.message


def test_the_skeleton_has_a_gap_for_each_step_and_nothing_of_the_library() -> None:
    programs = sorted((EXERCISES / CAPSTONE).glob("*.py"))
    text = "".join(path.read_text() for path in programs)
    assert text.count("raise NotImplementedError(") == 17
    for path in (*programs, *(SOLUTIONS / CAPSTONE).glob("*.py")):
        compile(path.read_text(), str(path), "exec")
        assert "import workshop_lib" not in path.read_text()
        assert "from workshop_lib" not in path.read_text()
