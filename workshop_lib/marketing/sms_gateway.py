"""A simulated phone: an HTTP gateway on 127.0.0.1 that takes messages and shows them.

In: ``POST /messages`` (JSON: to, text) or the Twilio form, with an Idempotency-Key. Out: the
messages as a page like a phone's at ``/`` and as JSON at ``/messages``. A key that was seen
before is answered as before and counted, not shown again. Serves Stage 3 in the place of a
real gateway; it can be told to fail or to be slow.

A page of another site may point its own name at this machine: what does not ask for a name of
this machine in the Host header gets no answer.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs

from workshop_lib.errors import WorkshopError
from workshop_lib.marketing.message import RESERVED
from workshop_lib.marketing.providers import loopback
from workshop_lib.schema.play import when

LARGEST: Final = 65_536
SHOWN: Final = 200
_FORM: Final = re.compile(r"/2010-04-01/Accounts/[^/]+/Messages\.json")
_PAGE: Final = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta http-equiv="refresh" content="2"><title>Phone</title><style>
body {{ background: #ddd; font: 16px/1.4 system-ui, sans-serif }}
main {{ max-width: 24rem; min-height: 32rem; margin: 1rem auto; padding: 1.5rem 1rem;
  background: #fff; border: .6rem solid #222; border-radius: 2rem }}
article {{ margin: .8rem 0; padding: .6rem .9rem; background: #e8f0fe; border-radius: 1rem }}
small {{ color: #444 }}</style>
<main><h1>Messages</h1><p>{arrived} arrived, {duplicates} came again and were not shown.</p>
{messages}</main></html>"""


class Phone:
    """What arrived. ``fail_first``: so many requests fail; ``delay``: seconds to an answer."""

    def __init__(self, fail_first: int = 0, delay: float = 0) -> None:
        self.failures_left, self.delay = fail_first, delay
        self.messages: dict[str, dict[str, Any]] = {}
        self.duplicates = self.failed = self.refused = 0
        self._changing = threading.Lock()

    def take(self, key: str, to: str, text: str) -> tuple[int, dict[str, Any]]:
        """Status and answer. It is kept before the delay: who gives up waiting asks again."""
        status, answer = self._take(key, to, text)
        if self.delay:
            time.sleep(self.delay)
        return status, answer

    def _take(self, key: str, to: str, text: str) -> tuple[int, dict[str, Any]]:
        with self._changing:
            if self.failures_left > 0:
                self.failures_left -= 1
                self.failed += 1
                return 503, {"error": "told to fail"}
            wrong = (
                "no Idempotency-Key"
                if not key
                else "the number is not reserved for fiction"
                if not RESERVED.fullmatch(to)
                else "text is empty or longer than 480"
                if not 0 < len(text) <= 480
                else ""
            )
            known = self.messages.get(key)
            if known and (known["to"], known["text"]) != (to, text):
                wrong = "another message had this Idempotency-Key"
            if wrong:
                self.refused += 1
                return 422, {"error": wrong}
            if known:
                self.duplicates += 1
            else:
                known = self.messages[key] = {
                    "id": f"SM{len(self.messages) + 1:08d}",
                    "key": key,
                    "to": to,
                    "text": text,
                    "at": when(time.time_ns() // 1_000_000, iso=True),
                    "requests": 0,
                }
            known["requests"] += 1
            return 201, {"id": known["id"], "sid": known["id"], "duplicate": known["requests"] > 1}

    def summary(self) -> dict[str, Any]:
        """Counts, and all messages in the order they came."""
        with self._changing:
            return {
                "arrived": len(self.messages),
                "duplicates": self.duplicates,
                "failed": self.failed,
                "refused": self.refused,
                "messages": [dict(each) for each in self.messages.values()],
            }

    def page(self) -> str:
        """The newest messages, as a phone shows them."""
        known = self.summary()
        shown = "\n".join(
            f"<article><small>{escape(m['to'])} · {escape(m['at'])}</small>"
            f"<br>{escape(m['text'])}</article>"
            for m in reversed(known["messages"][-SHOWN:])
        )
        return _PAGE.format(
            arrived=known["arrived"], duplicates=known["duplicates"], messages=shown
        )


@contextmanager
def serving(phone: Phone, port: int = 0, host: str = "127.0.0.1") -> Iterator[str]:
    """``phone`` behind HTTP on ``host`` while the block runs; its address. 0: a free port."""

    class Handler(BaseHTTPRequestHandler):
        # HTTP/1.0: a kept connection would go on answering after the phone was put down.
        timeout = 30  # a connection that says nothing does not hold its thread

        def parse_request(self) -> bool:
            if not super().parse_request():
                return False
            if loopback(f"http://{self.headers.get('Host', '')}"):
                return True
            self._answer(421, b'{"error": "ask for 127.0.0.1 or localhost"}')
            return False

        def do_GET(self) -> None:
            if self.path == "/":
                self._answer(200, phone.page().encode(), "text/html; charset=utf-8")
            elif self.path == "/messages":
                self._answer(200, json.dumps(phone.summary()).encode())
            else:
                self._answer(404, b'{"error": "there is /, and there is /messages"}')

        def do_POST(self) -> None:
            try:
                size = int(self.headers.get("Content-Length") or -1)
            except ValueError:
                size = -1
            if not 0 <= size <= LARGEST:
                return self._answer(413, b'{"error": "no length, or too long"}')
            body = self.rfile.read(size)
            try:
                to, text = self._read(body)
            except (KeyError, ValueError, TypeError, RecursionError):
                return self._answer(400, b'{"error": "not a message"}')
            status, answer = phone.take(self.headers.get("Idempotency-Key") or "", to, text)
            self._answer(status, json.dumps(answer).encode())

        def _read(self, body: bytes) -> tuple[str, str]:
            kind = self.headers.get_content_type()
            # A web page elsewhere may post forms and plain text here unasked, JSON it may not.
            if self.path == "/messages" and kind == "application/json":
                message = json.loads(body)
                to, text = message["to"], message["text"]
            elif _FORM.fullmatch(self.path) and self.headers.get("Authorization"):
                form = parse_qs(body.decode(), strict_parsing=True)
                to, text = form["To"][0], form["Body"][0]
            else:
                raise ValueError
            f"{to}{text}".encode()  # half of a surrogate pair is no text, and no page could show it
            return str(to), str(text)

        def _answer(self, status: int, body: bytes, kind: str = "application/json") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None:
            """The page is the log."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that hung up before the answer is no error of the phone."""

    try:
        server = Server((host, port), Handler)
    except OSError as error:
        raise WorkshopError(
            f"Port {port}: {error.strerror}.", "Take another with --port."
        ) from None
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
