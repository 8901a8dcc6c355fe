"""Exports as people have them, under tests/files/listening/messy: read right, or refused with why.

Only the reading: what becomes of the listens, ``test_own_listening`` shows.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from workshop_lib.errors import WorkshopError
from workshop_lib.schema.play import when
from workshop_lib.world.own_world import _read

FILES = Path(__file__).parents[1] / "files" / "listening" / "messy"
LATEST = int(datetime(2025, 1, 1, tzinfo=UTC).timestamp()) * 1000
DITTO, GOOD_DAY = ("NewJeans", "Ditto"), ("아이유", "좋은 날")

#: File → the listens, and the reasons of what was refused, each with its line or number.
READ: dict[str, tuple[list[tuple[str, tuple[str, str]]], list[tuple[int, str]]]] = {
    "spotify-episodes-skips-and-gaps.json": (
        [("10:56:40", DITTO), ("11:00:57", DITTO)],
        [
            (3, "not played: 0 ms"),
            (4, "no track: an episode"),
            (5, "no track: an episode of a podcast or an audiobook"),
            (6, "ms_played is no whole number: '-5'"),
            (7, "ms_played is no whole number: '1.5'"),
            (8, "no date"),
            (9, "no ms_played"),
        ],
    ),
    "spotify-account-data-with-podcasts.zip": (
        [("10:56:40", DITTO)],
        [(1, "no track: an episode")],
    ),
    "spotify-zipped-again-on-a-mac.zip": ([("10:56:40", DITTO), ("11:56:40", DITTO)], []),
    "spotify-utf-16.json": ([("10:56:40", GOOD_DAY)], []),
    "lastfm-empty-dates.csv": (
        [("11:00:00", DITTO)],
        [(2, "no date: it was playing"), (4, "the same listen again")],
    ),
    "lastfm-semicolons-and-bom.csv": ([("11:00:00", DITTO), ("11:05:00", GOOD_DAY)], []),
    "lastfm-header-again.csv": ([("11:00:00", DITTO), ("11:01:40", DITTO)], []),
    "lastfm-names-of-months.csv": (
        [("11:00:00", DITTO)],
        [(2, "the same listen again"), (3, "date is wrong: '02 3월 2024 11:00'")],
    ),
    "lastfm-title-of-two-lines.csv": (
        [("11:00:00", ("NewJeans", "Dit to"))],
        [(4, "no artist or no title")],
    ),
    "listenbrainz-missing-fields.jsonl": (
        [
            *[(time, DITTO) for time in ("11:00:00", "11:01:40")],
            *[(time, DITTO) for time in ("11:08:20", "11:10:00", "11:11:40", "11:13:20")],
        ],
        [
            (2, "no listened_at"),
            (4, "no artist or no title"),
            (5, "no artist or no title"),
            (6, "no artist or no title"),
            *[(line, "no entry of listens of ListenBrainz") for line in (7, 8, 9, 10)],
            (15, "a date in the future"),
        ],
    ),
    "listenbrainz-broken-line.jsonl": (
        [("11:00:00", DITTO), ("11:01:40", DITTO)],
        [(2, "no JSON: '{\"listened_at\": 17'")],
    ),
    "listenbrainz-answer-of-the-api.json": ([("11:00:00", DITTO)], []),
    "listenbrainz-of-two-months.zip": ([("11:20:00", DITTO), ("11:00:00", DITTO)], []),
}
#: File → words of the reason, and of what to do.
REFUSED = {
    "spotify-cut-off.json": ("Unterminated string", "download it again"),
    "spotify-damaged.zip": ("damaged at S/Streaming_History_Audio_2024.json", "download it again"),
    "spotify-half-a-download.zip": ("is a ZIP that is not complete", "download it again"),
    "lastfm-without-dates.csv": ("has no date: 'artist,album,track'", "with their time"),
}


def _taken(path: Path, tmp_path: Path) -> tuple[list[Any], list[tuple[int, str]]]:
    kept = tmp_path / "rejected.jsonl"
    accounts, listens = _read(path.name.split("-")[0], path, LATEST, kept)
    rejected = [json.loads(line) for line in kept.read_text().splitlines()]
    lines = sum(each.lines for each in accounts.values())
    assert lines == len(listens) + len(rejected), "every entry is one or the other"
    reasons = sum((Counter(each.reasons) for each in accounts.values()), Counter[str]())
    assert reasons.total() == len(rejected)
    found = [(when(each.played_at)[11:], (each.artist, each.title)) for each in listens]
    return found, [(row["line"], row["reason"]) for row in rejected]


@pytest.mark.parametrize("name", READ)
def test_read_right_and_the_rest_refused_with_its_line(name: str, tmp_path: Path) -> None:
    listens, refused = READ[name]
    found, rejected = _taken(FILES / name, tmp_path)
    assert found == listens
    assert [line for line, _ in rejected] == [line for line, _ in refused]
    for (_, reason), (_, words) in zip(rejected, refused, strict=True):
        assert reason.startswith(words)


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused_with_what_to_do(name: str, tmp_path: Path) -> None:
    reason, todo = REFUSED[name]
    with pytest.raises(WorkshopError) as error:
        _taken(FILES / name, tmp_path)
    assert reason in error.value.message and todo in error.value.todo
    assert error.value.message.startswith(name) or name in error.value.message


def test_a_file_of_something_else_says_of_each_entry_that_it_is_none(tmp_path: Path) -> None:
    found, rejected = _taken(FILES / "spotify-no-history.json", tmp_path)
    assert found == [] and rejected == [(1, "no entry of streaming history of Spotify")]


def test_a_zip_that_was_opened_is_read_from_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "spotify-my export"
    shutil.unpack_archive(FILES / "spotify-zipped-again-on-a-mac.zip", folder)
    assert _taken(folder, tmp_path) == _taken(FILES / "spotify-zipped-again-on-a-mac.zip", tmp_path)


def test_the_files_of_all_cases_are_there_and_no_other() -> None:
    assert {each.name for each in FILES.iterdir()} == {*READ, *REFUSED, "spotify-no-history.json"}
