"""Plays → the bytes of ``tracks.csv``, a million lines in a fraction of a second.

In: columns in the order of the file. Out: bytes in the form of ``play_line.to_line``, which
the tests compare them with. Serves ``generate``.

A line is ten cells of eight bytes, each looked up in a small table of ready text and padded
with NUL; taking the NULs out leaves the line. A broken line has a mark in the first cell,
where its own bytes are put in afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, timedelta

import numpy as np

from workshop_lib.world.plays import SECOND, Plays
from workshop_lib.world.randomness import Ints

CELL = 8
CHUNK = 1 << 15  # rows at a time: few enough for the processor's cache
_MARK = b"\x01"


def play_lines(
    event_id: Ints, plays: Plays, zips: np.ndarray, broken: dict[int, bytes]
) -> Iterator[bytes]:
    """The file in pieces. ``broken``: row → the bytes of its line, without a line end.

    ``event_id`` of a row is below 10^11, customers and tracks below 10^7, zips have at most
    six letters; ``ValueError`` otherwise.
    """
    seconds = plays.played_at // SECOND
    days = seconds // 86_400
    first_day = int(days.min())
    tables = {
        "high": _cells(b"%d" % n for n in range(int(event_id.max()) // 10_000 + 1)),
        "low": _cells(b"%04d," % n for n in range(10_000)),
        "alone": _cells(b"%d," % n for n in range(10_000)),
        "customer": _cells(b"%d," % n for n in range(int(plays.customer.max()) + 1)),
        "track": _cells(b"%d," % n for n in range(int(plays.track.max()) + 1)),
        "month": _cells(_date(day)[:8] for day in range(first_day, int(days.max()) + 1)),
        "day": _cells(_date(day)[8:] for day in range(first_day, int(days.max()) + 1)),
        "time": _cells(
            b"%02d:%02d:%02d" % (s // 3600, s // 60 % 60, s % 60) for s in range(86_400)
        ),
        "millis": _cells(b".%03d" % ms if ms else b"" for ms in range(SECOND)),
        "mobile": _cells((b'",0,"', b'",1,"')),
        "zip": _cells(f'{z}"\n'.encode() for z in zips.tolist()),
        "mark": _cells((_MARK,)),
    }
    marked = np.array(sorted(broken), dtype=np.int64)
    for begin in range(0, len(plays), CHUNK):
        rows = slice(begin, begin + CHUNK)
        high, low = np.divmod(event_id[rows], 10_000)
        day = days[rows] - first_day
        cells = (
            np.where(high > 0, tables["high"][high], np.uint64(0)),
            np.where(high > 0, tables["low"][low], tables["alone"][low]),
            tables["customer"][plays.customer[rows]],
            tables["track"][plays.track[rows]],
            tables["month"][day],
            tables["day"][day],
            tables["time"][seconds[rows] % 86_400],
            tables["millis"][plays.played_at[rows] % SECOND],
            tables["mobile"][plays.mobile[rows].astype(np.int64)],
            tables["zip"][plays.place[rows]],
        )
        grid = np.empty((len(day), len(cells)), dtype=np.uint64)
        for column, cell in enumerate(cells):
            grid[:, column] = cell
        here = marked[slice(*np.searchsorted(marked, (begin, begin + len(grid))))]
        grid[here - begin] = 0
        grid[here - begin, 0] = tables["mark"][0]
        pieces = grid.tobytes().translate(None, b"\0").split(_MARK)
        yield b"".join(
            [pieces[0]]
            + [
                broken[row] + b"\n" + piece
                for row, piece in zip(here.tolist(), pieces[1:], strict=True)
            ]
        )


def _cells(texts: Iterable[bytes]) -> np.ndarray:
    """Each text in eight bytes, as one number, so that looking it up is one copy."""
    table = list(texts)
    if max(map(len, table)) > CELL:
        raise ValueError(f"longer than {CELL} bytes: {max(table, key=len)!r}")
    return np.array(table, dtype=f"S{CELL}").view(np.uint64)


def _date(day: int) -> bytes:
    """Day since 1970 as ``"YYYY-MM-DD`` and a space, with the opening quote."""
    return f'"{date(1970, 1, 1) + timedelta(days=day)} '.encode()
