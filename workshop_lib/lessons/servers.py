"""Which servers do not answer. In: Settings. Out: their names, as a learner knows them."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

from workshop_lib.settings import Settings


def without_answer(settings: Settings, seconds: float = 2) -> list[str]:
    """The servers at whose address nobody accepts a connection within ``seconds``."""
    addresses = {
        "Kafka": settings.kafka_bootstrap.split(",")[0],
        "Elasticsearch": settings.elasticsearch_url,
        "Redis": settings.redis_url,
    }
    return [name for name, address in addresses.items() if not _answers(address, seconds)]


def _answers(address: str, seconds: float) -> bool:
    if not address:
        return False  # they are not running
    parts = urlsplit(address if "//" in address else f"//{address}")
    try:
        socket.create_connection((parts.hostname or "", parts.port or 80), seconds).close()
    except OSError:
        return False
    return True


def sentence(names: Iterable[str]) -> str:
    """The message about servers that do not answer."""
    return f"{' and '.join(names)}: no answer. Run `workshop up` in a terminal, then try again."
