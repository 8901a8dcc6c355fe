"""The Docker stack whole: its demo, the notebooks inside, faults, stages, two checkouts.

In the order of this file, in one room; `make docker-test-local` runs it, in about half an hour.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from containers import CORE, ROOT_HERE, Room, image_of, reason_against

from workshop_lib.runtime.wait import wait_until
from workshop_lib.verify import compare

WHY = reason_against([*map(image_of, CORE)])
pytestmark = [
    pytest.mark.rooms,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(bool(WHY), reason=WHY),
]
NOTEBOOKS = sorted(path.name for path in Path(__file__).parents[2].glob("notebooks/*.ipynb"))


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    room = Room(tmp_path_factory.mktemp("rooms") / "checkout", 22_000)
    try:
        yield room
    finally:
        room.workshop("down", "--clean")


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The report of the demo without Docker."""
    home = tmp_path_factory.mktemp("embedded")
    kept = {n: v for n, v in os.environ.items() if not n.startswith("WORKSHOP_")}
    done = subprocess.run(
        [sys.executable, "-m", "workshop_lib.cli", "demo", "--yes"],
        env={**kept, "WORKSHOP_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    report: dict[str, Any] = json.loads((home / "reports" / "demo.json").read_text())
    return report


def well(room: Room) -> set[str]:
    """The services, all of which are healthy."""
    services = json.loads(room.workshop("status", "--json"))
    assert {s["name"]: s["problem"] for s in services if s["problem"]} == {}
    return {service["name"] for service in services}


@pytest.mark.parametrize("stage", [1, 2, 3, 4])
def test_each_stage_starts_and_what_ran_before_is_the_same_container(
    room: Room, stage: int
) -> None:
    before = room.containers() if stage > 1 else {}
    room.up(stage)
    after = room.containers()
    assert {name: after[name] for name in before} == before
    assert well(room) == set(after)
    expected = {1: "jupyter", 2: "spark-worker", 3: "sms-server", 4: "web"}
    assert expected[stage] in after


def test_its_demo_holds_every_check_that_the_other_stack_s_holds(
    room: Room, embedded: dict[str, Any]
) -> None:
    room.workshop("down")
    left_out = (word for name in room.without for word in ("--without", name))
    room.workshop("demo", "--docker", "--yes", "--keep", *left_out)
    report = json.loads((room.home / "reports" / "demo-docker.json").read_text())
    assert report["stack"] == "docker" and report["without"] == room.without
    assert compare.differences(embedded, report) == []
    assert len(compare.checks(report)) >= len(compare.checks(embedded)) > 40


@pytest.mark.skipif(not ROOT_HERE, reason="only root may kill a container's first process")
@pytest.mark.parametrize(
    "service", ["kafka", "elasticsearch", "redis", "spark-master", "spark-worker", "jupyter", "web"]
)
def test_what_is_killed_comes_back_by_itself(room: Room, service: str) -> None:
    room.kill(service)
    assert service in well(room)


def test_after_all_these_faults_nothing_is_lost(room: Room) -> None:
    scored = json.loads(room.run("jupyter", "workshop", "verify", "--json"))
    assert [c["name"] for s in scored for c in s["checks"] if not c["ok"]] == []


KERNEL = """
import sys, time
from jupyter_client import KernelManager
manager = KernelManager(); manager.start_kernel()
client = manager.client(); client.start_channels(); client.wait_for_ready(timeout=60)
client.execute_interactive("kept = 41", timeout=60)
print("ready", flush=True); sys.stdin.readline()
client.execute_interactive("print(kept + 1)", timeout=60)
manager.shutdown_kernel()
"""


def test_a_kernel_lives_through_a_change_of_the_stage(room: Room) -> None:
    room.up(1)
    inside = subprocess.Popen(
        ["docker", "exec", "-i", room.containers()["jupyter"], "python", "-c", KERNEL],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert inside.stdin and inside.stdout
    assert inside.stdout.readline() == "ready\n"
    room.up(3)
    inside.stdin.write("\n")
    inside.stdin.flush()
    assert inside.stdout.readline() == "42\n"
    assert inside.wait(60) == 0


def test_reset_leaves_nothing_and_needs_no_new_container(room: Room) -> None:
    before = room.containers()
    said = room.run("jupyter", "workshop", "reset", "--yes")
    assert "topics" in said
    assert room.containers() == before
    room.run("jupyter", "workshop", "verify", "--json", check=False)


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_a_notebook_runs_inside(room: Room, notebook: str) -> None:
    # Beside the stage's own SMS server, which gives way to notebook 07.
    assert "sms-server" in well(room)

    def run() -> None:
        room.run(
            "jupyter",
            *("jupyter", "nbconvert", "--execute", "--to", "notebook", "--output-dir", "/tmp/ran"),
            *("--ExecutePreprocessor.timeout=600", f"/workshop/notebooks/{notebook}"),
        )

    if notebook.startswith("09"):
        # It kills a server, which nothing inside a container can: it says in one line who can.
        with pytest.raises(AssertionError, match="in Docker, kill its container"):
            run()
    else:
        run()


def test_a_second_checkout_has_containers_of_its_own(
    room: Room, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = Room(tmp_path_factory.mktemp("rooms") / "second", 23_000)
    try:
        room.up(4)
        mine = room.containers()
        other.up(1)
        assert other.env["WORKSHOP_PROJECT"] != room.env["WORKSHOP_PROJECT"]
        assert not set(other.containers().values()) & set(mine.values())
    finally:
        other.workshop("down", "--clean")
    assert room.containers() == mine
    wait_until(lambda: well(room), 60, "the first room")
