"""One line of a file that others made → its checked fields, or the reason why not.

In: bytes of a line and the table of its columns. Out: text fields. Serves ``import_``. Real
files have lost quotes, byte order marks, Windows line ends and headers or none; nothing of
that may let a row vanish.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from datetime import datetime
from typing import Final

from workshop_lib.schema.labels import ADS, CAMPAIGN, GENDER, LEVEL
from workshop_lib.schema.play import CONTROL_CHARACTER, MAX_INT, PATTERNS

#: Takes a field and returns it as it is to be written; ``ValueError`` with the reason.
Check = Callable[[str], str]

_CONTROL = re.compile(CONTROL_CHARACTER)
#: A comma between two fields of a line whose quotes are not in order.
_BOUNDARY = re.compile(r'(?<=["\d]),(?=["\d])')


class Rejected(ValueError):
    """The line is not taken; the message says why."""


def _text(field: str) -> str:
    return field


def _whole(field: str, low: int = 0, high: int = MAX_INT) -> str:
    if not re.fullmatch(r"\d{1,12}", field, re.ASCII) or not low <= int(field) <= high:
        raise ValueError(f"no whole number from {low} to {high}")
    return str(int(field))


def _one_of(codes: dict[int, str] | tuple[int, ...]) -> Check:
    return lambda field: _whole(field, min(codes), max(codes))


def _zip(field: str) -> str:
    if not re.fullmatch(PATTERNS["zip"], field, re.ASCII):
        raise ValueError("no zip")
    return field


def _birth_year(field: str) -> str:
    return _whole(field, 1900, 2100) if field else ""


def _ad(field: str) -> str:
    if field not in ADS:
        raise ValueError(f"none of {', '.join(ADS)}")
    return field


def _moment(field: str) -> str:
    for form in ("%Y-%m-%d %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%Y-%m-%dT%H:%M:%S"):
        try:
            return f"{datetime.strptime(field, form):%Y-%m-%d %H:%M:%S}"
        except ValueError:
            continue
    raise ValueError("no date and time")


#: File → its columns and what each must be. The first is the id; the last of cust.csv may lack.
COLUMNS: Final[dict[str, dict[str, Check]]] = {
    "cust.csv": {
        "CustID": _whole,
        "Name": _text,
        "Gender": _one_of(GENDER),
        "Address": _text,
        "zip": _zip,
        "SignDate": _text,
        "Status": _one_of((0, 1)),
        "Level": _one_of(LEVEL),
        "Campaign": _one_of(CAMPAIGN),
        "LinkedWithApps": _text,
        "BirthYear": _birth_year,
    },
    "music.csv": {
        "TrackId": _whole,
        "Title": _text,
        "Artist": _text,
        "Length": lambda field: _whole(field, 1, 86_400),
    },
    "clicks.csv": {"EventID": _whole, "CustID": _whole, "AdClicked": _ad, "Localtime": _moment},
}
OPTIONAL: Final = frozenset({"BirthYear"})


def reason_kind(reason: str) -> str:
    """What is wrong, without the values and places that differ from line to line."""
    return re.split(r":| '| at (?:byte|column) ", reason)[0]


def decode(line: bytes, first: bool) -> str:
    """The line as text, without a byte order mark (on the ``first`` line) and line end."""
    try:
        text = line.rstrip(b"\r").decode("utf-8-sig" if first else "utf-8")
    except UnicodeDecodeError as error:
        raise Rejected(f"not UTF-8: byte {error.start}") from None
    control = _CONTROL.search(text)
    if control:
        raise Rejected(f"control character: {control.group()!r} at column {control.start()}")
    return text


def is_header(text: str) -> bool:
    """Whether a file's first line names columns: words and no number."""
    return bool(re.fullmatch(r'"?[A-Za-z][^\d]*,[^\d]*', text.strip()))


def header_names(text: str, columns: dict[str, Check]) -> list[str]:
    """The header's names as ``columns`` spells them, in the file's order; unknown ones too.

    Raises ``Rejected`` when a column that is needed is not there.
    """
    spelling = {name.casefold(): name for name in columns}
    found = [name.strip().strip('"').strip() for name in text.split(",")]
    names = [spelling.get(name.casefold(), name) for name in found]
    missing = [name for name in columns if name not in names and name not in OPTIONAL]
    if missing:
        raise Rejected(f"the header has no {', '.join(missing)}")
    return names


def split(text: str, sizes: tuple[int, ...]) -> tuple[list[str], bool]:
    """The fields of a line that should have one of ``sizes`` many, and whether that took
    mending of stray quotes. Raises ``Rejected``."""
    why = ""
    fields: list[str] = []
    try:
        (fields,) = csv.reader([text], strict=True)
    except csv.Error as error:
        why = f"not CSV: {error}"
    if len(fields) in sizes:
        return [field.strip() for field in fields], False
    mended = [_unquote(field) for field in _BOUNDARY.split(text)]
    if '"' in text and len(mended) in sizes:
        return mended, True
    raise Rejected(why or f"number of columns: {len(fields)} instead of {max(sizes)}")


def _unquote(field: str) -> str:
    """Without the quotes around it; those within stay, a doubled one as one."""
    field = field.strip()
    if len(field) > 1 and field[0] == field[-1] == '"':
        field = field[1:-1]
    return field.strip().replace('""', '"')


def checked(fields: list[str], names: list[str], columns: dict[str, Check]) -> dict[str, str]:
    """Column → field as it is to be written, in the order of ``columns``; "" where optional.

    Raises ``Rejected`` that names the column.
    """
    given = dict(zip(names, fields, strict=False))
    row = {}
    for name, check in columns.items():
        try:
            row[name] = check(given.get(name, ""))
        except ValueError as error:
            raise Rejected(f"{name} is wrong: {given.get(name, '')[:40]!r} is {error}") from None
    return row
