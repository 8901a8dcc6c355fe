"""What is given to a room: the checkout without the answers, with all that it needs or without.

In: a git checkout. Out: a folder or an archive. The *handout* is what learners work with:
no solutions, no notes for the instructor, no tests, which hold the answers too. The *bundle* is
an archive for one kind of machine with everything that comes from a network besides, in
``offline/``, where ``.ci/install`` and ``runtime.artifacts`` look first.
"""

from __future__ import annotations

import re
import runpy
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from packaging.markers import Marker

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime import artifacts, node
from workshop_lib.runtime.progress import Progress, silent
from workshop_lib.runtime.state_file import replacing
from workshop_lib.settings import PROJECT

#: What a learner must not see, and what only the makers of the workshop need.
NOT_FOR_LEARNERS: Final = (
    "solutions/",
    "tests/",
    "benchmarks/",
    "docs/instructor/",
    "docs/instructor-guide.md",
    ".pre-commit-config.yaml",
)
WHEELS: Final = PROJECT / "offline" / "wheels"
PACKING: Final = "Packing, MB"


def kind_of_machine() -> str:
    """System, processor and Python of this machine; a bundle fits others of the same kind."""
    found: str = runpy.run_path(str(PROJECT / ".ci" / "kind.py"))["kind"]()
    return found


def files(everything: bool = False) -> list[Path]:
    """The files of the checkout, relative to it; without ``NOT_FOR_LEARNERS`` unless
    ``everything``. ``WorkshopError`` where this is no git checkout."""
    listed = subprocess.run(
        ["git", "-C", PROJECT, "ls-files", "-z"], capture_output=True, text=True, check=False
    )
    if listed.returncode:
        raise WorkshopError(
            f"{PROJECT} is not a git checkout, so what belongs to it is not known.",
            "Run this command in a clone of the workshop.",
        )
    names = sorted(filter(None, listed.stdout.split("\0")))
    return [Path(name) for name in names if everything or not name.startswith(NOT_FOR_LEARNERS)]


def handout(target: Path) -> int:
    """Write the handout to ``target``, a new folder or a ``.tar.gz``; the number of its files.

    Raises ``WorkshopError`` when ``target`` is there already.
    """
    if target.exists():
        raise WorkshopError(f"{target} is there already.", "Remove it, or name another one.")
    chosen = files()
    if target.name.endswith(".tar.gz"):
        top = Path(target.name.removesuffix(".tar.gz"))
        with replacing(target) as draft, tarfile.open(draft, "w:gz") as archive:
            for name in chosen:
                archive.add(PROJECT / name, str(top / name), filter=_of_nobody)
    else:
        with replacing(target) as draft:
            for name in chosen:
                (draft / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(PROJECT / name, draft / name, follow_symlinks=False)
    return len(chosen)


def bundle(target: Path, everything: bool = False, progress: Progress = silent) -> str:
    """Write the bundle to ``target``, a ``.tar``; its SHA-256.

    The servers' files and the page's packages must be there (``workshop download``).
    Raises ``WorkshopError`` when Python's packages cannot be fetched.
    """
    top = Path(target.stem)
    with tempfile.TemporaryDirectory() as temporary, replacing(target) as draft:
        _fetch_wheels(Path(temporary))
        (Path(temporary) / "kind").write_text(kind_of_machine() + "\n")
        members = list(_members(Path(temporary), everything))
        total = sum(path.lstat().st_size for path, _ in members) / 1e6
        done = 0.0
        with tarfile.open(draft, "w") as archive:
            for path, name in members:
                archive.add(path, str(top / name), recursive=False, filter=_of_nobody)
                done += path.lstat().st_size / 1e6
                progress(PACKING, done, total)
        digest = artifacts.digest(draft)
    return digest


def _fetch_wheels(folder: Path) -> None:
    """Every package of the lock file, verified by its hash, and wheel, which builds pyspark."""
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "-q")
    lock, others = PROJECT / "requirements.lock", folder / "others.lock"
    others.write_text(of_other_patches(lock.read_text()))
    for what in (
        ("--require-hashes", "-r", str(lock)),
        ("--require-hashes", "-r", str(others)),
        ("wheel",),
    ):
        done = subprocess.run(
            [*pip, "--no-deps", "-d", str(folder / "wheels"), *what],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["pip gave no reason"])[-1]
            raise WorkshopError(
                f"Python's packages could not be fetched: {reason}",
                "Run this where there is a network.",
            )
    others.unlink()


def of_other_patches(lock: str) -> str:
    """What a Python of the same minor version may need and this one does not: entries of
    ``lock`` whose marker compares with a patch version (3.11.3), without the marker."""
    entries = re.split(r"\n(?=[A-Za-z0-9])", lock)
    found = []
    for entry in entries:
        marker = re.search(r" ; (python_full_version [<>=]+ '3\.\d+\.\d+') ", entry)
        if marker and not Marker(marker[1]).evaluate():
            found.append(entry.replace(f" ; {marker[1]}", ""))
    return "\n".join(found) + "\n"


def _members(fetched: Path, everything: bool) -> Iterator[tuple[Path, Path]]:
    """(path, name in the archive) of every file."""
    for name in files(everything):
        yield PROJECT / name, name
    for folder, place in (
        (fetched, Path("offline")),
        (artifacts.library(), Path("offline/cache/lib")),
        (node.WEB / "node_modules", Path("web/node_modules")),
    ):
        for path in sorted(folder.rglob("*")):
            if path.is_symlink() or path.is_file():
                yield path, place / path.relative_to(folder)


def _of_nobody(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Who unpacks it owns it; and everybody in the room may read it."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode |= 0o644
    return member
