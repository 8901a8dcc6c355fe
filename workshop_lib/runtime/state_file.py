"""Files that are replaced as a whole or not at all, and small JSON files that hold state."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime.disk import writing


@contextmanager
def replacing(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """A path to write a file or a folder at; it becomes ``path`` when the block ends well.

    A reader sees the old content or the new one, never a part. An existing file is replaced; an
    existing folder is not, and keeps the earlier content. ``durable`` waits for the disk, so
    that it survives a power cut, too, not only the end of the process.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{uuid4().hex[:8]}.new")
    try:
        yield draft
        move_into_place(draft, path, durable=durable)
    finally:
        if draft.is_dir():
            shutil.rmtree(draft, ignore_errors=True)
        else:
            draft.unlink(missing_ok=True)


def move_into_place(draft: Path, path: Path, *, durable: bool = False) -> None:
    """``draft``, a file or folder of the same disk, becomes ``path``; see ``replacing``."""
    if durable:
        for each in (draft, *draft.rglob("*")):
            _sync(each)
    if not (draft.is_dir() and path.is_dir()):
        draft.replace(path)
    if durable:
        _sync(path.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write(path: Path, text: str, mode: int = 0o644, *, durable: bool = False) -> None:
    """Replace ``path`` by ``text``; its permissions are ``mode`` from the first byte on."""
    with writing(path), replacing(path, durable=durable) as draft:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)


def save(path: Path, value: dict[str, Any], mode: int = 0o644, indent: int | None = None) -> None:
    """Replace ``path`` by ``value`` as JSON.

    Not durable: waiting for the disk several times a second would hold up everything, and the
    log itself is not waited for either.
    """
    write(path, json.dumps(value, indent=indent) + "\n", mode)


def load(path: Path, todo: str = "") -> dict[str, Any] | None:
    """What was saved last; None when nothing was.

    Raises ``WorkshopError`` naming the file when it is empty or broken; ``todo`` says what
    to do then.
    """
    todo = todo or f"Delete {path.name} and run `workshop reset` to start over."
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise WorkshopError(f"{path} is damaged ({error}).", todo) from None
    if not isinstance(value, dict):
        raise WorkshopError(f"{path} is damaged: it holds no JSON object.", todo)
    return value
