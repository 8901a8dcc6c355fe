"""Kibana's objects go to its import API as that wants them; what it refuses is said."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from workshop_lib.errors import WorkshopError
from workshop_lib.stack import kibana

LINES = b'{"type": "index-pattern", "id": "a"}\n{"type": "dashboard", "id": "b"}\n'


class Kibana(HTTPServer):
    """Answers as told; keeps what it got."""

    answer: tuple[int, dict[str, Any]] = (200, {"success": True, "successCount": 2})

    def __init__(self) -> None:
        got: list[tuple[str, dict[str, str], bytes]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                got.append((self.path, dict(self.headers), body))
                status, said = self.server.answer  # type: ignore[attr-defined]
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(said).encode())

            def log_message(self, format: str, *arguments: Any) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.got = got


@pytest.fixture
def server() -> Iterator[Kibana]:
    server = Kibana()
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "workshop.ndjson").write_bytes(LINES)
    (tmp_path / "notes.md").write_text("no object")
    return tmp_path


def send(server: Kibana, folder: Path) -> list[str]:
    said: list[str] = []
    kibana.import_all(f"http://127.0.0.1:{server.server_port}", "pass", said.append, folder)
    return said


def test_each_file_is_sent_as_a_form_s_file(server: Kibana, folder: Path) -> None:
    assert send(server, folder) == ["Kibana has 2 objects of workshop.ndjson"]
    ((path, headers, body),) = server.got
    assert path == "/api/saved_objects/_import?overwrite=true"
    assert headers["kbn-xsrf"]
    credentials = base64.b64encode(b"elastic:pass").decode()
    assert headers["authorization"] == f"Basic {credentials}"
    (part,) = message_from_bytes(
        b"Content-Type: " + headers["Content-Type"].encode() + b"\r\n\r\n" + body
    ).get_payload()
    assert part.get_param("name", header="content-disposition") == "file"  # type: ignore[union-attr]
    assert part.get_filename() == "workshop.ndjson"  # type: ignore[union-attr]
    assert part.get_payload(decode=True) == LINES  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "answer",
    [
        (200, {"success": False, "errors": [{"id": "b", "error": {"type": "missing_references"}}]}),
        (401, {"message": "unable to authenticate"}),
    ],
)
def test_what_kibana_refuses_is_said(
    server: Kibana, folder: Path, answer: tuple[int, dict[str, Any]]
) -> None:
    server.answer = answer
    with pytest.raises(WorkshopError, match=r"did not take workshop.ndjson: .*(missing_r|unable)"):
        send(server, folder)
