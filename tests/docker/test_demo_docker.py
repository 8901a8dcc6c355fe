"""The demo on the Docker stack: what it starts in which order, and what it compares."""

from __future__ import annotations

import json
from typing import Any

import pytest
from docker_machine import Docker

from workshop_lib.lessons import demo_docker
from workshop_lib.runtime import connections
from workshop_lib.settings import Settings
from workshop_lib.stack import compose, docker_cli
from workshop_lib.verify import compare

DOCUMENT = {
    "event_id": 17,
    "customer_id": 0,
    "track_id": 1,
    "played_at": "2026-03-01T12:00:00.000Z",
    "is_mobile": True,
    "zip": "01234",
}


def report(stack: str, *names: str, ok: bool = True) -> dict[str, Any]:
    checks = [{"name": name, "expected": 1, "actual": 1, "ok": ok} for name in names]
    return {"ok": ok, "stack": stack, "stages": [{"stage": 1, "name": "see it", "checks": checks}]}


@pytest.mark.stack
def test_each_service_is_started_once_and_the_demo_runs_inside(
    docker: Docker, stack: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = stack.model_copy(update={"stack": "docker"})
    ups: list[int] = []
    monkeypatch.setattr(compose, "up", lambda s, stage, without: ups.append(stage))
    monkeypatch.setattr(demo_docker, "Settings", lambda home: stack)
    client = connections.elasticsearch(stack)
    index = stack.index("plays-raw")
    connections.create_index(stack, client, "plays-raw")
    client.index(index=index, id="17", document=DOCUMENT)
    # In place of Logstash, which no container runs here.
    monkeypatch.setattr(demo_docker, "follow", lambda *_: {"17": DOCUMENT})
    settings.reports.mkdir()
    (settings.reports / "demo.json").write_text(json.dumps(report("external", "plays")))

    result = demo_docker.run(settings)

    assert ups == [2, 1, 4]
    assert {p for stage in ups for p in docker_cli.STAGES[stage]} == set(docker_cli.STAGES[0])
    (exec_,) = (call for call in docker.calls if "exec" in call)
    assert exec_[-7:] == ["exec", "-T", "jupyter", "workshop", "demo", "--yes", "--keep"]
    assert result["ok"] and result["stack"] == "docker"
    assert not client.indices.exists(index=index), "Logstash found it empty"
    written = json.loads((settings.reports / "demo-docker.json").read_text())
    assert written["stages"] == result["stages"]
    assert [c["ok"] for c in written["stages"][0]["checks"]] == [True, True]


@pytest.mark.stack
def test_documents_of_an_index_and_of_none(stack: Settings) -> None:
    client = connections.elasticsearch(stack)
    index = stack.index("plays-raw")
    assert demo_docker.documents(client, index) == {}
    connections.create_index(stack, client, "plays-raw")
    try:
        client.index(index=index, id="17", document=DOCUMENT)
        assert demo_docker.follow(client, index, 1) == {"17": DOCUMENT}
    finally:
        client.indices.delete(index=index)


@pytest.mark.parametrize(
    ("theirs", "ok"),
    [
        ({"17": DOCUMENT}, True),
        ({}, False),
        ({"17": {**DOCUMENT, "zip": "1234"}}, False),
        ({"17": DOCUMENT, "18": DOCUMENT}, False),
    ],
)
def test_logstash_is_to_ship_the_same_and_no_more(theirs: dict[str, Any], ok: bool) -> None:
    assert demo_docker.same_documents({"17": DOCUMENT}, theirs)["ok"] is ok


def test_nothing_shipped_is_not_the_same() -> None:
    assert not demo_docker.same_documents({}, {})["ok"]


def test_two_reports_with_the_same_checks_differ_in_nothing() -> None:
    one, other = report("embedded", "a", "b"), report("docker", "a", "b", "by Logstash")
    assert compare.differences(one, other) == []


def test_a_check_that_fails_or_is_missing_is_named() -> None:
    assert compare.differences(report("embedded", "a", "b"), report("docker", "a")) == [
        "docker: was not checked: stage 1, b"
    ]
    assert compare.differences(report("embedded", "a"), report("docker", "a", ok=False)) == [
        "docker: does not hold: stage 1, a"
    ]
