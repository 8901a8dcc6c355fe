"""The columns of the four files, and what each field must be.

In: a field as others wrote it. Out: as it is written into our world, and a note where it was
read as something else than it looks; or ``Rejected`` with the reason and the value. Serves
``import_``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

from workshop_lib.schema.labels import ADS, CAMPAIGN, DEVICE, GENDER, LEVEL
from workshop_lib.schema.play import MAX_INT, MAX_LONG, PATTERNS, when
from workshop_lib.world.places import states_by_zip


class Rejected(ValueError):
    """The line is not taken; the message says why."""


class Field(NamedTuple):
    """A field as it is written, and a note: "" where it is what it was."""

    text: str
    note: str = ""


#: (field, whether the file writes the day first or None) → the field; ``ValueError`` says why.
Check = Callable[[str, bool | None], Field]


class Column(NamedTuple):
    """``aliases``: other names in a header, lower case without anything but letters.

    ``trailing``: without a header it may be missing at the end of a line.
    """

    check: Check
    aliases: tuple[str, ...] = ()
    needed: bool = True
    trailing: bool = False


Columns = dict[str, Column]


def standard_name(name: str, columns: Columns) -> str | None:
    """The column that a header calls ``name``: in other letters, with blanks, a number behind."""
    plain = re.sub(r"[^a-z]", "", name.casefold())
    for column, about in columns.items():
        if plain in (re.sub(r"[^a-z]", "", column.casefold()), *about.aliases):
            return column
    return None


# Checks -------------------------------------------------------------------------------


def text(field: str, day_first: bool | None) -> Field:
    return Field(field)


def whole(low: int = 0, high: int = MAX_INT) -> Check:
    """A whole number; ``48.0`` is one, too, and ``48,0``, but not ``1,000``."""

    def check(field: str, day_first: bool | None) -> Field:
        number = re.fullmatch(r"(\d{1,19})(\.0*|,0{1,2})?", field, re.ASCII)
        if not number or not low <= int(number[1]) <= high:
            hint = " (Excel's short form of a long number)" if re.search(r"\dE\+", field) else ""
            raise ValueError(f"no whole number from {low} to {high}{hint}")
        return Field(str(int(number[1])), "a number with a decimal point" if number[2] else "")

    return check


def one_of(codes: dict[int, str], **more: int) -> Check:
    """A code, or its name; ``more``: other names, in small letters."""
    names = {name.casefold(): code for code, name in codes.items()} | more

    def check(field: str, day_first: bool | None) -> Field:
        code = names.get(field.casefold())
        if code is not None and field not in map(str, codes):
            return Field(str(code), "a name, taken as its code")
        return whole(min(codes), max(codes))(field, day_first)

    return check


def optional(check: Check) -> Check:
    """``check``, or nothing where the value is unknown."""

    def check_or_empty(field: str, day_first: bool | None) -> Field:
        if field.casefold() in _NOTHING:
            return Field("", "taken as unknown" if field else "")
        return check(field, day_first)

    return check_or_empty


#: How databases and spreadsheets write that there is no value.
_NOTHING: Final = frozenset(["", "null", "nan", "none", "n/a", "#n/a", "na", "unknown"])


@lru_cache(maxsize=1 << 16)  # a million plays have a few thousand
def zip_code(field: str, day_first: bool | None) -> Field:
    """A zip of five digits that has its leading zeros again, without the four of ZIP+4."""
    places = states_by_zip()
    plain = re.sub(r"\.0$", "", field)
    text = re.fullmatch(r"'(.*)|=\"(.*)\"", plain)  # how people keep Excel from counting
    plain = (text[1] or text[2] or "") if text else plain
    if not re.fullmatch(PATTERNS["zip"], plain, re.ASCII):
        raise ValueError("no zip")
    if plain in places:
        note = "text by a sign of Excel" if text else "a number with a decimal point"
        return Field(plain, note if plain != field else "")
    plus4 = re.fullmatch(r"(\d{5})-?\d{4}", plain)
    if plus4 and plus4[1] in places:
        return Field(plus4[1], "ZIP+4")
    if re.fullmatch(r"\d{3,4}", plain) and plain.zfill(5) in places:
        return Field(plain.zfill(5), "a leading zero was missing")
    return Field(plain)


def seconds(field: str, day_first: bool | None) -> Field:
    """A length in seconds, also as 4:05 or 1:02:03."""
    clock = re.fullmatch(r"(?:(\d{1,2}):)?(\d{1,3}):([0-5]\d)", field, re.ASCII)
    if not clock:
        return whole(1, 86_400)(field, day_first)
    hours, minutes, rest = (int(each or 0) for each in clock.groups())
    return Field(str(hours * 3600 + minutes * 60 + rest), "minutes and seconds")


def ad(field: str, day_first: bool | None) -> Field:
    if field not in ADS:
        raise ValueError(f"none of {', '.join(ADS)}")
    return Field(field)


# Dates --------------------------------------------------------------------------------

_TIME = r"(\d{1,2}):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?"
_YEAR_FIRST = re.compile(rf"(\d{{4}})([-/.])(\d{{1,2}})\2(\d{{1,2}})([T ]) ?{_TIME}(.*)")
_YEAR_LAST = re.compile(rf"(\d{{1,2}})([-/.])(\d{{1,2}})\2(\d{{4}})[ T]+{_TIME}(.*)")
_ZONE = re.compile(r"Z|([+-])(\d\d):?(\d\d)?")
#: Excel in Korea writes 2014-10-23 오후 3:26.
_HALF_DAY_BEFORE = re.compile(r"(오전|오후|AM|PM) ?(\d{1,2}:\d\d(?::\d\d)?)$")
_HALF_DAY = {"am": 0, "오전": 0, "pm": 12, "오후": 12}
#: Epoch numbers of the years 2001 to 2286, in seconds and in milliseconds.
_EPOCH = re.compile(r"([1-9]\d{9})(\d{3})?(?:\.(\d{1,9}))?")


def moment(field: str, day_first: bool | None) -> Field:
    """A date and time as ``YYYY-MM-DD HH:MM:SS[.mmm]`` in UTC, from the forms that people have."""
    field = _HALF_DAY_BEFORE.sub(r"\2 \1", field)
    epoch = _EPOCH.fullmatch(field)
    if epoch:
        seconds, millis, fraction = epoch.groups()
        millis = millis or (fraction or "").ljust(3, "0")[:3]
        kind = "milliseconds" if epoch[2] else "seconds"
        return Field(when(int(seconds) * 1000 + int(millis)), f"{kind} since 1970")
    found = _YEAR_FIRST.fullmatch(field)
    if found:
        year, separator, month, day, between, hour, minute, second, fraction, rest = found.groups()
        usual = (separator, between, len(month), len(day), len(hour)) == ("-", " ", 2, 2, 2)
        note = "" if usual and second and not rest else "dates in another form of ISO 8601"
    else:
        found = _YEAR_LAST.fullmatch(field)
        if not found:
            raise ValueError(f"no date and time{_about_number(field)}")
        one, _, two, year, hour, minute, second, fraction, rest = found.groups()
        if day_first is None and int(one) <= 12 and int(two) <= 12:
            raise ValueError("no date and time: day/month or month/day")
        first = int(one) > 12 if day_first is None else day_first
        day, month = (one, two) if first else (two, one)
        note = "dates with slashes"
    try:
        value = datetime(int(year), int(month), int(day), 0, int(minute), int(second or 0))
        value += timedelta(hours=_hour(int(hour), rest), minutes=-_offset_minutes(rest))
    except (ValueError, OverflowError) as error:
        raise ValueError(f"no date and time ({error})") from None
    millis_ = int((fraction or "").ljust(3, "0")[:3])
    return Field(when(int(value.replace(tzinfo=UTC).timestamp()) * 1000 + millis_), note)


def _hour(hour: int, rest: str) -> int:
    """The hour of the day, by what follows the time: AM, PM or nothing."""
    add = _HALF_DAY.get(rest.strip().casefold())
    if not 0 <= hour <= (23 if add is None else 12):
        raise ValueError("hour must be in 0..23")
    return hour if add is None else hour % 12 + add


def _offset_minutes(rest: str) -> int:
    """Minutes that a zone is ahead of UTC: ``+09:00`` is 540, ``Z`` and none are 0."""
    rest = rest.strip()
    zone = _ZONE.fullmatch(rest)
    if not zone:
        if rest and rest.casefold() not in _HALF_DAY:
            raise ValueError(f"{rest!r} is no time zone")
        return 0
    sign, hours, minutes = zone.groups()
    total = 60 * int(hours or 0) + int(minutes or 0)
    return -total if sign == "-" else total


def _about_number(field: str) -> str:
    """A hint for a number that is none of the epochs: Excel's days since 1900."""
    number = re.fullmatch(r"\d{5}(\.\d+)?", field)
    return " but a number, as Excel shows a date in a column that is not formatted as one" * bool(
        number
    )


DEVICES: Final = {int(mobile): name for mobile, name in DEVICE.items()}
#: Other names of a mobile (1) and of a PC (0).
DEVICE_NAMES: Final = {
    **dict.fromkeys(("true", "yes", "y", "phone", "smartphone"), 1),
    **dict.fromkeys(("false", "no", "n", "desktop", "computer"), 0),
}
_MOBILE: Final = ("mobile", "ismobiledevice", "device", "devicetype")
_TIMES: Final = ("datetime", "time", "timestamp", "localtime", "date", "starttime", "playtime")

#: File → its columns; the first is the id.
COLUMNS: Final[dict[str, Columns]] = {
    "cust.csv": {
        "CustID": Column(whole(), ("customerid", "customer", "userid", "id")),
        "Name": Column(text, needed=False),
        "Gender": Column(optional(one_of(GENDER, m=0, f=1))),
        "Address": Column(text, needed=False),
        "zip": Column(optional(zip_code), ("zipcode", "postalcode")),
        "SignDate": Column(text, needed=False),
        "Status": Column(whole(0, 1)),
        "Level": Column(one_of(LEVEL)),
        "Campaign": Column(one_of(CAMPAIGN)),
        "LinkedWithApps": Column(text, needed=False),
        "BirthYear": Column(optional(whole(1900, 2100)), needed=False, trailing=True),
    },
    "music.csv": {
        "TrackId": Column(whole(), ("songid", "id")),
        "Title": Column(text, ("name", "trackname", "song")),
        "Artist": Column(text, ("artistname",)),
        "Length": Column(optional(seconds), ("lengthseconds", "duration", "durationseconds")),
    },
    "clicks.csv": {
        "EventID": Column(whole(), ("clickid",)),
        "CustID": Column(whole(), ("customerid",)),
        "AdClicked": Column(ad, ("ad",)),
        "Localtime": Column(moment, ("clickedat", "datetime", "time", "timestamp")),
    },
    "tracks.csv": {
        "event_id": Column(whole(0, MAX_LONG), ("playid", "id")),
        "customer_id": Column(whole(), ("custid", "userid", "listenerid")),
        "track_id": Column(whole(), ("songid",)),
        "played_at": Column(moment, _TIMES),
        "is_mobile": Column(optional(one_of(DEVICES, **DEVICE_NAMES)), _MOBILE),
        "zip": Column(optional(zip_code), ("zipcode", "listeningzip", "postalcode")),
    },
}


def checked(
    fields: list[str], names: tuple[str | None, ...], columns: Columns, day_first: bool | None
) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Column → field as it is written, in the order of ``columns``, and (note, value) pairs.

    Raises ``Rejected`` that names the column and shows the value.
    """
    given = dict(zip(names, fields, strict=False))
    row, notes = {}, []
    for name, column in columns.items():
        value = given.get(name, "")
        if name not in given and not column.needed:
            row[name] = ""
            continue
        try:
            row[name], note = column.check(value, day_first)
        except ValueError as error:
            raise Rejected(f"{name} is wrong: {value[:40]!r} is {error}") from None
        if note:
            notes.append((f"{name}: {note}", value))
    return row, notes
