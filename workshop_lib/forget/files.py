"""A listener in the files of the home: world, log, dead letters, models, what was printed.

In: Settings and a customer id. Out: how many lines or rows there are, or were erased. Positions
in a file that is rewritten are moved with it.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import lzma
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

import pandas as pd

from workshop_lib.errors import WorkshopError
from workshop_lib.forget.mention import Mentions, mentions, without
from workshop_lib.ingest.log_file import siblings
from workshop_lib.ingest.recording import fingerprint
from workshop_lib.ingest.ship import ShipReport, parse_lines
from workshop_lib.ingest.sinks import SINKS
from workshop_lib.ingest.tail import HEAD, Line
from workshop_lib.marketing.registry import RECORD, SNAPSHOT, files_digest
from workshop_lib.runtime import state_file
from workshop_lib.schema.names import INDEX_OF_QUERY
from workshop_lib.settings import Settings
from workshop_lib.stream.progress import checkpoint, start_over

OPEN: Final[dict[str, Callable[..., Any]]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
}
#: Files of the world with an id in their first column, or in their second.
FIRST: Final = ("cust.csv", "optouts.csv")
SECOND: Final = ("clicks.csv",)


def _lines(path: Path) -> list[bytes]:
    if path.suffix == ".zst":
        raise WorkshopError(f"{path} cannot be searched: it is compressed with zstd.", "Delete it.")
    with OPEN.get(path.suffix, open)(path, "rb") as file:
        return list(file)


def _write(path: Path, lines: Iterable[bytes]) -> None:
    """Replace ``path`` as a whole; its mode stays."""
    mode = path.stat().st_mode & 0o777
    with state_file.replacing(path) as draft:
        with OPEN.get(path.suffix, open)(draft, "wb") as file:
            file.writelines(lines)
        draft.chmod(mode)


def _drop(path: Path, drop: Callable[[bytes], bool], erase: bool) -> int:
    """Lines of ``path`` that ``drop`` holds of; erased if so."""
    if not path.is_file():
        return 0
    lines = _lines(path)
    kept = [line for line in lines if not drop(line)]
    if erase and len(kept) < len(lines):
        _write(path, kept)
    return len(lines) - len(kept)


def _in_column(number: int, customer: int) -> Mentions:
    """The CSV line's column ``number`` is ``customer``; a header never is."""

    def drop(line: bytes) -> bool:
        columns = line.rstrip(b"\r\n").split(b",")
        text = columns[number].strip(b' "') if len(columns) > number else b""
        return text.isdigit() and int(text) == customer

    return drop


# The world ---------------------------------------------------------------------------------


def world(settings: Settings, customer: int, erase: bool) -> int:
    """Rows of the recorded world. What the replay and the ledger know of line numbers follows."""
    found = sum(
        _drop(settings.world / name, _in_column(column, customer), erase)
        for column, files in ((0, FIRST), (1, SECOND))
        for name in files
    )
    found += _drop(settings.world / "rejected.jsonl", mentions(customer), erase)
    found += _recording(settings, customer, erase)
    for name in ("ledger_customers.parquet",):
        found += _rows(settings.world / name, customer, erase)
    path = settings.world / "ledger.json"
    ledger = state_file.load(path) or {}
    rest = without(ledger, customer)
    if rest != ledger:
        found += len(ledger.get("bursts", ())) - len(rest.get("bursts", ()))
        if erase:
            state_file.save(path, rest)
    return found


def _rows(path: Path, customer: int, erase: bool) -> int:
    if not path.exists():
        return 0
    table = pd.read_parquet(path)
    mine = table["customer_id"] == customer
    if erase and mine.any():
        with state_file.replacing(path) as draft:
            table[~mine].to_parquet(draft, index=False)
    return int(mine.sum())


def _recording(settings: Settings, customer: int, erase: bool) -> int:
    """Lines of tracks.csv, with the ledger's row of each: the two have the same order."""
    path, ledger_path = settings.world / "tracks.csv", settings.world / "ledger.parquet"
    if not path.exists():
        return 0
    about = mentions(customer)
    lines = _lines(path)
    gone = {n for n, line in enumerate(lines) if about(line)}
    ledger = pd.read_parquet(ledger_path) if ledger_path.exists() else None
    if ledger is not None:
        gone |= set(ledger.index[ledger["customer_id"] == customer])
    if not (erase and gone):
        return len(gone)
    # The ledger first: after a crash in between, the line is found again.
    if ledger is not None:
        kept = ledger.drop(index=sorted(gone))
        kept["line"] = ledger["line"].iloc[: len(kept)].to_numpy()
        with state_file.replacing(ledger_path) as draft:
            kept.to_parquet(draft, index=False)
    rest = [line for n, line in enumerate(lines) if n not in gone]
    _write(path, rest)
    state_path = settings.home / "replay.json"
    state = state_file.load(state_path)
    if state and Path(state["source"]) == path:
        for name in ("first_line", "next_line", "last_line", "until_line"):
            state[name] -= sum(n < state[name] for n in gone)
        state["next_byte"] = sum(map(len, rest[: state["next_line"]]))
        state["fingerprint"] = fingerprint(path)
        state_file.save(state_path, state)
    return len(gone)


# The log, and how far its readers are ------------------------------------------------------


def log(settings: Settings, customer: int, erase: bool) -> int:
    """Lines of the log and of what it was rotated to; the shippers' positions move with them."""
    path, about, found = settings.live_log, mentions(customer), 0
    beside = siblings(path)
    for each in (path, *beside.rotated, *beside.compressed, *beside.others):
        if not each.is_file():
            continue
        lines = _lines(each)
        kept = [line for line in lines if not about(line)]
        found += len(lines) - len(kept)
        if erase and len(kept) < len(lines):
            before = each.stat().st_ino
            _write(each, kept)
            _move_positions(settings, before, each, lines, about)
    return found


def _move_positions(
    settings: Settings, inode: int, path: Path, lines: list[bytes], about: Mentions
) -> None:
    """Who had read up to a byte of the old file has read up to the same line of the new one.

    What was counted of the lines that are gone is counted no more: the score compares it.
    """
    status = path.stat()
    for to in SINKS:
        file = settings.home / f"ship-{to}.json"
        state = state_file.load(file)
        if not state:
            continue
        was, offset, generation, _, changed_at = state["position"]
        read = lines
        if was == inode:
            read = _before(lines, offset)
            offset = sum(len(line) for line in read if not about(line))
            head = path.read_bytes()[: min(HEAD, offset)]
            digest = hashlib.sha256(head).hexdigest()[:16] if head else ""
            state["position"] = [status.st_ino, offset, generation, digest, status.st_mtime_ns]
        elif path == settings.live_log:
            continue  # the shipper is still in a rotated one
        latest = changed_at // 1_000_000 + settings.future_tolerance_seconds * 1000
        gone = [Line(x.rstrip(b"\n"), 0, 0, len(x)) for x in read if about(x)]
        report = ShipReport().plus(gone, parse_lines(gone, path.name, latest).letters)
        for name in ("lines", "accepted", "rejected", "bytes"):
            state[name] -= getattr(report, name)
        state["reasons"] = dict(Counter(state["reasons"]) - Counter(report.reasons))
        state_file.save(file, state)
    file = settings.home / "replay.json"
    state = state_file.load(file)
    if state and state.get("log_inode") == inode:
        size = sum(len(x) for x in _before(lines, state["log_size"]) if not about(x))
        state_file.save(file, state | {"log_inode": status.st_ino, "log_size": size})


def _before(lines: list[bytes], offset: int) -> list[bytes]:
    """The lines that end at byte ``offset`` or before it."""
    ends = accumulate(map(len, lines))
    return [line for line, end in zip(lines, ends, strict=True) if end <= offset]


# Dead letters, messages, models, what was printed -------------------------------------------


def letters(settings: Settings, customer: int, erase: bool) -> int:
    """Dead letters in files, and messages of the provider ``file``."""
    found = 0
    about = mentions(customer)
    for path in sorted((settings.home / "dead-letters").glob("*.jsonl")):
        before = path.stat().st_size
        found += _drop(path, about, erase)
        file = settings.home / "ship-elasticsearch.json"
        state = state_file.load(file)
        if erase and state and path.name == "plays-raw.jsonl" and path.stat().st_size < before:
            state_file.save(file, state | {"letters_size": path.stat().st_size})
    return found + _drop(settings.home / "sms" / "sent.jsonl", about, erase)


def models(settings: Settings, customer: int, erase: bool) -> int:
    """Rows of the snapshots from which the models score; each record knows the new sum."""
    found = 0
    for folder in sorted(p.parent for p in (settings.home / "models").glob(f"*/{SNAPSHOT}")):
        rows = _rows(folder / SNAPSHOT, customer, erase)
        found += rows
        record = folder / RECORD
        if erase and rows and record.exists():
            known = json.loads(record.read_text())
            known["files_sha256"] = files_digest(folder)
            state_file.write(record, json.dumps(known, indent=2, allow_nan=False))
    return found


def printed(settings: Settings, customer: int, erase: bool) -> int:
    """Lines of what servers and commands printed: overwritten, as a server may go on writing."""
    about, found = mentions(customer), 0
    for path in sorted(each for each in settings.logs.glob("*") if each.is_file()):
        with path.open("r+b") as file:
            at = 0
            for line in file.read().splitlines(keepends=True):
                if about(line):
                    found += 1
                    if erase:
                        file.seek(at)
                        file.write(b" " * len(line.rstrip(b"\r\n")))
                at += len(line)
    return found


def state_of_streams(settings: Settings, customer: int, erase: bool) -> int:
    """Checkpoints: their state holds listeners, in a form that nobody can search. Counted whole."""
    there = [query for query in INDEX_OF_QUERY if checkpoint(settings, query).exists()]
    if erase:
        for query in INDEX_OF_QUERY:
            start_over(settings, query)
        shutil.rmtree(settings.home / "spark-tmp", ignore_errors=True)
    return len(there)
