"""Take a world from the original demo's own files, and account for every line.

In: a folder with tracks.csv, cust.csv, music.csv and, if there is one, clicks.csv. Out: the
same files in our form, the ledger of the plays, and rejected.jsonl; a report in which, for
each file, lines = accepted + rejected + header + blank. Serves all stages.
"""

from __future__ import annotations

import base64
import csv
import json
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime.progress import Progress, silent
from workshop_lib.schema.play import MalformedPlay, Play, parse, to_line, when
from workshop_lib.world import ledger
from workshop_lib.world.faults import DUPLICATE, KIND_NAMES, PLAY
from workshop_lib.world.plays import Plays
from workshop_lib.world.publish import staged
from workshop_lib.world.rows import (
    COLUMNS,
    OPTIONAL,
    Rejected,
    checked,
    decode,
    header_names,
    is_header,
    reason_kind,
    split,
)

PLAYS_FILE: Final = "tracks.csv"
NEEDED: Final = (PLAYS_FILE, "cust.csv", "music.csv")
_EVERY = 20_000


@dataclass
class Account:
    """What became of the lines of one file."""

    lines: int = 0
    accepted: int = 0
    rejected: int = 0
    header: int = 0
    blank: int = 0
    mended: int = 0  # accepted after stray quotes were dealt with
    reasons: Counter[str] = field(default_factory=Counter)


class Importer:
    """Reads the files one after the other; ``rejected`` is where refused lines go."""

    def __init__(self, source: Path, rejected: Any, progress: Progress) -> None:
        self.source = source
        self.rejected = rejected
        self.progress = progress
        self.accounts: dict[str, Account] = {}

    def lines(self, name: str) -> Iterator[tuple[int, bytes]]:
        """(number from 1, bytes without the newline) of every line that is not blank."""
        account = self.accounts[name] = Account()
        size, done = (self.source / name).stat().st_size, 0
        with (self.source / name).open("rb") as file:
            for number, line in enumerate(file, 1):
                account.lines += 1
                done += len(line)
                if number % _EVERY == 0 or done == size:
                    self.progress(f"{name}, MB", done / 1e6, size / 1e6)
                if line.strip():
                    yield number, line.rstrip(b"\n")
                else:
                    account.blank += 1

    def reject(self, name: str, number: int, line: bytes, reason: str) -> None:
        """Keep the line with its reason. The report counts reasons without their details."""
        account = self.accounts[name]
        account.rejected += 1
        account.reasons[reason_kind(reason)] += 1
        row: dict[str, Any] = {"file": name, "line": number, "reason": reason}
        try:
            row["raw"] = line.decode()
        except UnicodeDecodeError:
            row["raw"] = line.decode(errors="replace")
            row["raw_base64"] = base64.b64encode(line).decode()
        self.rejected.write(json.dumps(row, ensure_ascii=False) + "\n")

    def table(self, name: str) -> list[dict[str, str]]:
        """The accepted rows of cust.csv, music.csv or clicks.csv, by id."""
        columns = COLUMNS[name]
        names = list(columns)
        optional = len(OPTIONAL & columns.keys())
        sizes = tuple(range(len(names) - optional, len(names) + 1))
        seen: dict[str, int] = {}
        rows: list[dict[str, str]] = []
        for number, line in self.lines(name):
            account = self.accounts[name]
            try:
                text = decode(line, first=number == 1)
                if not (rows or account.rejected or account.header) and is_header(text):
                    names = header_names(text, columns)
                    sizes = (len(names),)
                    account.header = 1
                    continue
                fields, mended = split(text, sizes)
                row = checked(fields, names, columns)
                key = next(iter(row.values()))
                if key in seen:
                    raise Rejected(f"{names[0]} twice: {key} was on line {seen[key]}")
            except Rejected as error:
                self.reject(name, number, line, str(error))
                continue
            seen[key] = number
            account.accepted += 1
            account.mended += mended
            rows.append(row)
        return sorted(rows, key=lambda row: int(next(iter(row.values()))))

    def plays(self, latest: int) -> PlayColumns:
        """The accepted plays, in the file's order. ``latest`` as for ``play_line.parse``."""
        taken = PlayColumns()
        seen: dict[int, tuple[int, int]] = {}  # event id → line, position among the taken
        for number, line in self.lines(PLAYS_FILE):
            account = self.accounts[PLAYS_FILE]
            first = not (taken.event or account.rejected or account.header)
            try:
                if first and is_header(decode(line, first=number == 1)):
                    account.header = 1
                    continue
                play = parse(line, latest)
                earlier = seen.setdefault(play.event_id, (number, len(taken.event)))
                if earlier[0] != number and taken.row(earlier[1]) != play:
                    raise Rejected(f"event_id of another play: line {earlier[0]} has it too")
            except (MalformedPlay, Rejected) as error:
                self.reject(PLAYS_FILE, number, line, str(error))
                continue
            taken.add(play)
            account.accepted += 1
        return taken


class PlayColumns:
    """A growing table of plays in a few bytes each; zips are kept once."""

    def __init__(self) -> None:
        self.event, self.customer, self.track, self.played_at = (array("q") for _ in range(4))
        self.mobile, self.place = array("b"), array("q")
        self.code_of_zip: dict[str, int] = {}
        self.zips: list[str] = []

    def add(self, play: Play) -> None:
        code = self.code_of_zip.setdefault(play.zip, len(self.zips))
        if code == len(self.zips):
            self.zips.append(play.zip)
        values = (play.event_id, play.customer_id, play.track_id, play.played_at, play.is_mobile)
        columns = (self.event, self.customer, self.track, self.played_at, self.mobile)
        for column, value in zip(columns, values, strict=True):
            column.append(value)
        self.place.append(code)

    def row(self, i: int) -> Play:
        return Play(
            self.event[i],
            self.customer[i],
            self.track[i],
            self.played_at[i],
            bool(self.mobile[i]),
            self.zips[self.place[i]],
        )


def import_(
    source: Path,
    folder: Path,
    *,
    now: datetime | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Read the files in ``source``, write the world into ``folder``; the report.

    Plays later than ``now`` (by default, this moment) and a minute are refused. Raises
    ``WorkshopError`` when a file is missing or nothing of it can be taken; then ``folder`` is
    as it was.
    """
    missing = [name for name in NEEDED if not (source / name).is_file()]
    if missing:
        raise WorkshopError(
            f"{source} has no {', '.join(missing)}.", "data/README.md describes the files."
        )
    latest = int((now or datetime.now(UTC)).timestamp() + 60) * 1000
    with staged(folder) as making:
        with (making / "rejected.jsonl").open("w", encoding="utf-8") as rejected:
            importer = Importer(source, rejected, progress)
            for name in COLUMNS:
                given = (source / name).is_file()
                rows = importer.table(name) if given else []
                _some(importer, name, given and name in NEEDED, rows)
                _write(making / name, COLUMNS[name], rows)
            taken = importer.plays(latest)
            _some(importer, PLAYS_FILE, True, taken.event)
        summary = _write_plays(making, taken)
        report = {
            "imported": True,
            "files": {
                name: {**asdict(account), "reasons": dict(account.reasons.most_common())}
                for name, account in importer.accounts.items()
            },
            **summary,
        }
        (making / "ledger.json").write_text(json.dumps(report, indent=1) + "\n")
    return report


def _some(importer: Importer, name: str, needed: bool, rows: Any) -> None:
    if needed and not rows:
        account = importer.accounts[name]
        why = ", ".join(f"{reason} ({n})" for reason, n in account.reasons.most_common(3))
        raise WorkshopError(
            f"No line of {name} can be taken: {why or 'it is empty'}.",
            "data/README.md describes the files.",
        )


def _write(path: Path, columns: dict[str, Any], rows: list[dict[str, str]]) -> None:
    """Numbers of the first column bare, all other fields in quotes where they need any."""
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(",".join(columns) + "\n")
        writer = csv.writer(file, quoting=csv.QUOTE_MINIMAL, lineterminator="\n")
        writer.writerows(row.values() for row in rows)


def _write_plays(making: Path, taken: PlayColumns) -> dict[str, Any]:
    """tracks.csv in the order of time, and the ledger of it."""
    played_at = np.array(taken.played_at)
    order = np.argsort(played_at, kind="stable")
    with (making / PLAYS_FILE).open("wb") as file:
        file.writelines(to_line(taken.row(i)) + b"\n" for i in order.tolist())
    event = np.array(taken.event)[order]
    plays = Plays(
        played_at[order],
        np.array(taken.customer)[order],
        np.array(taken.track)[order],
        np.array(taken.mobile)[order].astype(bool),
        np.array(taken.place)[order],
    )
    _, firsts = np.unique(event, return_index=True)
    kind = np.full(len(event), DUPLICATE)
    kind[firsts] = PLAY
    table = ledger.line_table(kind, event, plays, np.array(taken.zips), {})
    ledger.write_lines(table, making / "ledger.parquet")
    return {
        "lines": len(event),
        "distinct_plays": len(firsts),
        "kinds": dict(
            zip(KIND_NAMES, np.bincount(kind, minlength=len(KIND_NAMES)).tolist(), strict=True)
        ),
        "out_of_order": int(np.count_nonzero(played_at < np.maximum.accumulate(played_at))),
        "first": when(int(plays.played_at[0]), iso=True),
        "last": when(int(plays.played_at[-1]), iso=True),
    }
