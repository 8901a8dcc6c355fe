"""The client of Kibana's import, against a server that answers as Kibana's API is documented to.

Kibana itself cannot run here. This one refuses what ``kibana_schemas`` says that Kibana 8.19 does.
What is not checked by this: that a real one takes the file.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from kibana_schemas import refused

from workshop_lib.charts.kibana.saved_objects import FILE
from workshop_lib.errors import WorkshopError
from workshop_lib.runtime.progress import messages_to
from workshop_lib.stack.kibana import import_all, import_file

OWN_KEY = "Basic " + base64.b64encode(b"importer:secret").decode()


class Kibana(ThreadingHTTPServer):
    """Keeps objects by type and id. ``starting``: so many requests are answered with 503."""

    def __init__(self, starting: int = 0) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.starting, self.requests = starting, 0
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def take(self, objects: list[dict[str, Any]]) -> dict[str, Any]:
        """Import all that are well-formed and whose references are there or come along.

        Of the others it says what is wrong.
        """
        there = {*self.objects, *((each["type"], each["id"]) for each in objects)}
        errors = []
        for each in objects:
            missing = [
                {"type": ref["type"], "id": ref["id"]}
                for ref in each["references"]
                if (ref["type"], ref["id"]) not in there
            ]
            faults = refused(each)
            if missing or faults:
                error: dict[str, Any] = {"type": "missing_references", "references": missing}
                if faults:
                    error = {"statusCode": 400, "message": faults[0], "type": "unknown"}
                errors.append({"type": each["type"], "id": each["id"], "error": error})
            else:
                self.objects[each["type"], each["id"]] = each
        taken = len(objects) - len(errors)
        answer = {"success": not errors, "successCount": taken, "warnings": []}
        return answer | ({"errors": errors} if errors else {})


class Handler(BaseHTTPRequestHandler):
    server: Kibana

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests += 1
        if self.server.requests <= self.server.starting:
            return self.answer(503, b"Kibana server is not ready yet", "text/plain")
        if self.headers["Authorization"] != OWN_KEY:
            return self.refuse(401, "Unauthorized", "[security_exception]: unable to authenticate")
        if self.path != "/api/saved_objects/_import?overwrite=true":
            return self.refuse(404, "Not Found", "Not Found")
        if "kbn-xsrf" not in self.headers:
            return self.refuse(400, "Bad Request", "Request must contain a kbn-xsrf header.")
        kind = self.headers["Content-Type"].encode()
        (file,) = message_from_bytes(b"Content-Type: " + kind + b"\r\n\r\n" + body).get_payload()
        assert file.get_param("name", header="content-disposition") == "file"
        if not str(file.get_filename()).endswith(".ndjson"):
            return self.refuse(400, "Bad Request", "Invalid file extension")
        content = file.get_payload(decode=True).decode()
        try:
            objects = [json.loads(line) for line in content.splitlines() if line.strip()]
        except ValueError as error:
            return self.refuse(400, "Bad Request", str(error))
        return self.answer(200, json.dumps(self.server.take(objects)).encode())

    def refuse(self, status: int, error: str, message: str) -> None:
        about = {"statusCode": status, "error": error, "message": message}
        self.answer(status, json.dumps(about).encode())

    def answer(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        pass


@contextmanager
def kibana(**options: Any) -> Iterator[Kibana]:
    with Kibana(**options) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def lines(path: Path = FILE) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def test_all_objects_arrive_as_they_are_and_a_second_time_changes_nothing() -> None:
    expected = {(o["type"], o["id"]): o for o in map(json.loads, lines())}
    said: list[str] = []
    with kibana() as server, messages_to(said.append):
        import_all(server.url, "secret")
        assert server.objects == expected
        import_all(server.url + "/", "secret")
        assert server.objects == expected
    assert said == [f"Kibana has {len(expected)} objects of workshop.ndjson"] * 2


def test_the_hour_of_the_day_is_by_the_clocks_of_the_zone() -> None:
    """The indexed ``hour`` is UTC; a runtime field of the same name lies over it."""
    zone = "America/New_York"
    as_written = {(o["type"], o["id"]): o for o in map(json.loads, lines())}
    with kibana() as server:
        import_all(server.url, "secret", zone=zone)
        different = {id_: each for id_, each in server.objects.items() if each != as_written[id_]}
    assert sorted(id_ for _, id_ in different) == [
        "workshop-hours", "workshop-hours-by-device", "workshop-plays",
    ]  # fmt: skip
    view = different["index-pattern", "workshop-plays"]["attributes"]
    (field,) = json.loads(view["runtimeFieldMap"]).items()
    assert field[0] == "hour" and field[1]["type"] == "long"
    assert "doc['played_at']" in field[1]["script"]["source"]
    assert f"ZoneId.of('{zone}')" in field[1]["script"]["source"]
    for name in ("hours", "hours-by-device"):
        state = different["visualization", f"workshop-{name}"]["attributes"]["visState"]
        labels = [agg["params"].get("customLabel") for agg in json.loads(state)["aggs"]]
        assert f"Hour of day, {zone}" in labels and "UTC" not in state


def test_a_kibana_that_is_starting_is_waited_for() -> None:
    with kibana(starting=2) as server:
        assert import_file(server.url, "secret", FILE) == len(lines())
        assert server.requests == 3


def test_one_that_does_not_come_is_named() -> None:
    with kibana() as server:
        gone = server.url
    with pytest.raises(WorkshopError, match=f"{gone} did not answer"):
        import_file(gone, "secret", FILE, timeout=0.2)


def test_the_user_is_told_to_kibana() -> None:
    with kibana() as server, pytest.raises(WorkshopError, match=r"user importer import \(401\)"):
        import_file(server.url, "wrong", FILE)


def test_an_object_that_was_not_taken_is_named_with_the_reason(tmp_path: Path) -> None:
    part = tmp_path / "part.ndjson"
    without_plays = [line for line in lines() if '"id":"workshop-plays","managed"' not in line]
    assert len(without_plays) == len(lines()) - 1
    part.write_text("\n".join(without_plays))
    with kibana() as server, pytest.raises(WorkshopError) as error:
        import_file(server.url, "secret", part)
    assert "missing references (index-pattern workshop-plays)" in str(error.value)
    assert f"of {len(without_plays)} objects of part.ndjson" in str(error.value)


def test_an_object_that_kibana_does_not_know_so_is_named_with_kibana_s_words(
    tmp_path: Path,
) -> None:
    objects = [json.loads(line) for line in lines()]
    spoilt = next(each for each in objects if each["type"] == "search")
    spoilt["attributes"]["tabs"] = []
    (tmp_path / "spoilt.ndjson").write_text("\n".join(map(json.dumps, objects)))
    with (
        kibana() as server,
        pytest.raises(WorkshopError, match=f"search {spoilt['id']}: .*'tabs' was unexpected"),
    ):
        import_file(server.url, "secret", tmp_path / "spoilt.ndjson")


def test_a_file_that_is_none_is_refused_in_kibanas_words(tmp_path: Path) -> None:
    (tmp_path / "broken.ndjson").write_text('{"id": 1\n')
    with kibana() as server, pytest.raises(WorkshopError, match=r"broken.ndjson \(400\): Exp"):
        import_all(server.url, "secret", tmp_path)


def test_fewer_than_were_sent_are_not_taken_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Kibana, "take", lambda *_: {"success": True, "successCount": 1})
    with kibana() as server, pytest.raises(WorkshopError, match=f"took 1 of {len(lines())}"):
        import_file(server.url, "secret", FILE)
