"""How a CSV file that others made is written: encoding, separator, header, column order, dates.

In: the first lines of a file, and the columns that it should have. Out: a ``Dialect`` with what
was recognised in words, and the file's lines as UTF-8. Serves ``import_``. What is ambiguous is
not guessed: the lines are then refused one by one, or the file as a whole.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Final

from workshop_lib.world.columns import Columns, Rejected, standard_name

#: So many lines decide about separator, header and index column.
SAMPLE: Final = 50
_BOUNDARY: Final = r'(?<=["\d]){0}(?=["\d])'
_SLASH_DATE: Final = re.compile(rb"(?<!\d)(\d{1,2})[/.-](\d{1,2})[/.-]\d{4}(?!\d)")
_BOMS: Final = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


@dataclass(frozen=True)
class Dialect:
    """``names``: the column of each field, None for one that is left out; ``preamble``: lines
    before the header or the data; ``sizes``: numbers of
    fields that a line may have; ``day_first``: the order in dates like 03/04/2014, None where
    the file does not show it; ``notes``: what was recognised, in words."""

    names: tuple[str | None, ...]
    sizes: tuple[int, ...]
    encoding: str = "utf-8"
    separator: str = ","
    header: bool = False
    day_first: bool | None = None
    preamble: int = 0
    notes: tuple[str, ...] = field(default=())

    def split(self, text: str) -> tuple[list[str], bool]:
        """The fields of a line, and whether stray quotes were repaired. Raises ``Rejected``."""
        why = ""
        fields: list[str] = []
        try:
            (fields,) = csv.reader([text], delimiter=self.separator, strict=True)
        except csv.Error as error:
            why = f"not CSV: {error}"
        if len(fields) in self.sizes:
            return [each.strip() for each in fields], False
        # A separator between two fields of a line whose quotes are not in order.
        boundary = _BOUNDARY.format(re.escape(self.separator))
        repaired = [_unquote(each) for each in re.split(boundary, text)]
        if '"' in text and len(repaired) in self.sizes:
            return repaired, True
        raise Rejected(why or f"number of columns: {len(fields)} instead of {max(self.sizes)}")


def _unquote(text: str) -> str:
    """Without the quotes around it; those within stay, a doubled one as one."""
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1]
    return text.strip().replace('""', '"')


def lines(path: Path, encoding: str) -> Iterator[bytes]:
    """The lines of ``path`` with their ends; in UTF-8, where ``encoding`` is another."""
    if encoding == "utf-8":
        with path.open("rb") as file:
            for number, line in enumerate(file):
                yield line.removeprefix(codecs.BOM_UTF8) if number == 0 else line
    else:
        with path.open(encoding=encoding, errors="backslashreplace", newline="\n") as text:
            for number, line_ in enumerate(text):
                yield (line_.removeprefix("\ufeff") if number == 0 else line_).encode()


def recognise(path: Path, columns: Columns) -> Dialect:
    """The dialect of ``path``, which should have ``columns``.

    Raises ``Rejected`` for a header that lacks a column or does not fit its lines.
    """
    _refuse_other_files(path)
    encoding, note = _encoding(path)
    notes = [note] if note else []
    rows = [line for line in islice(lines(path, encoding), SAMPLE) if line.strip()]
    texts = [line.decode("utf-8", "replace").rstrip("\r\n") for line in rows]
    optional = sum(not column.needed for column in columns.values() if column.trailing)
    sizes = tuple(range(len(columns) - optional, len(columns) + 1))
    found = Dialect(tuple(columns), sizes, encoding)
    said = _SEP_LINE.fullmatch(texts[0]) if texts else None
    if said:  # Excel's own line
        del texts[0]
        found = replace(found, preamble=1)
        notes.append("Excel's line sep= left out")
    if not texts:
        return found
    separator = said[1] if said else _separator(texts, sizes)
    if separator != ",":
        notes.append(f"fields are separated by {_SEPARATORS[separator]}")
    found = replace(found, separator=separator)
    cells = [_cells(text, separator) for text in texts]
    if _is_header(cells[0], columns):
        names, about = _header(cells[0], columns)
        found = replace(found, names=names, sizes=(len(names),), header=True)
        notes += about
        if len(cells) > 1 and all(len(row) != len(names) for row in cells[1:]):
            raise Rejected(f"the header names {len(names)} columns, but line 2 has {len(cells[1])}")
    elif _has_index(cells, sizes):
        found = replace(found, names=(None, *columns), sizes=tuple(size + 1 for size in sizes))
        notes.append("the first column counts the lines: left out")
    day_first, about_dates = _day_first(path, found)
    return replace(found, day_first=day_first, notes=(*notes, *about_dates))


#: First bytes → what the file is, and what to do.
_OTHER_FILES: Final = {
    b"\x1f\x8b": "compressed by gzip: unpack it with gunzip",
    b"PK\x03\x04": "a ZIP or a workbook of Excel: unpack it, or save it as CSV UTF-8",
    b"\xd0\xcf\x11\xe0": "a workbook of Excel: save it as CSV UTF-8",
    b"PAR1": "a Parquet file: write it as CSV",
    b"SQLite format": "a database of SQLite: write its table as CSV",
}
_WEB_PAGE: Final = re.compile(rb"\s*<(!doctype|html|\?xml)", re.IGNORECASE)
_SEP_LINE: Final = re.compile(r'"?sep=([,;\t|])"?', re.IGNORECASE)


def _refuse_other_files(path: Path) -> None:
    """Raise ``Rejected`` for a file that is no text at all, or a page of the web."""
    with path.open("rb") as file:
        start = file.read(64)
    for sign, what in _OTHER_FILES.items():
        if start.startswith(sign):
            raise Rejected(f"it is {what}: it begins with {start[:12]!r}")
    if _WEB_PAGE.match(start.removeprefix(codecs.BOM_UTF8)):
        raise Rejected(f"it is a web page, not CSV: it begins with {start[:30]!r}")


# Encoding -----------------------------------------------------------------------------


def _encoding(path: Path) -> tuple[str, str]:
    """The encoding, and a note where it is another than UTF-8."""
    with path.open("rb") as file:
        start = file.read(4096)
    for bom, name in _BOMS.items():
        if start.startswith(bom):
            return name, "read as UTF-16"
    for name, odd in (("utf-16-le", 1), ("utf-16-be", 0)):
        # Text of western letters has a NUL in every other byte.
        if len(start) > 3 and start[odd::2].count(0) > 0.6 * len(start[odd::2]):
            return name, "read as UTF-16"
    other = [line for line in lines(path, "utf-8") if not line.isascii() and not _is_utf8(line)]
    if other and _is_korean(path, other):
        return "cp949", "read as CP949 (Korean Windows, EUC-KR)"
    return "utf-8", ""


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_korean(path: Path, other: list[bytes]) -> bool:
    """Whether all lines that are no UTF-8 are Hangul in CP949, and no line is UTF-8 instead."""
    try:
        letters = [c for line in other for c in line.decode("cp949") if not c.isascii()]
    except UnicodeDecodeError:
        return False
    hangul = sum("가" <= c <= "힣" for c in letters)
    utf8 = any(not line.isascii() and _is_utf8(line) for line in lines(path, "utf-8"))
    return hangul >= 0.8 * len(letters) and not utf8


# Columns ------------------------------------------------------------------------------

_SEPARATORS: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


def _cells(text: str, separator: str) -> list[str]:
    try:
        (cells,) = csv.reader([text], delimiter=separator)
    except csv.Error:
        cells = text.split(separator)
    return [cell.strip() for cell in cells]


def _separator(texts: list[str], sizes: tuple[int, ...]) -> str:
    """The separator that splits most lines into as many fields as there should be, or more."""
    return max(
        _SEPARATORS, key=lambda each: sum(len(_cells(text, each)) >= min(sizes) for text in texts)
    )


def _is_header(cells: list[str], columns: Columns) -> bool:
    """Whether the cells are names of columns: two that are known, or words without a digit."""
    known = sum(standard_name(cell, columns) is not None for cell in cells)
    words = [cell for cell in cells if re.fullmatch(r"[^\W\d][^\d]*", cell)]
    return known >= 2 or (len(words) == len(cells) > 1)


def _header(cells: list[str], columns: Columns) -> tuple[tuple[str | None, ...], list[str]]:
    """The column of each cell, and notes. Raises ``Rejected`` when one lacks or comes twice."""
    names = tuple(standard_name(cell, columns) for cell in cells)
    twice = {name for name in names if name and names.count(name) > 1}
    if twice:
        raise Rejected(f"the header names {', '.join(sorted(twice))} twice: {','.join(cells)!r}")
    missing = [name for name, column in columns.items() if column.needed and name not in names]
    if missing:
        raise Rejected(f"the header has no {', '.join(missing)}: {','.join(cells)[:80]!r}")
    notes = []
    known = [name for name in names if name]
    if known != [name for name in columns if name in known]:
        notes.append(f"columns by the header's names: {', '.join(known)}")
    out = [cell or "(no name)" for cell, name in zip(cells, names, strict=True) if name is None]
    if out:
        notes.append(f"columns left out: {', '.join(out)}")
    empty = [name for name in columns if name not in names and not columns[name].trailing]
    if empty:
        notes.append(f"columns that the file does not have: {', '.join(empty)}")
    return names, notes


def _has_index(cells: list[list[str]], sizes: tuple[int, ...]) -> bool:
    """Whether each line has a field too many, and the first one counts from 0 or 1."""
    if any(len(row) - 1 not in sizes for row in cells):
        return False
    numbers = [row[0] for row in cells]
    return any(numbers == [str(number + first) for number in range(len(cells))] for first in (0, 1))


# Dates --------------------------------------------------------------------------------


def _day_first(path: Path, dialect: Dialect) -> tuple[bool | None, list[str]]:
    """The order of day and month in dates like 10/23/2014, by a date that can only be one."""
    if not {"played_at", "Localtime"} & set(dialect.names):
        return None, []
    first = second = 0
    for line in lines(path, dialect.encoding):
        for a, b in _SLASH_DATE.findall(line):
            first, second = max(first, int(a)), max(second, int(b))
    if first > 12 and second > 12:
        raise Rejected("dates are in two orders, day/month and month/day")
    if first > 12 or second > 12:
        order = "day/month/year" if first > 12 else "month/day/year"
        return first > 12, [f"dates with slashes are {order}"]
    return None, []
