"""One line of the log ↔ one play: what is taken, what is refused, and in which words."""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime

import orjson
import pytest

from workshop_lib.schema.play import (
    MAX_LINE_BYTES,
    MalformedPlay,
    Play,
    from_json,
    parse,
    to_json,
    to_line,
    when,
)

NOON = int(datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp() * 1000)
PLAY = Play(17, 0, 1749, NOON, True, "01234")
LINE = b'17,0,1749,"2026-03-01 12:00:00",1,"01234"'


def test_a_play_is_written_as_the_demo_writes_it() -> None:
    assert to_line(PLAY) == LINE
    assert parse(LINE) == PLAY


@pytest.mark.parametrize(
    ("line", "want"),
    [
        (LINE + b"\r\n", PLAY),
        (b"\xef\xbb\xbf" + LINE, PLAY),  # a byte order mark, as Windows editors leave
        (b'17,0,1749,2026-03-01 12:00:00,1,"01234"', PLAY),  # quotes are optional in CSV
        (b'17,0,1749,"2026-03-01 12:00:00",1,01234', PLAY),
        (b'17, 0, 1749, 2026-03-01 12:00:00, 1, 01234', PLAY),
        (b'17,0,1749,"2026-03-01 12:00:00.5",1,"01234"', PLAY._replace(played_at=NOON + 500)),
        (b'17,0,1749,"2026-03-01 12:00:00.007",1,"01234"', PLAY._replace(played_at=NOON + 7)),
        (b'17,0,1749,"2026-03-01 12:00:00",1,""', PLAY._replace(zip="")),
        (b'17,0,1749,"2026-03-01 12:00:00",0,"12345-6789"',
         PLAY._replace(is_mobile=False, zip="12345-6789")),
        (b'9223372036854775807,2147483647,2147483647,"2026-03-01 12:00:00",1,"01234"',
         PLAY._replace(event_id=2**63 - 1, customer_id=2**31 - 1, track_id=2**31 - 1)),
    ],
)  # fmt: skip
def test_well_formed(line: bytes, want: Play) -> None:
    assert parse(line) == want


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "empty line"),
        (b" \t ", "empty line"),
        (b"17,0,1749", "3 columns instead of 6"),
        (LINE + b",web", "7 columns instead of 6"),
        (LINE.replace(b"17,", b"x17,"), "event_id is wrong: 'x17'"),
        (LINE.replace(b",0,", b",-1,"), "customer_id is wrong: '-1'"),
        (LINE.replace(b",0,", b",1.0,"), "customer_id is wrong: '1.0'"),
        (LINE.replace(b",0,", b",3000000000,"), "larger than 32 bits"),
        (LINE.replace(b"17,", b"9999999999999999999,"), "larger than 64 bits"),
        (LINE.replace(b"1749", "١٧".encode()), "track_id is wrong"),  # digits, but not ours
        (LINE.replace(b"2026-03-01", b"2026-02-30"), "played_at is no date"),
        (LINE.replace(b"2026-03-01", b"01/03/2026"), "played_at is wrong"),
        (LINE.replace(b"12:00:00", b"24:00:00"), "played_at is no date"),
        (LINE.replace(b"12:00:00", b"12:00:60"), "'2026-03-01 12:00:60' (second must be in 0..59)"),
        (LINE.replace(b"12:00:00", b"12:60:59"), "'2026-03-01 12:60:59' (minute must be in 0..59)"),
        (LINE.replace(b"12:00:00", b"12:00:00Z"), "played_at is wrong"),
        (LINE.replace(b",1,", b",7,"), "is_mobile is wrong: '7'"),
        (LINE.replace(b"01234", b"K1A 0B1"), "zip is wrong"),
        (LINE.replace(b"01234", b"\xff"), "not UTF-8 at byte 35"),
        (LINE.replace(b"1749", b"17\x0049"), "control character '\\x00' at column 7"),
        (LINE + b"\n" + LINE, "control character '\\n'"),
        (LINE[:-1], "not CSV: unexpected end of data"),
        (LINE + b"x", "not CSV"),
        (b"1" * (MAX_LINE_BYTES + 1), f"line of {MAX_LINE_BYTES + 1} bytes"),
    ],
)
def test_malformed_lines_say_why(line: bytes, reason: str) -> None:
    with pytest.raises(MalformedPlay, match=re.escape(reason)):
        parse(line)


def test_a_play_may_be_as_late_as_the_latest_moment_and_no_later() -> None:
    assert parse(LINE, latest=NOON) == PLAY
    with pytest.raises(MalformedPlay, match="in the future: 2026-03-01 12:00:00"):
        parse(LINE, latest=NOON - 1)


def test_every_play_survives_line_and_json() -> None:
    draw = random.Random(7)
    for _ in range(2000):
        play = Play(
            draw.randrange(2**63),
            draw.randrange(2**31),
            draw.randrange(2**31),
            draw.randrange(-62_135_596_800_000, 253_402_300_800_000),  # years 1 to 9999
            draw.random() < 0.5,
            draw.choice(["", "00501", "99950", "12345-6789"]),
        )
        assert parse(to_line(play)) == play
        assert from_json(to_json(play)) == play


def test_dates_are_utc_with_four_digits_of_the_year() -> None:
    assert when(NOON) == "2026-03-01 12:00:00"
    assert when(NOON + 7) == "2026-03-01 12:00:00.007"
    assert when(NOON, iso=True) == "2026-03-01T12:00:00.000Z"
    assert when(-62_135_596_800_000) == "0001-01-01 00:00:00"
    with pytest.raises((ValueError, OverflowError)):
        when(-62_135_596_800_001)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"event_id": "17"}, "event_id is no int"),
        ({"event_id": True}, "event_id is no int"),
        ({"is_mobile": 1}, "is_mobile is no bool"),
        ({"zip": 1234}, "zip is no str"),
        ({"zip": '1"2'}, "zip is wrong|columns|CSV"),
        ({"played_at": NOON}, "played_at is no str"),
        ({"played_at": "2026-03-01 12:00:00"}, "played_at is no date"),
        ({"played_at": "2026-02-30T12:00:00.000Z"}, "played_at is no date"),
        ({"customer_id": -1}, "customer_id is wrong"),
        ({"more": 1}, "not the fields"),
    ],
)
def test_json_that_is_no_play_says_why(change: dict[str, object], reason: str) -> None:
    document = orjson.loads(to_json(PLAY)) | change
    with pytest.raises(MalformedPlay, match=reason):
        from_json(orjson.dumps(document))


@pytest.mark.parametrize("value", [b"", b"{", b"[]", b"17", b"\xff{}"])
def test_what_is_no_json_object_says_so(value: bytes) -> None:
    with pytest.raises(MalformedPlay, match=r"not JSON|not the fields"):
        from_json(value)
