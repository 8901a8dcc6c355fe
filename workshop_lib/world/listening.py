"""Somebody's own listening, from the export of an account.

In: Spotify's extended streaming history (JSON, in its ZIP), Last.fm scrobbles (CSV) or
ListenBrainz listens (JSONL, in its ZIP). Out: ``Listens``, each with time, artist and title, and
an account of every entry. Serves ``own_world``. Everything is read on this machine; of the
export nothing but time, artist, title and length is kept. Formats: docs linked in data/README.md.
"""

from __future__ import annotations

import csv
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from workshop_lib.errors import WorkshopError
from workshop_lib.world.columns import Rejected, moment

#: Earlier dates are those of a clock that was never set.
FIRST: Final = int(datetime(1971, 1, 1, tzinfo=UTC).timestamp()) * 1000


class Listen(NamedTuple):
    """``played_at``: start of the track, ms since 1970, UTC; ``seconds``: its length, if known."""

    played_at: int
    artist: str
    title: str
    seconds: int | None


class Entry(NamedTuple):
    """An entry of an export: its file, its number from 1, and what of it is used."""

    file: str
    number: int
    used: dict[str, Any]


def read(kind: str, path: Path) -> Iterator[Entry]:
    """The entries of the export at ``path``. Raises ``WorkshopError`` when it is none."""
    if not path.exists():
        raise WorkshopError(f"There is no {path}.", "Give the file that the service sent you.")
    return EXPORTS[kind].entries(path)


def listen(kind: str, entry: Entry, latest: int) -> Listen:
    """The listen that an entry is. Raises ``Rejected``; ``latest``: as for ``play.parse``."""
    found = EXPORTS[kind].listen(entry.used)
    if not found.artist or not found.title:
        raise Rejected("no artist or no title")
    if found.played_at < FIRST:
        date = datetime.fromtimestamp(found.played_at // 1000, UTC).isoformat(" ")[:19]
        raise Rejected(f"a date of 1970, as of a clock that was not set: {date}")
    if found.played_at > latest:
        raise Rejected("a date in the future")
    return found


def _millis(text: str) -> int:
    """A date in a form of ``columns.moment`` as ms since 1970. Raises ``Rejected``."""
    try:
        value = moment(text, None).text
    except ValueError as error:
        raise Rejected(f"date is wrong: {text[:40]!r} is {error}") from None
    return int(datetime.fromisoformat(value).replace(tzinfo=UTC).timestamp() * 1000)


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str) or not str(value).isdecimal():
        raise Rejected(f"no whole number: {str(value)[:40]!r}")
    return int(value)


# Files --------------------------------------------------------------------------------


def _members(path: Path, names: str, missing: str) -> Iterator[tuple[str, bytes]]:
    """(name, content) of ``path`` itself, or of the files in its ZIP whose names match."""
    if not zipfile.is_zipfile(path):
        yield path.name, path.read_bytes()
        return
    with zipfile.ZipFile(path) as archive:
        found = [each for each in archive.namelist() if re.search(names, each)]
        if not found:
            raise WorkshopError(f"{path} has no {missing}.", "data/README.md says which file it is")
        for name in sorted(found):
            yield Path(name).name, archive.read(name)


def _json(path: Path, names: str, missing: str, used: tuple[str, ...]) -> Iterator[Entry]:
    """The objects of JSON files (one array) and of JSONL files (one object a line)."""
    for name, content in _members(path, names, missing):
        try:
            text = content.decode("utf-8-sig")
            if text.lstrip().startswith("["):
                objects = json.loads(text)
            else:
                objects = [json.loads(line) for line in text.splitlines() if line.strip()]
        except ValueError as error:
            raise WorkshopError(
                f"{name} is no JSON of {missing}: {error}.", "Give the file as it was sent."
            ) from None
        for number, value in enumerate(objects, 1):
            value = value if isinstance(value, dict) else {}
            yield Entry(name, number, {key: value[key] for key in used if key in value})


# Spotify ------------------------------------------------------------------------------

_SPOTIFY: Final = (
    "ts", "ms_played", "master_metadata_track_name", "master_metadata_album_artist_name",
    "endTime", "msPlayed", "trackName", "artistName",
)  # fmt: skip


def _spotify_entries(path: Path) -> Iterator[Entry]:
    names = r"(Streaming_History_Audio|endsong|StreamingHistory)[^/]*\.json$"
    return _json(path, names, "streaming history of Spotify", _SPOTIFY)


def _spotify(used: dict[str, Any]) -> Listen:
    """``ts`` is when the stream ended; the smaller export calls everything otherwise."""
    if "endTime" in used:
        end, played = used["endTime"], used.get("msPlayed")
        artist, title = used.get("artistName"), used.get("trackName")
    else:
        end, played = used.get("ts"), used.get("ms_played")
        artist = used.get("master_metadata_album_artist_name")
        title = used.get("master_metadata_track_name")
        if end is not None and artist is None and title is None:
            raise Rejected("no track: an episode of a podcast or an audiobook")
    millis = _whole(played)
    if millis == 0:
        raise Rejected("not played: 0 ms")
    end_at = _millis(str(end))
    # Before 1970 and a track's length: the clock was not set.
    return Listen(max(end_at - millis, 0), str(artist or ""), str(title or ""), None)


# Last.fm ------------------------------------------------------------------------------

_MONTHS: Final = (
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
)  # fmt: skip
_LASTFM_DATE: Final = re.compile(r"(\d{1,2}) ([A-Z][a-z]{2}) (\d{4}),? (\d\d:\d\d)")
#: Column → its names in the headers of the usual exporters; without a header in this order.
_LASTFM: Final = {
    "artist": ("artist", "artist_name"),
    "album": ("album",),
    "track": ("track", "title", "name", "track_name"),
    "date": ("uts", "timestamp", "utc_time", "date", "time", "datetime"),
}


def _lastfm_entries(path: Path) -> Iterator[Entry]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            rows = [row for row in csv.reader(file) if any(row)]
        except (csv.Error, UnicodeDecodeError) as error:
            raise WorkshopError(
                f"{path.name} is no CSV in UTF-8: {error}.", "Export the scrobbles as CSV."
            ) from None
    names = [name.strip().casefold() for name in rows[0]] if rows else []
    places = {
        column: next((names.index(name) for name in others if name in names), None)
        for column, others in _LASTFM.items()
    }
    header = places["artist"] is not None and places["track"] is not None
    if not header:
        places = {column: place for place, column in enumerate(_LASTFM)}
    for number, row in enumerate(rows[header:], 1 + header):
        yield Entry(
            path.name,
            number,
            {
                column: row[place]
                for column, place in places.items()
                if place is not None and place < len(row) and column != "album"
            },
        )


def _lastfm(used: dict[str, Any]) -> Listen:
    date = str(used.get("date", "")).strip()
    if not date:
        raise Rejected("no date: it was playing when the export was made")
    words = _LASTFM_DATE.fullmatch(date)
    if words and words[2] in _MONTHS:
        date = f"{words[3]}-{_MONTHS.index(words[2]) + 1:02d}-{int(words[1]):02d} {words[4]}"
    played_at = int(date) * 1000 if re.fullmatch(r"\d{1,10}", date) else _millis(date)
    return Listen(played_at, used.get("artist", "").strip(), used.get("track", "").strip(), None)


# ListenBrainz -------------------------------------------------------------------------


def _listenbrainz_entries(path: Path) -> Iterator[Entry]:
    names = r"(listens/.*\.jsonl|listens[^/]*\.json)$"
    return _json(path, names, "listens of ListenBrainz", ("listened_at", "track_metadata"))


def _listenbrainz(used: dict[str, Any]) -> Listen:
    about = used.get("track_metadata")
    about = about if isinstance(about, dict) else {}
    more = about.get("additional_info")
    more = more if isinstance(more, dict) else {}
    millis, seconds = more.get("duration_ms"), more.get("duration")
    known = isinstance(millis, int) or isinstance(seconds, int)
    length = (millis // 1000 if isinstance(millis, int) else seconds) if known else None
    return Listen(
        _whole(used.get("listened_at")) * 1000,
        str(about.get("artist_name") or ""),
        str(about.get("track_name") or ""),
        length if length and 0 < length <= 86_400 else None,
    )


class Export(NamedTuple):
    """How the export of a service is read: its entries, and the listen of one."""

    entries: Callable[[Path], Iterator[Entry]]
    listen: Callable[[dict[str, Any]], Listen]


EXPORTS: Final = {
    "spotify": Export(_spotify_entries, _spotify),
    "lastfm": Export(_lastfm_entries, _lastfm),
    "listenbrainz": Export(_listenbrainz_entries, _listenbrainz),
}
