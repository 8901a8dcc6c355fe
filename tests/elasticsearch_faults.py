"""An Elasticsearch that has trouble for a while: what stands between a client and the server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import urllib3

from workshop_lib.settings import Settings


class Fault:
    """``status``: what every request is answered instead of being passed on; 0: none."""

    def __init__(self, status: int = 0) -> None:
        self.status = status
        self.answered = 0

    def for_seconds(self, seconds: float) -> None:
        """Pass requests on after so long."""
        threading.Timer(seconds, lambda: setattr(self, "status", 0)).start()


@contextmanager
def behind(fault: Fault, settings: Settings) -> Iterator[Settings]:
    """``settings`` with a proxy before Elasticsearch that has the ``fault``."""
    pool = urllib3.PoolManager(maxsize=20)

    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if fault.status:
                fault.answered += 1
                error = {"type": "made_up_exception", "reason": "for a test"}
                answer, status = json.dumps({"error": error}).encode(), fault.status
                headers = {"Content-Type": "application/json"}
            else:
                got = pool.request(
                    self.command,
                    settings.elasticsearch_url + self.path,
                    body=body,
                    headers={k: v for k, v in self.headers.items() if k != "Accept-Encoding"},
                )
                answer, status, headers = got.data, got.status, dict(got.headers)
            self.send_response(status)
            for name in ("Content-Type", "X-elastic-product"):
                if name in headers:
                    self.send_header(name, headers[name])
            if status >= 500 or "X-elastic-product" not in headers:
                self.send_header("X-elastic-product", "Elasticsearch")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer)

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _any

        def log_message(self, *arguments: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        yield settings.model_copy(update={"elasticsearch_url": url})
    finally:
        server.shutdown()
        server.server_close()
