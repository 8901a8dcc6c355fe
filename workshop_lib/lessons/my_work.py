"""A learner's own copies of the notebooks and exercises: no update touches what they wrote.

In: ``notebooks/`` and ``exercises/`` of the kit. Out: the same files in ``my-work/``. A copy
that nobody has changed follows the kit; beside one that somebody has changed, a newer version
is put as ``NAME.new.ipynb``, once.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Final

from workshop_lib.runtime import state_file
from workshop_lib.settings import PROJECT, Settings

COPIED: Final = ("notebooks", "exercises")
#: For each copy, the SHA-256 of the kit's file that it came from.
SOURCES: Final = ".sources.json"


def folder(settings: Settings) -> Path:
    """Beside the kit's notebooks; with a home elsewhere (``WORKSHOP_HOME``), in that home."""
    own_home = settings.home != PROJECT / ".workshop"
    return (settings.home if own_home else PROJECT) / "my-work"


def update(kit: Path, mine: Path) -> list[Path]:
    """Bring the copies in ``mine`` up to date; the new versions that stand beside changed ones."""
    sources = state_file.load(mine / SOURCES) or {}
    beside = []
    for name in sorted(_files(kit)):
        source, copy = kit / name, mine / name
        latest = _sha256(source)
        if not copy.exists() or _sha256(copy) in (sources.get(name), latest):
            target = copy
        elif sources.get(name) == latest:
            continue  # changed by its owner, and the kit has nothing new
        else:
            target = copy.with_suffix(f".new{copy.suffix}")
            beside.append(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        sources[name] = latest
    # The notebooks' links to the exercises work here as they do in the kit.
    link = mine / "notebooks" / "exercises"
    if not link.is_symlink():
        link.symlink_to(Path("..") / "exercises", target_is_directory=True)
    state_file.save(mine / SOURCES, sources)
    return beside


def _files(kit: Path) -> list[str]:
    """The files below ``COPIED``, without links and without what tools leave there."""
    return [
        str(path.relative_to(kit))
        for top in COPIED
        for path in (kit / top).rglob("*")
        if path.is_file()
        and not any(part.startswith((".", "__")) for part in path.relative_to(kit).parts)
        and not path.is_relative_to(kit / "notebooks" / "exercises")
    ]


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
