"""20,000 lines that nobody would write: accepted or dead with a reason, none lost."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from ship_world import BEGIN, held, letters, messages, play, value_of, write

from workshop_lib.ingest import dead_letters
from workshop_lib.ingest.ship import ship
from workshop_lib.schema.names import PLAYS_TOPIC
from workshop_lib.schema.play import MalformedPlay, parse, to_document, to_line
from workshop_lib.settings import Settings

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures("nothing_left")]


def hostile_lines(seed: int, count: int) -> list[bytes]:
    """Well-formed lines, broken in every way we can think of, and some by chance."""
    draw = random.Random(seed)

    def fuzz(line: bytes) -> bytes:
        broken = bytearray(line)
        for _ in range(draw.randrange(1, 6)):
            place = draw.randrange(len(broken) + 1)
            broken[place : place + draw.randrange(3)] = draw.randbytes(draw.randrange(4))
        return bytes(broken)

    def field(line: bytes) -> bytes:
        fields = line.split(b",")
        fields[draw.randrange(6)] = draw.choice(
            [b"", b"-1", b"1e5", b"NaN", b"null", b"1" * 30, b"' OR 1=1", "٣".encode(), b"[1]"]
        )
        return b",".join(fields)

    ways = [
        lambda line: line,
        lambda line: b"\xef\xbb\xbf" + line,
        lambda line: line.replace(b",", b",\x00", 1),
        lambda line: line.replace(b'"', draw.choice([b"'", b'""', b"", b'"""'])),
        lambda line: line.rstrip(b'"'),
        lambda line: line + b',"' * draw.randrange(1, 4),
        lambda line: b",".join(line.split(b",")[: draw.randrange(6)]),
        lambda line: line + b",x" * draw.randrange(1, 3000),
        lambda line: (
            line.replace(b',"', b',"' + b"9" * draw.choice([200, 5000, 600_000]), 1)
            if draw.random() < 0.05
            else line + b"9" * 300
        ),
        lambda line: line.decode().encode("utf-16"),
        lambda line: line.replace(b"-", b"\xe2\x80\x93"),
        lambda line: line[: draw.randrange(len(line))] + b"\xff\xfe" + line[3:],
        lambda line: line.replace(b"20", draw.choice([b"99", b"00", b"21"]), 1),
        lambda line: line + b"\r",
        lambda line: draw.randbytes(draw.randrange(200)),
        field,
        fuzz,
        fuzz,
    ]
    lines = [draw.choice(ways)(to_line(play(i))).replace(b"\n", b" ") for i in range(count)]
    return lines


@pytest.fixture(scope="module")
def hostile() -> list[bytes]:
    return hostile_lines(7, 20_000)


@pytest.mark.parametrize("to", ["kafka", "elasticsearch"])
def test_20000_hostile_lines_are_accepted_or_dead_with_a_reason(
    stack: Settings, to: str, hostile: list[bytes]
) -> None:
    write(stack, hostile)
    report = ship(stack, to, once=True)
    assert report.lines == 20_000 == report.accepted + report.rejected
    dead = letters(stack, to)
    assert len(dead) == report.rejected > 10_000
    assert all(x.reason for x in dead)
    assert sum(report.reasons.values()) == report.rejected
    # Each letter has the bytes at its place of the log (a very long line their begin) …
    data = stack.live_log.read_bytes()
    for x in dead:
        end = data.index(b"\n", x.offset)
        assert data[x.offset : end].startswith(x.value)
        assert len(x.value) == end - x.offset or len(x.value) == 1 << 19
    # … and what is no letter was accepted, with the fields that its line has.
    places = {x.offset for x in dead}
    offset, accepted = 0, []
    for line in hostile:
        if offset not in places:
            accepted.append(to_document(parse(line)))
        offset += len(line) + 1
    assert len(accepted) == report.accepted > 1000
    if to == "kafka":  # some event ids are there twice: keys differ, so the order does
        sent = map(value_of, messages(stack, PLAYS_TOPIC))
        assert sorted(sent, key=str) == sorted(accepted, key=str)
    else:
        assert held(stack, to) == {document["event_id"]: document for document in accepted}


def test_the_hostile_lines_are_of_all_kinds(hostile: list[bytes]) -> None:
    """Negative control: neither are all of them accepted nor all rejected for one reason."""
    reasons: Counter[str] = Counter()
    for line in hostile:
        try:
            parse(line, BEGIN + 10**9)
        except MalformedPlay as error:
            reasons[dead_letters.reason_kind(str(error))] += 1
    assert len(reasons) > 20
    assert max(reasons.values()) < 8000
    assert any("future" in reason for reason in reasons)
