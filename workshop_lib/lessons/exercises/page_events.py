"""Exercise 4.6: read server-sent events, from a small server that sends what is easily misread.

In: Settings and a learner's function. Out: nothing when it is right, or ``NotYet``.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from workshop_lib.lessons.exercises.outcome import NotYet, attempted, call, shown
from workshop_lib.settings import Settings

#: What the server of exercise 4.6 sends: a comment, names, data of several lines, in pieces that
#: do not end where lines do; and what of it are events.
_SENT: Final = (
    b'retry: 2000\n\nid: 1\nevent: snapshot\ndata: {"plays": 17}\n\n',
    b": a comment, to keep the connection open\n\nid: 2\nevent: sa",
    b'me\ndata: {}\n\nid: 3\nevent: snapshot\ndata: {"plays":\ndata: 18}\n\n',
    b'id: 4\nevent: snapshot\ndata: {"plays": 19}\n\n',
)
_EVENTS: Final = [
    ["snapshot", {"plays": 17}],
    ["same", {}],
    ["snapshot", {"plays": 18}],
    ["snapshot", {"plays": 19}],
]
#: Seconds for which the server keeps the answer open after its last event.
OPEN_SECONDS: Final = 6.0


class _Events(BaseHTTPRequestHandler):
    """Sends the events, and does not end the answer."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        with suppress(OSError):  # the reader has closed the connection
            for piece in _SENT:
                self._chunk(piece)
                time.sleep(0.05)
            until = time.monotonic() + OPEN_SECONDS
            while time.monotonic() < until:
                time.sleep(0.2)
                self._chunk(b":\n\n")
            self._chunk(b"")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def log_message(self, *_: Any) -> None:
        """Not into the notebook."""


def page_events(settings: Settings, answer: Any) -> None:
    """4.6: the first events of an answer that does not end."""
    attempted(answer)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Events)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/events"
    try:
        begun = time.monotonic()
        made = call(answer, url, len(_EVENTS) - 1, about=f"with {url} and three events")
        seconds = time.monotonic() - begun
    finally:
        server.shutdown()
        server.server_close()
    if not isinstance(made, list | tuple):
        raise NotYet(f"You return {shown(made)}. Return a list of (event, data).")
    found = [list(each) if isinstance(each, list | tuple) else each for each in made]
    wanted = _EVENTS[:-1]
    if any(not isinstance(each, list) or len(each) != 2 for each in found):
        raise NotYet(f"Your first event is {shown(found[0])}. Give two: (event, data).")
    if any(isinstance(data, str | bytes) for _, data in found):
        raise NotYet(f"Your data is {shown(found[0][1])}, a text. Read the JSON in it.")
    if len(found) > len(wanted):
        raise NotYet(
            f"You return {len(found)} events, and three were wanted. A comment begins with a colon"
            " and is not an event, nor is a lone retry."
        )
    if seconds > OPEN_SECONDS - 1:
        raise NotYet(
            f"You return {len(found)} events after {seconds:.0f} s, when the server closed the"
            " connection. The page's server never does: read line by line."
        )
    if len(found) < len(wanted):
        raise NotYet(f"You return {len(found)} events: {shown(found)}. There were more.")
    if found != wanted:
        raise NotYet(
            f"Your events are {shown(found)}. An event ends with an empty line; its data may have"
            " several lines."
        )
