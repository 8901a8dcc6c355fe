"""Read a world from files that others made, and account for every line.

In: a folder with tracks.csv, cust.csv and, if they are there, music.csv and clicks.csv. Out:
the same files in our form, the ledger of the plays, and rejected.jsonl; a report in which, for
each file, lines = accepted + rejected + header + blank. Serves all stages.
"""

from __future__ import annotations

import base64
import csv
import json
import re
import shutil
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
from workshop_lib.schema.play import CONTROL_CHARACTER, MalformedPlay, Play, parse, when
from workshop_lib.world import dialect, ledger
from workshop_lib.world.columns import COLUMNS, Rejected, checked, zip_code
from workshop_lib.world.dialect import Dialect
from workshop_lib.world.faults import DUPLICATE, KIND_NAMES, PLAY
from workshop_lib.world.places import states_by_zip
from workshop_lib.world.plays import PlayColumns, csv_lines
from workshop_lib.world.publish import staged

PLAYS_FILE: Final = "tracks.csv"
NEEDED: Final = (PLAYS_FILE, "cust.csv")
_EVERY = 20_000
_CONTROL = re.compile(CONTROL_CHARACTER)
#: A column named by a header is wrong for the file when so many of its lines contradict it.
_CONTRADICTION, _FEWEST = 0.25, 20


@dataclass
class Account:
    """What became of the lines of one file."""

    lines: int = 0
    accepted: int = 0
    rejected: int = 0
    header: int = 0
    blank: int = 0
    mended: int = 0  # accepted after stray quotes were repaired
    reasons: Counter[str] = field(default_factory=Counter)
    #: Reason → the first line with it: its number and the reason in full.
    examples: dict[str, str] = field(default_factory=dict)
    #: What was read as something else than it looks, and how often: form → (number, example).
    read_as: dict[str, tuple[int, str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


class Importer:
    """Reads the files one after the other; ``rejected`` is where refused lines are written."""

    def __init__(self, source: Path, rejected: Any, progress: Progress) -> None:
        self.source = source
        self.rejected = rejected
        self.progress = progress
        self.accounts: dict[str, Account] = {}

    def recognise(self, name: str) -> Dialect:
        """How the file is written. Raises ``WorkshopError`` when that cannot be told."""
        account = self.accounts[name] = Account()
        try:
            found = dialect.recognise(self.source / name, COLUMNS[name])
        except Rejected as error:
            self.reject(name, 1, _first_line(self.source / name), str(error))
            raise _refused(name, str(error)) from None
        account.notes = list(found.notes)
        return found

    def rows(self, name: str, form: Dialect) -> Iterator[tuple[int, bytes]]:
        """(number from 1, bytes without line end) of every line with data."""
        account = self.accounts[name]
        size, done = (self.source / name).stat().st_size, 0
        header = b""
        for number, line in enumerate(dialect.lines(self.source / name, form.encoding), 1):
            account.lines += 1
            done += len(line)
            if number % _EVERY == 0:
                self.progress(name, min(done, size), size)
            if not line.strip():
                account.blank += 1
            elif number <= form.preamble or (form.header and header in (b"", line.strip())):
                # The header may come again, where files were put one behind the other.
                account.header += 1
                header = header if number <= form.preamble else line.strip()
            else:
                yield number, line.rstrip(b"\n")
        self.progress(name, size, size)

    def accept(self, name: str, notes: list[tuple[str, str]], mended: bool = False) -> None:
        account = self.accounts[name]
        account.accepted += 1
        account.mended += mended
        for note, value in notes:
            number, example = account.read_as.get(note, (0, value))
            account.read_as[note] = (number + 1, example)

    def reject(self, name: str, number: int, line: bytes, reason: str) -> None:
        """Keep the line with its reason. The report counts reasons without their details."""
        account = self.accounts[name]
        account.rejected += 1
        kind = reason_kind(reason)
        account.reasons[kind] += 1
        sample = "" if "'" in reason else f": {line[:40].decode(errors='replace')!r}"
        account.examples.setdefault(kind, f"line {number}: {reason}{sample}")
        row: dict[str, Any] = {"file": name, "line": number, "reason": reason}
        try:
            row["raw"] = line.decode()
        except UnicodeDecodeError:
            row["raw"] = line.decode(errors="replace")
            row["raw_base64"] = base64.b64encode(line).decode()
        self.rejected.write(json.dumps(row, ensure_ascii=False) + "\n")

    def table(self, name: str) -> list[dict[str, str]]:
        """The accepted rows of cust.csv, music.csv or clicks.csv, by id."""
        form = self.recognise(name)
        seen: dict[str, int] = {}
        rows: list[dict[str, str]] = []
        for number, line in self.rows(name, form):
            try:
                row, notes, mended = _read(line, form, name)
                key = next(iter(row.values()))
                if key in seen:
                    raise Rejected(f"{next(iter(row))} twice: {key} was on line {seen[key]}")
            except Rejected as error:
                self.reject(name, number, line, str(error))
                continue
            seen[key] = number
            self.accept(name, notes, mended)
            rows.append(row)
        self.check(name, form)
        return sorted(rows, key=lambda row: int(next(iter(row.values()))))

    def plays(self, latest: int) -> PlayColumns:
        """The accepted plays, in the file's order. ``latest`` as for ``play.parse``."""
        form = self.recognise(PLAYS_FILE)
        taken = PlayColumns()
        seen: dict[int, tuple[int, int]] = {}  # event id → line, position among the taken
        for number, line in self.rows(PLAYS_FILE, form):
            try:
                play, notes, mended = _play(line, form, latest)
                earlier = seen.setdefault(play.event_id, (number, len(taken.event)))
                if earlier[0] != number and taken.row(earlier[1]) != play:
                    raise Rejected(f"event_id of another play: line {earlier[0]} has it too")
            except (MalformedPlay, Rejected) as error:
                self.reject(PLAYS_FILE, number, line, str(error))
                continue
            taken.add(play)
            self.accept(PLAYS_FILE, notes, mended)
        self.check(PLAYS_FILE, form)
        return taken

    def check(self, name: str, form: Dialect) -> None:
        """Raise ``WorkshopError`` for a file of which no line, or no column's data, fits."""
        account = self.accounts[name]
        data = account.accepted + account.rejected
        reasons = [f"{account.examples[kind]} (× {n:,})" for kind, n in account.reasons.items()]
        if form.header and data:
            for kind, number in account.reasons.items():
                many = data >= _FEWEST and number > _CONTRADICTION * data
                if " is wrong" in kind and (many or not account.accepted):
                    raise _refused(
                        name, f"its header contradicts the data: {account.examples[kind]}"
                    )
        if not account.accepted and (data or name in NEEDED):
            raise _refused(name, "; ".join(reasons[:3]) or "it is empty")


def reason_kind(reason: str) -> str:
    """What is wrong, without the values and places that differ from line to line."""
    return re.split(r":| '| at (?:byte|column) ", reason)[0]


def _first_line(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.readline().rstrip(b"\r\n")


def _refused(name: str, why: str) -> WorkshopError:
    todo = "data/README.md describes the files."
    if why.startswith("it is "):
        todo = "Give the file itself, as CSV."
    elif re.search(r"control character:? '\\r'", why):
        todo = f"Its lines end with CR alone: tr '\\r' '\\n' < {name} > new.csv."
    elif "not UTF-8" in why:
        todo = f"Convert it: iconv -f WINDOWS-1252 -t UTF-8 {name} > new.csv, or from its encoding."
    elif "date" in why:
        todo = "Write dates as YYYY-MM-DD HH:MM:SS, for example 2014-10-23 03:26:20."
    return WorkshopError(f"No line of {name} can be taken: {why}.", todo)


def _text(line: bytes) -> str:
    """The line as text without its line end. Raises ``Rejected``."""
    try:
        text = line.rstrip(b"\r").decode()
    except UnicodeDecodeError as error:
        sample = line[max(error.start - 10, 0) : error.start + 10]
        raise Rejected(f"not UTF-8: byte {error.start}, near {sample!r}") from None
    control = _CONTROL.search(text)
    if control:
        raise Rejected(f"control character: {control.group()!r} at column {control.start()}")
    return text


def _read(
    line: bytes, form: Dialect, name: str
) -> tuple[dict[str, str], list[tuple[str, str]], bool]:
    """Column → field, notes, and whether quotes were repaired. Raises ``Rejected``."""
    fields, mended = form.split(_text(line))
    return *checked(fields, form.names, COLUMNS[name], form.day_first), mended


def _play(line: bytes, form: Dialect, latest: int) -> tuple[Play, list[tuple[str, str]], bool]:
    """The play on the line. Raises ``Rejected`` or ``MalformedPlay``."""
    usual = None
    if form.names == tuple(COLUMNS[PLAYS_FILE]) and form.separator == ",":
        try:
            play = parse(line, latest)
        except MalformedPlay as error:
            usual = error
        else:
            place, note = zip_code(play.zip, None)
            return play._replace(zip=place), [(f"zip: {note}", play.zip)] if note else [], False
    try:
        row, notes, mended = _read(line, form, PLAYS_FILE)
    except Rejected as error:
        # The parser's reason is the shorter one; of a date in another form it knows nothing.
        about_date = str(usual).startswith("played_at is wrong")
        raise (error if usual is None or about_date else usual) from None
    fields = list(row.values())
    fields[3], fields[5] = f'"{fields[3]}"', f'"{fields[5]}"'
    return parse(",".join(fields).encode(), latest), notes, mended


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
    as it was, and the refused lines are in a file beside it.
    """
    missing = [name for name in NEEDED if not (source / name).is_file()]
    if missing:
        there = sorted(path.name for path in source.iterdir())[:8] if source.is_dir() else []
        raise WorkshopError(
            f"{source} has no {', '.join(missing)}; it has {', '.join(there) or 'no files'}.",
            "The names are these, in small letters. data/README.md describes the files.",
        )
    latest = int((now or datetime.now(UTC)).timestamp() + 60) * 1000
    kept = folder.with_name(f"{folder.name}-rejected.jsonl")
    with staged(folder) as making:
        try:
            with (making / "rejected.jsonl").open("w", encoding="utf-8") as rejected:
                importer = Importer(source, rejected, progress)
                tables = {
                    name: importer.table(name) if (source / name).is_file() else []
                    for name in COLUMNS
                    if name != PLAYS_FILE
                }
                taken = importer.plays(latest)
                ids = {name: {int(next(iter(r.values()))) for r in t} for name, t in tables.items()}
                _check_order(importer, taken, ids)
        except WorkshopError as error:
            shutil.move(making / "rejected.jsonl", kept)
            raise WorkshopError(error.message, f"{error.todo} Refused lines: {kept}.") from None
        for name, rows in tables.items():
            _write(making / name, rows, list(COLUMNS[name]))
        report = {
            "imported": True,
            "files": {
                name: {**asdict(account), "reasons": dict(account.reasons.most_common())}
                for name, account in importer.accounts.items()
            },
            "missing": [name for name in COLUMNS if not (source / name).is_file()],
            **_write_plays(making, taken, ids),
        }
        (making / "ledger.json").write_text(
            json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
    kept.unlink(missing_ok=True)
    return report


def _check_order(importer: Importer, taken: PlayColumns, ids: dict[str, set[int]]) -> None:
    """Raise ``WorkshopError`` when customers and tracks are clearly in each other's column."""
    customers, tracks = ids["cust.csv"], ids["music.csv"]
    if not tracks or not customers:
        return

    def unknown(who: array[int], what: array[int]) -> int:
        return sum(a not in customers or b not in tracks for a, b in zip(who, what, strict=True))

    as_named = unknown(taken.customer, taken.track)
    if as_named > _CONTRADICTION * len(taken.event) >= _CONTRADICTION * _FEWEST:
        exchanged = unknown(taken.track, taken.customer)
        if exchanged * 10 < as_named:
            raise _refused(
                PLAYS_FILE,
                f"{as_named:,} of {len(taken.event):,} plays have a customer or track that no"
                f" file has, and {exchanged:,} if customer_id and track_id are exchanged: its"
                " header or its order of columns contradicts the data",
            )


def _write(path: Path, rows: list[dict[str, str]], columns: list[str]) -> None:
    """The rows with a header; fields in quotes where they need any."""
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(",".join(columns) + "\n")
        writer = csv.writer(file, quoting=csv.QUOTE_MINIMAL, lineterminator="\n")
        writer.writerows(row.values() for row in rows)


def _write_plays(making: Path, taken: PlayColumns, ids: dict[str, set[int]]) -> dict[str, Any]:
    """tracks.csv in the order of time, and the ledger of it."""
    event, plays = taken.plays()
    zips = np.array(taken.zips)
    with (making / PLAYS_FILE).open("wb") as file:
        file.writelines(csv_lines(event, plays, zips, {}))
    _, firsts = np.unique(event, return_index=True)
    kind = np.full(len(event), DUPLICATE)
    kind[firsts] = PLAY
    table = ledger.line_table(kind, event, plays, zips, {})
    ledger.write_lines(table, making / "ledger.parquet")
    kinds = np.bincount(kind, minlength=len(KIND_NAMES)).tolist()
    in_file = np.array(taken.played_at)
    once = plays.take(firsts)
    return {
        "lines": len(event),
        "distinct_plays": len(firsts),
        "kinds": dict(zip(KIND_NAMES, kinds, strict=True)),
        "out_of_order": int(np.count_nonzero(in_file < np.maximum.accumulate(in_file))),
        "first": when(int(plays.played_at[0]), iso=True),
        "last": when(int(plays.played_at[-1]), iso=True),
        "unmatched": {
            "customers": _unmatched(once.customer, ids["cust.csv"]),
            "tracks": _unmatched(once.track, ids["music.csv"]),
            "zips": _unmatched(zips[once.place], set(states_by_zip())),
        },
    }


def _unmatched(values: np.ndarray, known: set[Any]) -> dict[str, Any]:
    """How many plays have a value that no table has, and one of these values."""
    different, number = np.unique(values, return_counts=True)
    unknown = [(n, v) for v, n in zip(different.tolist(), number.tolist(), strict=True)
               if v not in known]  # fmt: skip
    most = max(unknown, key=lambda pair: pair[0], default=(0, None))
    return {"plays": sum(n for n, _ in unknown), "example": most[1]}
