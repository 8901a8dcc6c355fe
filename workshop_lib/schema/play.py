"""The play: its fields, its limits, and its two forms, a line of the log and JSON.

The line, without a header: ``event_id,customer_id,track_id,"YYYY-MM-DD HH:MM:SS",0|1,"zip"``;
seconds may have up to three decimals; neither 0 nor 1 means that the device is unknown. Times
are UTC. Everything that reads plays takes the rules from here, so that all agree on what is
malformed: the importer, the shippers, the streams and the score call or derive from this;
Logstash's rules are generated from it.
"""

from __future__ import annotations

import csv
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, NamedTuple

import orjson


class Field(NamedTuple):
    """A field of the play. ``kind``: one of ``tables.KINDS``; ``pattern``: what it looks like
    on a line, the same in Python, Java and Ruby; ``in_json``: what it is in JSON, in words."""

    kind: str
    pattern: str
    in_json: str


#: In the order of the line.
FIELDS: Final[dict[str, Field]] = {
    "event_id": Field("long", r"\d{1,19}", "a whole number of 64 bits from 0"),
    "customer_id": Field("integer", r"\d{1,10}", "a whole number of 32 bits from 0"),
    "track_id": Field("integer", r"\d{1,10}", "a whole number of 32 bits from 0"),
    "played_at": Field(
        "timestamp",
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,3})?",
        "a UTC date like 2026-01-31T12:00:00.000Z",
    ),
    "is_mobile": Field("boolean", r"[01]?", "true, false or null (unknown)"),
    "zip": Field("keyword", r"[0-9-]{0,10}", "a text of up to 10 digits and dashes"),
}
#: One play, as in topic ``plays`` (JSON, key = customer id) and index ``plays-raw``.
PLAY: Final[dict[str, str]] = {name: field.kind for name, field in FIELDS.items()}
PATTERNS: Final[dict[str, str]] = {name: field.pattern for name, field in FIELDS.items()}

MAX_LINE_BYTES: Final = 4096
MAX_INT: Final = 2**31 - 1
MAX_LONG: Final = 2**63 - 1
#: Clocks differ: a play may be so much later than the moment at which it is read.
FUTURE_TOLERANCE_SECONDS: Final = 60
#: Characters that no line of text has; a tab is allowed.
CONTROL_CHARACTER: Final = r"[\x00-\x08\x0a-\x1f\x7f]"
#: A whole line, any field with or without quotes, blanks around it; for Spark, which reads files.
LINE_PATTERN: Final = ",".join(f' *(?:"{each}"|{each}) *' for each in PATTERNS.values())
#: ``played_at`` in JSON: date and time of day are its groups.
ISO_PATTERN: Final = "({})T({})Z".format(*PATTERNS["played_at"].split(" "))

#: The fields that ``to_line`` puts in quotes. Other forms of CSV are read, too, more slowly.
QUOTED: Final = ("played_at", "zip")
_WELL_FORMED = re.compile(
    ",".join(
        f'"({each})"' if name in QUOTED else f"({each})" for name, each in PATTERNS.items()
    ).encode()
)
_CONTROL = re.compile(CONTROL_CHARACTER)
_FLAGS: Final[dict[bytes, bool | None]] = {b"1": True, b"0": False, b"": None}
_PATTERNS = {name: re.compile(each, re.ASCII) for name, each in PATTERNS.items()}


class Play(NamedTuple):
    """A listener started a track. ``played_at`` is milliseconds since 1970, UTC; ``is_mobile``
    is None where the device is unknown."""

    event_id: int
    customer_id: int
    track_id: int
    played_at: int
    is_mobile: bool | None
    zip: str


class MalformedPlay(ValueError):
    """The line is not a play; the message says why, in the words of the data dictionary."""


def parse(line: bytes, latest: int | None = None) -> Play:
    """The play on ``line`` (with or without its line end).

    ``latest`` is the last moment that a play may have, in ms since 1970; a later one is
    malformed, because it would push every watermark ahead. Raises ``MalformedPlay``.
    """
    line = line.rstrip(b"\r\n")
    match = _WELL_FORMED.fullmatch(line)
    fields = match.groups() if match else _explain(line)
    event, customer, track, when, mobile, zip_code = fields
    play = Play(
        int(event), int(customer), int(track), _millis(when), _FLAGS[mobile], zip_code.decode()
    )
    if play.event_id > MAX_LONG:
        raise MalformedPlay("event_id is larger than 64 bits")
    if play.customer_id > MAX_INT or play.track_id > MAX_INT:
        raise MalformedPlay("customer_id or track_id is larger than 32 bits")
    if latest is not None and play.played_at > latest:
        raise MalformedPlay(f"played_at is in the future: {when.decode()}")
    return play


def _millis(when: bytes) -> int:
    try:
        second = int(when[17:19])
        if second > 59:
            raise ValueError("second must be in 0..59")
        return _minute(when[:16]) + second * 1000 + int(when[20:].ljust(3, b"0"))
    except ValueError as error:
        raise MalformedPlay(f"played_at is no date: {when.decode()!r} ({error})") from None


@lru_cache(maxsize=64)  # plays come in order of time, many of the same minute
def _minute(when: bytes) -> int:
    return int(datetime.fromisoformat(when.decode()).replace(tzinfo=UTC).timestamp()) * 1000


def _explain(line: bytes) -> tuple[bytes, ...]:
    """Why ``line`` is not the usual form; the fields if a CSV reader makes sense of it."""
    if not line.strip():
        raise MalformedPlay("empty line")
    if len(line) > MAX_LINE_BYTES:
        raise MalformedPlay(f"line of {len(line)} bytes; the most is {MAX_LINE_BYTES}")
    try:
        text = line.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedPlay(f"not UTF-8 at byte {error.start}") from None
    control = _CONTROL.search(text)
    if control:
        raise MalformedPlay(f"control character {control.group()!r} at column {control.start()}")
    try:
        (row,) = csv.reader([text], strict=True)
    except (csv.Error, ValueError) as error:
        raise MalformedPlay(f"not CSV: {error}") from None
    if len(row) != len(FIELDS):
        raise MalformedPlay(f"{len(row)} columns instead of {len(FIELDS)}")
    row = [field.strip() for field in row]
    for field, (name, pattern) in zip(row, _PATTERNS.items(), strict=True):
        if not pattern.fullmatch(field):
            raise MalformedPlay(f"{name} is wrong: {field[:40]!r}")
    return tuple(field.encode() for field in row)


def when(millis: int, iso: bool = False) -> str:
    """``millis`` as the log writes it (decimals only if there are any) or as ISO 8601 UTC.

    ``ValueError`` or ``OverflowError`` for a moment outside the years 1 to 9999.
    """
    minute, rest = divmod(millis, 60_000)
    second, rest = divmod(rest, 1000)
    if iso:
        return f"{_minute_text(minute)}:{second:02d}.{rest:03d}Z"
    moment = _minute_text(minute).replace("T", " ")
    return f"{moment}:{second:02d}" + (f".{rest:03d}" if rest else "")


@lru_cache(maxsize=64)
def _minute_text(minute: int) -> str:
    # Not strftime, which writes the year 33 as 33.
    return datetime.fromtimestamp(minute * 60, UTC).isoformat()[:16]


def to_line(play: Play) -> bytes:
    """The play as a line of the log, without a line end."""
    event, customer, track, played_at, mobile, zip_code = play
    flag = "" if mobile is None else int(mobile)
    return f'{event},{customer},{track},"{when(played_at)}",{flag},"{zip_code}"'.encode()


def to_document(play: Play) -> dict[str, object]:
    """The play as the fields of ``PLAY``."""
    return {**play._asdict(), "played_at": when(play.played_at, iso=True)}


def to_json(play: Play) -> bytes:
    """The play as the value of topic ``plays``."""
    return orjson.dumps(to_document(play))


_TYPES = {"long": int, "integer": int, "timestamp": str, "boolean": bool, "keyword": str}
_JSON_TYPES = {name: _TYPES[kind] for name, kind in PLAY.items()}
_ISO = re.compile(ISO_PATTERN, re.ASCII)


def from_json(value: bytes, latest: int | None = None) -> Play:
    """The play that a value of topic ``plays`` is; the rules and errors are those of ``parse``."""
    try:
        document = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise MalformedPlay(f"not JSON: {error}") from None
    if not isinstance(document, dict) or set(document) != set(Play._fields):
        raise MalformedPlay(f"not the fields {', '.join(Play._fields)}")
    for name, kind in _JSON_TYPES.items():
        value_ = document[name]
        if type(value_) is not kind and (kind, value_) != (bool, None):  # true is no number here
            raise MalformedPlay(f"{name} is no {kind.__name__}: {document[name]!r:.40}")
    play = Play(**document)
    moment = _ISO.fullmatch(str(play.played_at))
    if not moment:
        raise MalformedPlay(f"played_at is no date: {play.played_at!r:.40}")
    event, customer, track, _, mobile, zip_code = play
    flag = "" if mobile is None else int(mobile)
    line = f'{event},{customer},{track},"{moment[1]} {moment[2]}",{flag},"{zip_code}"'
    return parse(line.encode("utf-8", "surrogatepass"), latest)
