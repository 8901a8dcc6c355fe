"""Requests to this machine's own servers: no proxy is ever asked for them.

Where the environment or macOS names a proxy, ``urllib`` would ask it for 127.0.0.1, too.
"""

from __future__ import annotations

import urllib.request
from typing import Final

_DIRECTLY: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def get(url: str, timeout: float) -> bytes:
    """The body at ``url``; ``OSError`` when nobody answers or the answer is an error."""
    with _DIRECTLY.open(url, timeout=timeout) as answer:
        content: bytes = answer.read()
    return content
