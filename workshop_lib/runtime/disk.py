"""A full disk: what cannot be written, and what to do, in one line.

In: an error, with what caused it. Out: ``WorkshopError``, or None for any other error. Files that
hold state are replaced as a whole (``state_file``), so a full disk leaves the earlier content.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from workshop_lib.errors import WorkshopError

#: No space, or none of one's own share.
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
#: The same in the words of Java, Redis and others.
FULL_WORDS: Final = "No space left on device"


def disk_full(error: BaseException) -> WorkshopError | None:
    """The line to show if ``error``, or what it was raised from, is that of a full disk."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in _FULL:
            what = f"{seen.filename} cannot be written" if seen.filename else seen.strerror
            return WorkshopError(
                f"The disk is full: {what}.", "Make room, then run the same command again."
            )
        seen = seen.__cause__ or seen.__context__
    return None


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """In the body: an error of the system names ``path``. Those of a write name no file."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise
