"""Somebody's own listening, from the export of an account.

In: Spotify's extended streaming history (JSON, in its ZIP), Last.fm scrobbles (CSV) or
ListenBrainz listens (JSONL, in its ZIP). Out: ``Listens``, each with time, artist and title, and
an account of every entry. Serves ``own_world``. Everything is read on this machine; of the
export nothing but time, artist, title and length is kept. Formats: docs linked in data/README.md.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from workshop_lib.errors import WorkshopError
from workshop_lib.schema.play import CONTROL_CHARACTER
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
    """An entry of an export: its file, its number from 1 (of JSONL and CSV: its line), and what
    of it is used; ``problem``: why it cannot be read at all."""

    file: str
    number: int
    used: dict[str, Any]
    problem: str = ""


def read(kind: str, path: Path) -> Iterator[Entry]:
    """The entries of the export at ``path``. Raises ``WorkshopError`` when it is none."""
    if not path.exists():
        raise WorkshopError(f"There is no {path}.", "Give the file that the service sent you.")
    return EXPORTS[kind].entries(path)


def listen(kind: str, entry: Entry, latest: int) -> Listen:
    """The listen that an entry is. Raises ``Rejected``; ``latest``: as for ``play.parse``."""
    if entry.problem:
        raise Rejected(entry.problem)
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


def _name(value: Any) -> str:
    """A text on one line, without characters that control terminals; else nothing."""
    text = value if isinstance(value, str) else ""
    return re.sub(CONTROL_CHARACTER, "", " ".join(text.split()))


def _whole(value: Any, name: str) -> int:
    if value is None:
        raise Rejected(f"no {name}")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | str) or not str(value).isdecimal():
        raise Rejected(f"{name} is no whole number: {str(value)[:40]!r}")
    return int(value)


# Files --------------------------------------------------------------------------------

#: What macOS puts beside each file of a ZIP.
_NOT_THEIRS: Final = re.compile(r"(^|/)(__MACOSX/|\._)")
_SEND_AGAIN: Final = "Give the file as it was sent; if it was, download it again."


def _members(path: Path, names: str, missing: str) -> Iterator[tuple[str, bytes]]:
    """(name, content) of ``path`` itself, or of the files in its ZIP or folder that match."""
    if path.is_dir():
        files = {str(each.relative_to(path)): each for each in path.rglob("*") if each.is_file()}
        for name in _ours(files, path, names, missing):
            yield name, files[name].read_bytes()
        return
    if not zipfile.is_zipfile(path):
        content = path.read_bytes()
        if content.startswith(b"PK\x03\x04"):
            raise WorkshopError(f"{path.name} is a ZIP that is not complete.", _SEND_AGAIN)
        yield path.name, content
        return
    with zipfile.ZipFile(path) as archive:
        for name in _ours(archive.namelist(), path, names, missing):
            try:
                content = archive.read(name)
            except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
                raise WorkshopError(
                    f"{path.name} is damaged at {name}: {error}.", _SEND_AGAIN
                ) from None
            yield name, content


def _ours(names: Iterable[str], path: Path, pattern: str, missing: str) -> list[str]:
    found = [each for each in names if re.search(pattern, each) and not _NOT_THEIRS.search(each)]
    if not found:
        raise WorkshopError(f"{path} has no {missing}.", "data/README.md says which file it is.")
    return sorted(found)


def _text(name: str, content: bytes) -> str:
    """UTF-8, or UTF-16 with its mark. Raises ``WorkshopError``."""
    marked = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return content.decode("utf-16" if marked else "utf-8-sig")
    except UnicodeDecodeError as error:
        sample = content[max(error.start - 10, 0) : error.start + 10]
        raise WorkshopError(
            f"{name} is not UTF-8: byte {error.start}, near {sample!r}.",
            f"Convert it: iconv -f WINDOWS-1252 -t UTF-8 {name} > new, or from its encoding.",
        ) from None


def _json(path: Path, names: str, what: str, used: tuple[str, ...]) -> Iterator[Entry]:
    """The objects of JSON files (one array) and of JSONL files (one object a line)."""
    for place, content in _members(path, names, what):
        name = (
            "/".join(Path(place).parts[-2:]) if Path(place).stem.isdecimal() else Path(place).name
        )
        for number, value, problem in _objects(name, _text(name, content), what):
            kept = {key: value[key] for key in used if key in value}
            yield Entry(name, number, kept, problem or ("" if kept else f"no entry of {what}"))


def _objects(name: str, text: str, what: str) -> Iterator[tuple[int, dict[str, Any], str]]:
    """(number from 1, object, why it is none) of a file of JSON or JSONL."""
    if not text.lstrip().startswith("["):
        lines = [(n, line) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
        found = [(n, *_object(line)) for n, line in lines]
        if found and all(problem for *_, problem in found):
            raise WorkshopError(
                f"{name} is no JSON of {what}: it begins with {lines[0][1][:40]!r}.", _SEND_AGAIN
            )
        # The answer of ListenBrainz's API has the listens in a list of its own.
        inner = found[0][1].get("payload") if len(found) == 1 else None
        listens = inner.get("listens") if isinstance(inner, dict) else None
        if not isinstance(listens, list):
            yield from found
            return
    else:
        try:
            listens = json.loads(text)
        except ValueError as error:
            raise WorkshopError(f"{name} is no JSON of {what}: {error}.", _SEND_AGAIN) from None
    for number, value in enumerate(listens, 1):
        yield number, value if isinstance(value, dict) else {}, ""


def _object(line: str) -> tuple[dict[str, Any], str]:
    try:
        value = json.loads(line)
    except ValueError as error:
        return {}, f"no JSON: {line[:40]!r}: {error}"
    return value if isinstance(value, dict) else {}, ""


# Spotify ------------------------------------------------------------------------------

_SPOTIFY: Final = (
    "ts", "ms_played", "master_metadata_track_name", "master_metadata_album_artist_name",
    "endTime", "msPlayed", "trackName", "artistName", "podcastName", "episodeName",
)  # fmt: skip


_NO_TRACK: Final = "no track: an episode of a podcast or an audiobook"


def _spotify_entries(path: Path) -> Iterator[Entry]:
    names = r"(Streaming_History_(Audio|Video)|endsong|StreamingHistory)[^/]*\.json$"
    return _json(path, names, "streaming history of Spotify", _SPOTIFY)


def _spotify(used: dict[str, Any]) -> Listen:
    """``ts`` is when the stream ended; the smaller export calls everything otherwise."""
    if "podcastName" in used or "episodeName" in used:
        raise Rejected(_NO_TRACK)
    if "endTime" in used:
        end, played = used["endTime"], used.get("msPlayed")
        artist, title = used.get("artistName"), used.get("trackName")
    else:
        end, played = used.get("ts"), used.get("ms_played")
        artist = used.get("master_metadata_album_artist_name")
        title = used.get("master_metadata_track_name")
        if end is not None and artist is None and title is None:
            raise Rejected(_NO_TRACK)
    millis = _whole(played, "ms_played")
    if millis == 0:
        raise Rejected("not played: 0 ms")
    if end is None:
        raise Rejected("no date")
    end_at = _millis(str(end))
    # Before 1970 and a track's length: the clock was not set.
    return Listen(max(end_at - millis, 0), _name(artist), _name(title), None)


# Last.fm ------------------------------------------------------------------------------

_MONTHS: Final = (
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
)  # fmt: skip
_LASTFM_DATE: Final = re.compile(r"(\d{1,2}) ([A-Za-z]{3})[a-z]* (\d{4}),? (\d\d:\d\d)")
#: Column → its names in the headers of the usual exporters; without a header in this order.
_LASTFM: Final = {
    "artist": ("artist", "artist_name"),
    "album": ("album",),
    "track": ("track", "title", "name", "track_name"),
    "date": ("uts", "timestamp", "utc_time", "date", "time", "datetime"),
}


def _lastfm_entries(path: Path) -> Iterator[Entry]:
    for place, content in _members(path, r"\.csv$", "scrobbles of Last.fm as CSV"):
        yield from _scrobbles(Path(place).name, _text(Path(place).name, content))


def _scrobbles(name: str, text: str) -> Iterator[Entry]:
    first = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text), delimiter=max(",;\t", key=first.count))
    places = {column: place for place, column in enumerate(_LASTFM)}
    header: list[str] = []
    while True:
        number = reader.line_num + 1  # a field may have several lines
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Entry(name, number, {}, f"not CSV: {error}")
            continue
        names = [cell.strip().casefold() for cell in row]
        if not any(names) or names == header:
            continue
        if number == 1:
            found = {
                column: next((names.index(each) for each in others if each in names), None)
                for column, others in _LASTFM.items()
            }
            if found["artist"] is not None and found["track"] is not None:
                if found["date"] is None:
                    raise WorkshopError(
                        f"The header of {name} has no date: {first.strip()[:80]!r}.",
                        "Export the scrobbles with their time (uts).",
                    )
                header = names
                places = {column: at for column, at in found.items() if at is not None}
                continue
        used = {column: row[at] for column, at in places.items() if at < len(row)}
        used.pop("album", None)
        yield Entry(name, number, used)


def _lastfm(used: dict[str, Any]) -> Listen:
    date = str(used.get("date", "")).strip()
    if not date:
        raise Rejected("no date: it was playing when the export was made")
    words = _LASTFM_DATE.fullmatch(date)
    if words and words[2].casefold() in _MONTHS:
        month = _MONTHS.index(words[2].casefold()) + 1
        date = f"{words[3]}-{month:02d}-{int(words[1]):02d} {words[4]}"
    played_at = int(date) * 1000 if re.fullmatch(r"\d{1,10}", date) else _millis(date)
    return Listen(played_at, _name(used.get("artist")), _name(used.get("track")), None)


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
        _whole(used.get("listened_at"), "listened_at") * 1000,
        _name(about.get("artist_name")),
        _name(about.get("track_name")),
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
