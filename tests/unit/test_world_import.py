"""Taking in files that others made: every line is accounted for, nothing vanishes."""

from __future__ import annotations

import base64
import json
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from workshop_lib.errors import WorkshopError
from workshop_lib.schema.play import parse
from workshop_lib.world.import_ import import_
from workshop_lib.world.read import load_clicks, load_customers, load_tracks

NOW = datetime(2020, 1, 1, tzinfo=UTC)
CUSTOMERS = """\
CustID,Name,Gender,Address,zip,SignDate,Status,Level,Campaign,LinkedWithApps
0,"Gregory Koval","0","13004 Easy Cider Park","02132","06/04/2013","1","1","1","1"
1,"Ann ""Annie"" O'Neil","1","1, Main Street","72132","06/04/2013","0","2","4","0"
"""
TRACKS = """\
TrackId,Title,Artist,Length
0,"Hello, Goodbye","One, Two",240
1,"What"s Up","4 Non Blondes",295
2,Plain Title,Plain Artist,"100"
"""
PLAYS = """\
1,0,2,"2014-10-23 03:26:20",0,"02132"
0,1,1,"2014-10-22 03:26:20",1,"72132"
2,0,0,"2014-10-24 03:26:20",0,""
"""
CLICKS = """\
EventID,CustID,AdClicked,Localtime
0,1,ADV_REDUCED_1DAY,2014-10-25 10:00:00
1,"0","ADV_FREE_REFERRAL","10/26/2014 09:08:07"
"""
ORIGINAL = {
    "cust.csv": CUSTOMERS, "music.csv": TRACKS, "tracks.csv": PLAYS, "clicks.csv": CLICKS
}  # fmt: skip


def _files(folder: Path, **changed: str | bytes | None) -> Path:
    """The original files, with ``name="content"`` in place of ``name.csv``; None: without it."""
    folder.mkdir(exist_ok=True)
    for name, text in (ORIGINAL | {f"{k}.csv": v for k, v in changed.items()}).items():
        if text is not None:
            (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def _take(tmp_path: Path, **changed: str | bytes | None) -> tuple[dict[str, Any], Path]:
    world = tmp_path / "world"
    return import_(_files(tmp_path / "from", **changed), world, now=NOW), world


def _rejected(world: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (world / "rejected.jsonl").read_text().splitlines()]


def _conserved(report: dict[str, Any]) -> bool:
    return all(
        f["lines"] == f["accepted"] + f["rejected"] + f["header"] + f["blank"]
        and f["rejected"] == sum(f["reasons"].values())
        for f in report["files"].values()
    )


def test_the_original_files_are_taken_whole(tmp_path: Path) -> None:
    report, world = _take(tmp_path)

    assert _conserved(report) and _rejected(world) == []
    assert [(f["accepted"], f["header"]) for f in report["files"].values()] == [
        (2, 1), (3, 1), (2, 1), (3, 0)
    ]  # fmt: skip
    customers = load_customers(world)
    assert customers["customer_id"].tolist() == [0, 1]
    assert customers["zip"].tolist() == ["02132", "72132"]  # leading zero
    assert customers["birth_year"].isna().all()
    assert customers.loc[1, ["gender", "level", "status", "campaign"]].tolist() == [1, 2, 0, 4]
    tracks = load_tracks(world)
    assert tracks["title"].tolist() == ["Hello, Goodbye", 'What"s Up', "Plain Title"]
    assert tracks["artist"].tolist() == ["One, Two", "4 Non Blondes", "Plain Artist"]
    assert report["files"]["music.csv"]["mended"] == 1
    clicks = load_clicks(world)
    assert clicks["clicked_at"].dt.strftime("%d %H:%M:%S").tolist() == [
        "25 10:00:00",
        "26 09:08:07",
    ]


def test_plays_are_sorted_and_the_report_says_how_many_were_not(tmp_path: Path) -> None:
    report, world = _take(tmp_path)

    written = (world / "tracks.csv").read_bytes().splitlines()
    assert [parse(line).event_id for line in written] == [0, 1, 2]
    assert report["out_of_order"] == 1
    ledger = pd.read_parquet(world / "ledger.parquet")
    assert ledger["line"].tolist() == [1, 2, 3] and set(ledger["kind"]) == {"play"}
    for line, row in zip(written, ledger.itertuples(index=False), strict=True):
        assert tuple(parse(line)) == (
            row.event_id, row.customer_id, row.track_id, row.played_at, row.is_mobile, row.zip
        )  # fmt: skip


def _headerless(text: str) -> str:
    return text.split("\n", 1)[1]


@pytest.mark.parametrize(
    "changed",
    [
        {
            "cust": _headerless(CUSTOMERS),
            "music": _headerless(TRACKS),
            "clicks": _headerless(CLICKS),
        },
        {"tracks": "EventID,CustID,TrackID,Datetime,Mobile,Zip\n" + PLAYS},
        {name[:-4]: "\ufeff" + text for name, text in ORIGINAL.items()},
        {name[:-4]: text.replace("\n", "\r\n") for name, text in ORIGINAL.items()},
        {name[:-4]: text.rstrip("\n") for name, text in ORIGINAL.items()},
        {name[:-4]: text.replace("\n", "\n\n") + "  \n" for name, text in ORIGINAL.items()},
        {"cust": CUSTOMERS.replace("CustID,Name", '"custid", "NAME"')},
        {"tracks": "".join(reversed(PLAYS.splitlines(keepends=True)))},
        {"music": TRACKS.replace('"', "").replace("Hello, ", '"Hello, ').replace(
            "Goodbye,", 'Goodbye",').replace("One, Two", '"One, Two"').replace("Whats", 'What"s')},
    ],
    ids=["no headers", "header on plays", "BOM", "CRLF", "no last newline", "blank lines",
         "header in other letters", "plays backwards", "quotes only where needed"],
)  # fmt: skip
def test_variants_of_the_same_files_make_the_same_world(
    tmp_path: Path, changed: dict[str, str]
) -> None:
    _, plain = _take(tmp_path)
    report = import_(_files(tmp_path / "variant", **changed), tmp_path / "other", now=NOW)

    assert _conserved(report)
    for name in (*ORIGINAL, "ledger.parquet", "rejected.jsonl"):
        assert (tmp_path / "other" / name).read_bytes() == (plain / name).read_bytes(), name


def test_a_birth_year_is_read_where_there_is_one(tmp_path: Path) -> None:
    header, first, second = CUSTOMERS.splitlines()
    text = "\n".join([header + ",BirthYear", first + ',"1984"', second + ',""', ""])
    _, world = _take(tmp_path, cust=text)
    years = load_customers(world)["birth_year"]
    assert years[0] == 1984 and pd.isna(years[1])
    # Without a header the eleventh column is it, and each line may have it or not.
    _, world = _take(tmp_path, cust=first + ',"1984"\n' + second + "\n")
    assert load_customers(world)["birth_year"][0] == 1984


def test_columns_are_found_by_name_in_any_order(tmp_path: Path) -> None:
    text = "Artist,Length,Shoe size,TrackId,Title\nA,10,42,7,T\n"
    _, world = _take(tmp_path, music=text)
    assert load_tracks(world).loc[0].tolist() == [7, "T", "A", 10]


@pytest.mark.parametrize(
    ("name", "line", "reason"),
    [
        ("cust", '2,"N","2","A","1","d","1","1","1","1"', "Gender is wrong"),
        ("cust", '2,"N","1","A","1","d","1","3","1","1"', "Level is wrong"),
        ("cust", '-2,"N","1","A","1","d","1","1","1","1"', "CustID is wrong"),
        ("cust", '1,"N","1","A","1","d","1","1","1","1"', "CustID twice: 1 was on line 3"),
        ("cust", '2,"N","1","A","oops","d","1","1","1","1"', "zip is wrong"),
        ("cust", "2,N", "number of columns: 2"),
        ("music", '3,"No end,"A",100', "not CSV"),
        ("music", '3,"T","A",0', "Length is wrong"),
        ("music", '3,"T\x00","A",10', "control character"),
        ("music", "x,T,A,10", "TrackId is wrong"),
        ("clicks", "2,1,ADV_OTHER,2014-10-25 10:00:00", "AdClicked is wrong"),
        ("clicks", "2,1,ADV_FREE_REFERRAL,2014-10-32 10:00:00", "Localtime is wrong"),
        ("tracks", '3,0,2,"2014-13-23 03:26:20",0,"1"', "played_at is no date"),
        ("tracks", '3,0,2,"2099-10-23 03:26:20",0,"1"', "played_at is in the future"),
        ("tracks", '2,0,2,"2014-10-24 03:26:20",0,"1"', "event_id of another play: line 3"),
    ],
)
def test_a_bad_line_is_kept_aside_with_its_reason_and_the_rest_is_taken(
    tmp_path: Path, name: str, line: str, reason: str
) -> None:
    good = ORIGINAL[f"{name}.csv"]
    report, world = _take(tmp_path, **{name: good + line + "\n"})

    assert _conserved(report)
    (refused,) = _rejected(world)
    assert refused["reason"].startswith(reason), refused
    assert (refused["file"], refused["raw"]) == (f"{name}.csv", line)
    assert refused["line"] == good.count("\n") + 1
    _, plain = _take(tmp_path)
    assert (world / f"{name}.csv").read_bytes() == (plain / f"{name}.csv").read_bytes()


def test_bytes_that_are_no_text_are_kept_as_they_were(tmp_path: Path) -> None:
    line = b'3,0,2,"2014-10-23 03:26:20",0,"\xff\xfe"'
    _, world = _take(tmp_path, tracks=PLAYS.encode() + line + b"\n")
    (refused,) = _rejected(world)
    assert base64.b64decode(refused["raw_base64"]) == line


def test_the_same_play_again_is_a_duplicate(tmp_path: Path) -> None:
    report, world = _take(tmp_path, tracks=PLAYS + PLAYS.splitlines()[0] + "\n")
    assert report["kinds"]["duplicate"] == 1 and report["distinct_plays"] == 3
    ledger = pd.read_parquet(world / "ledger.parquet")
    assert ledger["kind"].tolist() == ["play", "play", "duplicate", "play"]


def test_clicks_and_tracks_may_be_missing_and_the_others_may_not(tmp_path: Path) -> None:
    """The original demo has no music.csv; only the one that it was made from has."""
    report, world = _take(tmp_path, clicks=None, music=None)
    assert load_clicks(world).empty and load_tracks(world).empty
    assert report["missing"] == ["music.csv", "clicks.csv"]
    assert report["unmatched"]["tracks"]["plays"] == 3
    assert len(load_customers(world)) == 2
    (tmp_path / "from" / "cust.csv").unlink()
    before = {f.name: f.read_bytes() for f in world.iterdir()}
    with pytest.raises(WorkshopError, match=r"cust\.csv"):
        import_(tmp_path / "from", world, now=NOW)
    assert {f.name: f.read_bytes() for f in world.iterdir()} == before


def test_a_file_of_which_nothing_can_be_taken_is_an_error_and_the_old_world_stays(
    tmp_path: Path,
) -> None:
    _, world = _take(tmp_path)
    before = {f.name: f.read_bytes() for f in world.iterdir()}
    with pytest.raises(WorkshopError, match="number of columns"):
        import_(_files(tmp_path / "bad", music="1,2\n"), world, now=NOW)
    assert {f.name: f.read_bytes() for f in world.iterdir()} == before
    # Nothing but the refused lines is left, and a file that can be taken removes them.
    kept = tmp_path / "world-rejected.jsonl"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad", "from", "world", kept.name]
    (refused,) = [json.loads(line) for line in kept.read_text().splitlines()]
    assert (refused["file"], refused["line"], refused["raw"]) == ("music.csv", 1, "1,2")
    _take(tmp_path)
    assert not kept.exists()


def test_a_new_world_takes_the_place_of_all_of_the_old_one(tmp_path: Path) -> None:
    world = tmp_path / "world"
    world.mkdir()
    for name in ("ledger_customers.parquet", "made-by-demo"):
        (world / name).write_text("of the old world")
    (world / "notes.txt").write_text("somebody's own")
    _take(tmp_path)
    assert sorted(f.name for f in world.iterdir()) == [
        "clicks.csv", "cust.csv", "ledger.json", "ledger.parquet", "music.csv", "notes.txt",
        "rejected.jsonl", "tracks.csv",
    ]  # fmt: skip


def test_hostile_lines_are_each_taken_or_refused_and_none_vanishes(tmp_path: Path) -> None:
    """Thousands of lines with bytes put in, taken out and swapped, in all four files."""
    draw = random.Random(5)
    odd = [
        b"\0",
        b'"',
        b",",
        b"\xff",
        b"\xef\xbb\xbf",
        b"\r",
        b"'",
        "é".encode(),
        b"9" * 300,
        b"\t",
    ]
    changed: dict[str, str | bytes | None] = {}
    for name, text in ORIGINAL.items():
        good = text.encode().splitlines()[1:]
        lines = text.encode().splitlines()
        for number in range(1500):
            line = draw.choice(good).split(b",", 1)
            hurt = bytearray(b"%d,%s" % (number + 10, line[1]))
            for _ in range(draw.randrange(4)):
                at = draw.randrange(len(hurt) + 1)
                hurt[at : at + draw.randrange(3)] = draw.choice(odd)
            lines.append(bytes(hurt))
        lines.append(b"x" * 200_000)
        changed[name[:-4]] = b"\n".join(lines) + b"\n"
    report, world = _take(tmp_path, **changed)

    assert _conserved(report)
    for name, account in report["files"].items():
        content = changed[name[:-4]]
        assert isinstance(content, bytes) and account["lines"] == content.count(b"\n")
        assert account["rejected"] > 100 < account["accepted"], name
    refused = _rejected(world)
    assert len(refused) == sum(f["rejected"] for f in report["files"].values())
    assert all(row["reason"] for row in refused)
    # What was taken can be read again, all of it.
    assert len(load_customers(world)) == report["files"]["cust.csv"]["accepted"]
    assert len(load_tracks(world)) == report["files"]["music.csv"]["accepted"]
    assert len(load_clicks(world)) == report["files"]["clicks.csv"]["accepted"]
    plays = (world / "tracks.csv").read_bytes().splitlines()
    assert len([parse(p) for p in plays]) == report["files"]["tracks.csv"]["accepted"]
