"""Your own listening: exports after the services' public documentation, made for these tests."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from workshop_lib.cli import app
from workshop_lib.errors import WorkshopError
from workshop_lib.schema.play import MalformedPlay, Play, from_json, parse, to_json, to_line, when
from workshop_lib.world.describe import describe
from workshop_lib.world.generate import this_minute
from workshop_lib.world.import_ import import_
from workshop_lib.world.ledger import interest_hits
from workshop_lib.world.own_world import import_listening
from workshop_lib.world.plays import DAY
from workshop_lib.world.read import load_customers, load_tracks

FILES = Path(__file__).parents[1] / "files" / "listening"
NOW = datetime(2025, 1, 1, tzinfo=UTC)
#: The listener's id: behind those that plays of unknown customers have.
YOU = 2020


@pytest.fixture(scope="module")
def spotify(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    folder = tmp_path_factory.mktemp("own") / "world"
    report = import_listening("spotify", FILES / "my_spotify_data.zip", folder, days=3, now=NOW)
    return report, folder


def _yours(folder: Path) -> list[tuple[str, str, str]]:
    """(time, artist, title) of the listener's plays, in the order of the file."""
    tracks = load_tracks(folder).set_index("track_id")
    plays = pd.read_parquet(folder / "ledger.parquet").query(f"customer_id == {YOU}")
    return [
        (
            when(int(p.played_at)),
            tracks["artist"][int(p.track_id)],
            tracks["title"][int(p.track_id)],
        )
        for p in plays.itertuples()
    ]


def test_plays_start_when_the_stream_began_and_keep_artist_and_title(
    spotify: tuple[dict[str, Any], Path],
) -> None:
    report, folder = spotify
    # ts says when a stream ended: its length is taken off.
    assert _yours(folder) == [
        ("2024-03-02 11:00:00", "아이유", "좋은 날"),
        ("2024-03-02 11:06:59.500", "NewJeans", "Ditto"),
        ("2024-03-02 11:11:00", "NewJeans", "Ditto"),
        ("2024-03-02 11:17:00", "NewJeans", "Ditto"),
        ("2024-03-03 09:59:59", "V", "Video"),  # a music video is a play of its track, too
    ]
    found = report["listening"]
    assert (found["customer_id"], found["plays"], found["tracks"]) == (YOU, 5, 3)
    assert (found["interests"], found["older"]) == (1, 1)  # the song of 2019


def test_every_entry_is_accounted_for_with_its_reason(
    spotify: tuple[dict[str, Any], Path],
) -> None:
    report, folder = spotify
    files = report["files"]
    assert list(files) == [
        "Streaming_History_Audio_2019_0.json",
        "Streaming_History_Audio_2024_1.json",
        "Streaming_History_Video_2024.json",
    ]
    assert all(f["lines"] == f["accepted"] + f["rejected"] for f in files.values())
    reasons = files["Streaming_History_Audio_2024_1.json"]["reasons"]
    assert reasons == dict.fromkeys(
        (
            "the same listen again",
            "not played",
            "no track",
            "a date of 1970, as of a clock that was not set",
            "ms_played is no whole number",
            "date is wrong",
        ),
        1,
    )
    kept = [json.loads(line) for line in (folder / "rejected.jsonl").read_text().splitlines()]
    assert [row["line"] for row in kept] == [5, 6, 7, 8, 9, 10]
    # Nothing of the export but what is used: no address, no country, no device.
    assert "203.0.113" not in "".join(p.read_text("utf-8", "replace") for p in folder.iterdir())


def test_device_place_age_and_gender_are_unknown(spotify: tuple[dict[str, Any], Path]) -> None:
    _, folder = spotify
    lines = [line for line in (folder / "tracks.csv").read_bytes().split(b"\n")
             if line.split(b",")[1:2] == [b"%d" % YOU]]  # fmt: skip
    assert len(lines) == 5
    for line in lines:
        play = parse(line)
        assert (play.is_mobile, play.zip) == (None, "")
        assert to_line(play) == line and from_json(to_json(play)) == play
    you = load_customers(folder).set_index("customer_id").loc[YOU]
    assert (you["gender"], you["level"], you["status"]) == (-1, 0, 1)
    assert pd.isna(you["birth_year"]) and you["zip"] == ""


def test_the_ledger_counts_you_among_the_others(spotify: tuple[dict[str, Any], Path]) -> None:
    report, folder = spotify
    rows = pd.read_parquet(folder / "ledger.parquet")
    lines = (folder / "tracks.csv").read_bytes().split(b"\n")[:-1]
    assert len(lines) == len(rows) == report["lines"]
    assert rows["line"].tolist() == list(range(1, len(rows) + 1))
    for line, row in zip(lines, rows.itertuples(index=False), strict=True):
        try:
            play = parse(line, latest=int(NOW.timestamp()) * 1000)
        except MalformedPlay:
            assert row.kind == "malformed"
        else:
            assert (play.event_id, play.played_at) == (row.event_id, row.played_at)
    # Yours are in time, and so is everybody who was before.
    read = rows[rows["kind"] != "malformed"]
    behind = read["played_at"].cummax() - read["played_at"]
    assert (behind[read["kind"] == "play"] == 0).all()
    assert read["played_at"].max() - read["played_at"].min() <= 3 * DAY
    once = read.drop_duplicates("event_id")
    assert report["distinct_plays"] == len(once)
    assert report["interests"]["hits"] == len(interest_hits(once))
    assert report["kinds"] == {k: n for k, n in Counter(rows["kind"]).items()} | {
        k: 0 for k in report["kinds"] if k not in set(rows["kind"])
    }
    for name in ("device", "gender", "age_band"):
        assert sum(report["totals"][name].values()) == len(once)
    assert report["totals"]["device"]["unknown"] == 5
    assert describe(folder)["totals"]["device"]["unknown"] == 5


def test_a_world_with_you_in_it_can_be_imported_again(
    spotify: tuple[dict[str, Any], Path], tmp_path: Path
) -> None:
    _, folder = spotify
    report = import_(folder, tmp_path / "world", now=NOW)
    assert report["files"]["cust.csv"]["rejected"] == report["files"]["music.csv"]["rejected"] == 0
    assert _yours(tmp_path / "world") == _yours(folder)


LASTFM = [
    ("2024-03-01 09:30:00", "아이유", "좋은 날"),
    ("2024-03-02 10:50:00", "NewJeans", "Ditto"),
    ("2024-03-02 11:00:00", "NewJeans", "Ditto"),
]
DITTO = [(f"2024-03-02 {time}:00", "NewJeans", "Ditto") for time in ("10:40", "10:50", "11:00")]


@pytest.mark.parametrize(
    ("kind", "name", "plays", "refused"),
    [
        (
            "lastfm",
            "lastfm-with-header.csv",
            [("2024-03-01 11:00:00", 'A "B", C', "Comma, Song"), *LASTFM[1:]],
            {"a date of 1970, as of a clock that was not set", "no date"},
        ),
        (
            "lastfm",
            "lastfm-without-header.csv",
            LASTFM,
            {"a date of 1970, as of a clock that was not set"},
        ),
        (
            "listenbrainz",
            "listenbrainz.jsonl",
            DITTO,
            {"a date of 1970, as of a clock that was not set", "no artist or no title"},
        ),
        (
            "listenbrainz",
            "listenbrainz.zip",
            DITTO,
            {"a date of 1970, as of a clock that was not set", "no artist or no title"},
        ),
        (
            "spotify",
            "StreamingHistory_music_0.json",
            [("2024-03-02 11:00:00", "아이유", "좋은 날")],
            set(),
        ),
    ],
)
def test_the_other_exports(
    tmp_path: Path, kind: str, name: str, plays: list[Any], refused: set[str]
) -> None:
    report = import_listening(kind, FILES / name, tmp_path / "world", days=3, now=NOW)
    assert _yours(tmp_path / "world") == plays
    assert {reason for f in report["files"].values() for reason in f["reasons"]} == refused


def test_a_known_length_is_kept_and_an_unknown_one_stays_unknown(tmp_path: Path) -> None:
    world = tmp_path / "world"
    import_listening("listenbrainz", FILES / "listenbrainz.jsonl", world, days=3, now=NOW)
    assert load_tracks(world)["length_seconds"].iloc[-1] == 185
    import_listening("lastfm", FILES / "lastfm-with-header.csv", world, days=3, now=NOW)
    assert load_tracks(world)["length_seconds"].iloc[-1] == 0


def test_the_evening_is_the_evening_where_you_listen(tmp_path: Path) -> None:
    command = ["data", "import", "--from", "lastfm", str(FILES / "lastfm-without-header.csv")]
    folder = ["--folder", str(tmp_path / "world"), "--days", "4"]
    result = CliRunner().invoke(app, [*command, *folder, "--timezone", "Asia/Seoul"])
    assert result.exit_code == 0, result.output
    assert [time for time, *_ in _yours(tmp_path / "world")] == [
        "2024-03-01 18:30:00",
        "2024-03-02 19:50:00",
        "2024-03-02 20:00:00",
    ]
    assert f"workshop trace {YOU}" in result.output.replace("\n", " ")
    wrong = CliRunner().invoke(app, [*command, *folder, "--force", "--timezone", "Mars"])
    assert isinstance(wrong.exception, WorkshopError) and "Mars" in wrong.exception.message


@pytest.mark.parametrize(("zone", "hours"), [("Asia/Seoul", [18, 19, 20]), ("UTC", [9, 10, 11])])
def test_after_the_replay_the_evening_is_the_evening_by_the_same_clocks(
    tmp_path: Path, zone: str, hours: list[int]
) -> None:
    now = datetime(2025, 1, 1, 3, 17, 40, tzinfo=UTC)
    path, folder = FILES / "lastfm-without-header.csv", tmp_path / "world"
    report = import_listening("lastfm", path, folder, days=4, timezone=zone, now=now)
    end = datetime.fromisoformat(report["parameters"]["until"])
    plays = pd.read_parquet(folder / "ledger.parquet").query(f"customer_id == {YOU}")
    moved = pd.to_datetime(plays["played_at"].astype("int64"), unit="ms", utc=True) + (now - end)
    assert moved.dt.tz_convert(zone).dt.hour.tolist() == hours


def test_a_world_until_now_ends_by_the_clocks_of_the_zone() -> None:
    noon = datetime(2026, 7, 1, 12, 0, 59, tzinfo=UTC)
    assert this_minute("Asia/Seoul", noon) == datetime(2026, 7, 1, 21, 0, tzinfo=UTC)
    assert this_minute("America/New_York", noon) == datetime(2026, 7, 1, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "content", "words"),
    [
        ("spotify", b"[]", "No entry of export can be taken: none"),
        ("spotify", b"<html>", "is no JSON of streaming history of Spotify"),
        ("listenbrainz", b'{"listened_at": 0}', "a date of 1970|no artist"),
        ("lastfm", b"a,b,c,yesterday\n", "date is wrong: 'yesterday' is no date"),
        ("spotify", (FILES / "listenbrainz.zip").read_bytes(), "has no streaming history"),
    ],
)
def test_what_is_no_export_is_refused_and_the_old_world_stays(
    tmp_path: Path, kind: str, content: bytes, words: str
) -> None:
    (tmp_path / "export").write_bytes(content)
    (tmp_path / "world").mkdir()
    (tmp_path / "world" / "tracks.csv").write_text("old\n")
    with pytest.raises(WorkshopError, match=words):
        import_listening(kind, tmp_path / "export", tmp_path / "world", days=3, now=NOW)
    assert [p.name for p in (tmp_path / "world").iterdir()] == ["tracks.csv"]


@pytest.mark.parametrize(("flag", "value"), [("0", False), ("1", True), ("", None)])
def test_the_grammar_of_the_play_knows_an_unknown_device(flag: str, value: bool | None) -> None:
    line = f'1,2,3,"2026-01-31 12:00:00",{flag},""'.encode()
    assert parse(line) == Play(1, 2, 3, 1_769_860_800_000, value, "")
    assert to_line(parse(line)) == line
