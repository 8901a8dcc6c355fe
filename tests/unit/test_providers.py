"""Providers and the simulated phone, over real HTTP on this machine."""

from __future__ import annotations

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
import urllib3

from workshop_lib.errors import WorkshopError
from workshop_lib.marketing.message import TEXT, Message, phone
from workshop_lib.marketing.providers import (
    PermanentFailure,
    ProviderUnreachable,
    Receipt,
    TemporaryFailure,
    check_live,
    loopback,
    provider,
)
from workshop_lib.marketing.sms_gateway import Phone, serving
from workshop_lib.settings import Settings

MESSAGE = Message("GOLD1DAY-0-7", phone(0), TEXT)


def at(settings: Settings, url: str, **other: Any) -> Settings:
    return settings.model_copy(update={"sms_url": url, "sms_account": "AC1"} | other)


@pytest.mark.parametrize("name", ["http", "twilio"])
def test_a_message_arrives_once_however_often_it_is_sent(settings: Settings, name: str) -> None:
    phone_ = Phone()
    with serving(phone_) as url:
        send = provider(at(settings, url), name)
        assert send(MESSAGE) == Receipt("SM00000001")
        assert send(MESSAGE) == Receipt("SM00000001", duplicate=True)
        assert send(MESSAGE._replace(key="other")) == Receipt("SM00000002")
    known = phone_.summary()
    assert (known["arrived"], known["duplicates"]) == (2, 1)
    assert [m["key"] for m in known["messages"]] == [MESSAGE.key, "other"]
    assert {(m["to"], m["text"]) for m in known["messages"]} == {(phone(0), TEXT)}


def test_the_same_key_for_another_message_is_refused(settings: Settings) -> None:
    with serving(Phone()) as url:
        send = provider(at(settings, url), "http")
        send(MESSAGE)
        with pytest.raises(PermanentFailure, match="another message had this"):
            send(MESSAGE._replace(text="another text"))


def test_errors_are_told_apart(settings: Settings) -> None:
    phone_ = Phone(fail_first=1)
    with serving(phone_) as url:
        send = provider(at(settings, url), "http")
        with pytest.raises(TemporaryFailure, match="status 503"):
            send(MESSAGE)
        assert send(MESSAGE) == Receipt("SM00000001")
        with pytest.raises(PermanentFailure, match="text is empty"):
            send(MESSAGE._replace(key="k", text=""))
    with pytest.raises(ProviderUnreachable, match="nobody answers"):
        send(MESSAGE._replace(key="k2"))
    assert phone_.summary()["failed"] == 1


def test_a_slow_gateway_has_taken_what_timed_out(settings: Settings) -> None:
    phone_ = Phone(delay=0.5)
    with serving(phone_) as url:
        hasty = provider(at(settings, url, sms_timeout_seconds=0.1), "http")
        with pytest.raises(TemporaryFailure, match="ReadTimeout"):
            hasty(MESSAGE)
        assert provider(at(settings, url), "http")(MESSAGE).duplicate
    assert phone_.summary()["arrived"] == 1


def test_someone_who_hangs_up_is_a_failure(settings: Settings) -> None:
    """Not 'unreachable': the message may have been seen."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        hasty = at(settings, url, sms_timeout_seconds=0.2)
        with pytest.raises(TemporaryFailure):
            provider(hasty, "http")(MESSAGE)


def test_the_file_gets_a_line_a_message(settings: Settings) -> None:
    send = provider(settings, "file")
    for key in ("a", "b"):
        assert send(MESSAGE._replace(key=key)) == Receipt(key)
    path = settings.home / "sms" / "sent.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["key"] for line in lines] == ["a", "b"]
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://127.0.0.1:8025", True),
        ("http://[::1]:1", True),
        ("http://localhost", True),
        ("http://localhost.example.com", False),
        ("http://127.0.0.1.example.com", False),
        ("http://127.0.0.1@example.com", False),
        ("http://0.0.0.0", False),
        ("http://10.0.0.1", False),
        ("nonsense", False),
    ],
)
def test_what_stays_on_this_machine(settings: Settings, url: str, local: bool) -> None:
    assert loopback(url) is local
    if local:
        check_live(at(settings, url))
    else:
        with pytest.raises(WorkshopError, match="beyond this machine"):
            provider(at(settings, url, sms_live=True), "http")


def test_a_live_gateway_needs_both_settings_https_and_the_list(settings: Settings) -> None:
    url = "https://sms.example.com"
    both = {"sms_live": True, "sms_live_host": "sms.example.com"}
    for one in ({"sms_live": True}, {"sms_live_host": "sms.example.com"}):
        with pytest.raises(WorkshopError, match="beyond this machine"):
            provider(at(settings, url, **one), "twilio")
    with pytest.raises(WorkshopError, match="beyond this machine"):
        provider(at(settings, url, sms_live=True, sms_live_host="example.com"), "http")
    with pytest.raises(WorkshopError, match="https"):
        provider(at(settings, "http://sms.example.com", **both), "http")
    send = provider(at(settings, url, sms_allowed_numbers=["+12025550199"], **both), "http")
    with pytest.raises(PermanentFailure, match="ALLOWED_NUMBERS"):  # before anything is sent
        send(MESSAGE)


def test_at_home_only_reserved_numbers_are_written_to(settings: Settings) -> None:
    phone_ = Phone()
    with serving(phone_) as url:
        with pytest.raises(PermanentFailure, match="555-0100"):
            provider(at(settings, url), "http")(MESSAGE._replace(to="+12025551234"))
        answer = urllib3.request(
            "POST",
            f"{url}/messages",
            json={"to": "+12025551234", "text": "x"},
            headers={"Idempotency-Key": "k"},
        )
    assert answer.status == 422  # nor does the phone take it
    assert phone_.summary()["arrived"] == 0


def test_unknown_provider_and_missing_account(settings: Settings) -> None:
    with pytest.raises(WorkshopError, match="no provider 'pigeon'"):
        provider(settings, "pigeon")
    with pytest.raises(WorkshopError, match="No account"):
        provider(settings, "twilio")


def test_a_token_is_not_shown(settings: Settings) -> None:
    secret = Settings(home=settings.home, sms_token="do-not-show")  # type: ignore[arg-type]
    assert "do-not-show" not in repr(secret)
    assert secret.sms_token.get_secret_value() == "do-not-show"


def test_the_page_shows_messages_as_text(settings: Settings) -> None:
    with serving(Phone()) as url:
        send = provider(at(settings, url), "http")
        send(MESSAGE._replace(text="<script>alert(1)</script>"))
        send(MESSAGE._replace(key="two"))
        page = urllib3.request("GET", f"{url}/").data.decode()
        known = urllib3.request("GET", f"{url}/messages").json()
        missing = urllib3.request("GET", f"{url}/other").status
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert page.index(TEXT) < page.index("&lt;script&gt;")  # newest first
    assert (known["arrived"], missing) == (2, 404)


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"Content-Type": "text/plain"}, b'{"to": "+12025550100", "text": "x"}', 400),
        ({"Content-Type": "application/json"}, b"junk", 400),
        ({"Content-Type": "application/json"}, b"[1]", 400),
        ({"Content-Type": "application/json"}, b'{"to": "+12025550100", "text": "x"}', 422),
        ({"Content-Type": "application/json"}, b" " * 70_000, 413),
        ({"Content-Type": "application/json"}, b"[" * 60_000, 400),
        ({"Content-Type": "application/json"}, b'{"to": "+12025550100", "text": "\\ud800"}', 400),
        (
            {"Content-Type": "application/json", "Idempotency-Key": "k"},
            '{"to": "+１２０２５５５０１００", "text": "x"}'.encode(),
            422,
        ),
    ],
)
def test_what_is_no_message_is_refused(headers: dict[str, str], body: bytes, status: int) -> None:
    with serving(Phone()) as url:
        answer = urllib3.request("POST", f"{url}/messages", body=body, headers=headers)
        page = urllib3.request("GET", f"{url}/")
    assert (answer.status, page.status) == (status, 200)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("127.0.0.1:8025", 200),
        ("localhost:1", 200),
        ("[::1]:8025", 200),
        ("rebound.example.com", 421),
        ("127.0.0.1.example.com:8025", 421),
        ("x@localhost.example.com", 421),
        ("[::1", 421),
        ("", 421),
    ],
)
def test_only_names_of_this_machine_get_an_answer(host: str, status: int) -> None:
    """A page elsewhere may point its own name at 127.0.0.1; its Host header stays its own."""
    with serving(Phone()) as url:
        for path in ("/", "/messages"):
            assert urllib3.request("GET", url + path, headers={"Host": host}).status == status
        answer = urllib3.request(
            "POST",
            f"{url}/messages",
            json={"to": "+12025550100", "text": "x"},
            headers={"Host": host, "Idempotency-Key": "k"},
        )
    assert answer.status == (201 if status == 200 else 421)


def test_a_gateway_with_a_strange_answer_is_no_end_of_the_server(settings: Settings) -> None:
    """Its id may be anything: half of a surrogate pair, a list, a book."""
    for body in (
        b'{"id": "\\ud800"}',
        b'{"id": [1]}',
        b'{"id": "' + b"x" * 9999 + b'"}',
        b"[" * 9999,
    ):

        class Strange(BaseHTTPRequestHandler):
            body = b""

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(200)
                self.end_headers()
                self.wfile.write(self.body)

            def log_message(self, *arguments: Any) -> None: ...

        Strange.body = body
        with HTTPServer(("127.0.0.1", 0), Strange) as server:
            threading.Thread(target=server.handle_request, daemon=True).start()
            url = f"http://127.0.0.1:{server.server_port}"
            receipt = provider(at(settings, url), "http")(MESSAGE)
        assert len(receipt.id) <= 256
        receipt.id.encode()


def test_a_taken_port_is_said_in_words() -> None:
    with serving(Phone()) as url:
        port = int(url.rsplit(":", 1)[1])
        with pytest.raises(WorkshopError, match=f"Port {port}"), serving(Phone(), port):
            pass
