"""Who wants no messages: a set in Redis, asked before an offer and again before it is sent."""

from __future__ import annotations

import hashlib

import pandas as pd

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime.connections import redis_client
from workshop_lib.schema.names import OPTOUTS, OPTOUTS_LOADED
from workshop_lib.settings import Settings

FILE = "optouts.csv"


def add(settings: Settings, *customers: int) -> int:
    """Opt these customers out; how many were not before."""
    return int(redis_client(settings).sadd(settings.key(OPTOUTS), *customers))


def remove(settings: Settings, *customers: int) -> int:
    """Take these customers' opt-out back; how many had one."""
    return int(redis_client(settings).srem(settings.key(OPTOUTS), *customers))


def listed(settings: Settings) -> list[int]:
    """All customers who opted out, ascending."""
    return sorted(int(each) for each in redis_client(settings).smembers(settings.key(OPTOUTS)))


def load(settings: Settings) -> int:
    """Opt out the customers of the world's ``optouts.csv`` (column CustID), once a file.

    Once, so that an opt-out which was taken back stays so after the next start. A world
    without the file has none. How many the file added; ``WorkshopError`` if it is no such file.
    """
    path = settings.world / FILE
    if not path.exists():
        return 0
    content = path.read_bytes()
    try:
        customers = [int(each) for each in pd.read_csv(path, dtype=str)["CustID"]]
    except (KeyError, ValueError) as error:
        raise WorkshopError(
            f"{path} is no list of customers: {error}.", "It has one column, CustID."
        ) from None
    # Remembered after the adding: a crash in between adds them again, which changes nothing.
    client, done = redis_client(settings), settings.key(OPTOUTS_LOADED)
    digest = hashlib.sha256(content).hexdigest()
    if client.sismember(done, digest):
        return 0
    added = add(settings, *customers) if customers else 0
    client.sadd(done, digest)
    return added
