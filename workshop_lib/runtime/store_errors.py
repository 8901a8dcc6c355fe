"""Whose trouble an error is: the store's, which is waited for, or the record's.

In: errors of Elasticsearch and Redis. Out: ``StoreUnavailable`` for what waiting heals, such as
a server that is away, read-only, full or overloaded, and an index that is missing or closed.
All else is the record's: it becomes a dead letter. Every writer of the kit decides by this module.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import redis
from elastic_transport import ConnectionError as ElasticsearchConnectionError
from elastic_transport import ConnectionTimeout
from elasticsearch import ApiError


class StoreUnavailable(ConnectionError):
    """The store does not take records now; it may later. The message is one line."""


class StoreBusy(StoreUnavailable):
    """The store answers, and says that it cannot do it now."""


class IndexMissing(StoreBusy):
    """The index is not there (any more)."""


#: Not now: 401 and 403 too, as neither rights nor blocks are of the record's making.
_STATUS: Final = frozenset({401, 403, 408, 429})
#: Types of errors that come with another status.
_TYPES: Final = frozenset({"index_closed_exception", "index_not_found_exception"})

#: Redis away, loading, full or read-only.
_REDIS: Final = (
    redis.ConnectionError,
    redis.TimeoutError,
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.ReadOnlyError,
)


def redis_unavailable(error: BaseException) -> bool:
    """Whether waiting may heal it. A wrong password, to the client an error of the connection,
    it does not."""
    if isinstance(error, redis.AuthenticationError):
        return False
    # The disk is full, to which its log of writes goes. The client has no class for it.
    full = isinstance(error, redis.ResponseError) and str(error).startswith("MISCONF")
    return full or isinstance(error, _REDIS)


def elasticsearch_error(status: int, error: Any) -> StoreUnavailable | None:
    """The error of a request, or of one document in it, if it is the store's trouble.

    ``error``: an object with type and reason, as Elasticsearch writes it, or text.
    """
    kind = error.get("type", "") if isinstance(error, dict) else str(error)
    if status < 500 and status not in _STATUS and kind not in _TYPES:
        return None
    reason = error.get("reason", "") if isinstance(error, dict) else ""
    text = f"status {status}, {kind}" + (f": {reason}"[:200] if reason else "")
    return (IndexMissing if kind == "index_not_found_exception" else StoreBusy)(text)


@contextmanager
def elasticsearch_errors() -> Iterator[None]:
    """In the body: an error of a request that is the store's trouble is ``StoreUnavailable``."""
    try:
        yield
    except (ElasticsearchConnectionError, ConnectionTimeout) as error:
        raise StoreUnavailable(type(error).__name__) from error
    except ApiError as error:
        body = error.body.get("error") if isinstance(error.body, dict) else None
        trouble = elasticsearch_error(error.status_code, body or error.message)
        if trouble is None:
            raise
        raise trouble from error
