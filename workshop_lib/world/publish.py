"""Publish a finished world: all of its files, or none.

In: a folder in which the files were made. Out: the same files in the world's folder. Serves
``generate`` and ``import_``: after an error an earlier world is unchanged.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workshop_lib.runtime.state_file import move_into_place

#: All files that a world can have; one that the new world does not have is removed.
FILES = (
    "cust.csv",
    "music.csv",
    "clicks.csv",
    "optouts.csv",
    "tracks.csv",
    "rejected.jsonl",
    "ledger_customers.parquet",
    "ledger.parquet",
    "ledger.json",
    "made-by-demo",  # a mark on a world; a new world starts without it
)


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """A folder to make the files in; moved to ``folder`` if the block ends well."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        yield making
        folder.mkdir(exist_ok=True)
        for name in FILES:
            if (making / name).exists():
                move_into_place(making / name, folder / name)
            else:
                (folder / name).unlink(missing_ok=True)
    finally:
        shutil.rmtree(making, ignore_errors=True)
