"""Files as people have them, under tests/files/import: each is read right, or refused with why.

A folder holds the files that differ; the others are the plain ones of ``test_world_import``.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from test_world_import import NOW, ORIGINAL

from workshop_lib.errors import WorkshopError
from workshop_lib.schema.play import parse, when
from workshop_lib.world.import_ import import_
from workshop_lib.world.read import load_clicks, load_customers, load_tracks

FILES = Path(__file__).parents[1] / "files" / "import"
#: The two plays of most files: event, customer, track, time, mobile, zip.
TWO = [
    (0, 0, 1, "2014-10-22 03:26:20", True, "02132"),
    (1, 1, 2, "2014-10-23 03:26:20", False, "72132"),
]


def at(first: str, second: str) -> list[Any]:
    return [(*TWO[0][:3], first, *TWO[0][4:]), (*TWO[1][:3], second, *TWO[1][4:])]


def zips(first: str, second: str) -> list[Any]:
    return [(*TWO[0][:5], first), (*TWO[1][:5], second)]


#: Folder → plays, and words of the note that says so.
READ: dict[str, tuple[list[Any], str]] = {
    "header-in-another-order": (TWO, "columns by the header's names: event_id, track_id, cust"),
    "iso-dates": (at("2014-10-22 03:26:20", "2014-10-23 03:26:20.500"), "ISO 8601"),
    "epoch-seconds": (TWO, "seconds since 1970"),
    "epoch-milliseconds": (at("2014-10-22 03:26:20.250", TWO[1][3]), "milliseconds since 1970"),
    "excel-dates": (at("2014-10-09 03:26:00", "2014-10-23 03:26:00"), "month/day/year"),
    "excel-dates-day-first": (at("2014-10-09 03:26:00", "2014-10-23 03:26:00"), "day/month/year"),
    "excel-dates-of-korea": (at("2014-10-22 03:26:00", "2014-10-23 15:26:20"), "ISO 8601"),
    "ids-with-a-decimal-point": (TWO, "a number with a decimal point"),
    "index-column": (
        [(i, i % 2, 1, f"2014-10-22 03:26:2{i}", True, "02132") for i in range(3)],
        "the first column counts the lines: left out",
    ),
    "index-column-with-a-header": (TWO, "columns left out: (no name)"),
    "semicolons": (TWO, "separated by semicolons"),
    "tabs": (TWO, "separated by tabs"),
    "true-and-false": (TWO, "a name, taken as its code"),
    "utf-16": (TWO, "read as UTF-16"),
    "utf-16-without-a-mark": (TWO, "read as UTF-16"),
    "zips-without-leading-zero": (zips("02132", "00501"), "a leading zero was missing"),
    "zip-plus-4": (zips("01730", "72132"), "ZIP+4"),
    "zips-as-text-of-excel": (TWO, "text by a sign of Excel"),
    "other-names-of-columns": (TWO, ""),
    "header-again": (TWO, ""),
    "device-in-words": (TWO, "a name, taken as its code"),
    "yes-and-no": (TWO, "a name, taken as its code"),
    "excel-sep-line": (TWO, "Excel's line sep= left out"),
}
#: Folder → the file that is refused, words of the reason with a sample, words of what to do.
REFUSED: dict[str, tuple[str, str, str]] = {
    "header-contradicts-the-data": (
        "tracks.csv",
        "header contradicts the data: line 2: played_at is wrong: '1' is no date",
        "YYYY-MM-DD",
    ),
    "header-of-too-few-columns": ("tracks.csv", "the header has no zip", "data/README.md"),
    "header-without-a-column": ("cust.csv", "the header has no Level", "data/README.md"),
    "header-names-a-column-twice": ("cust.csv", "the header names Level twice", "data/README.md"),
    "ids-exchanged": (
        "tracks.csv",
        "24 of 24 plays have a customer or track that no file has, and 0 if",
        "data/README.md",
    ),
    "dates-of-two-meanings": (
        "tracks.csv",
        "line 1: played_at is wrong: '03/04/2014 3:26' is no date and time: day/month or",
        "YYYY-MM-DD",
    ),
    "dates-in-two-orders": ("tracks.csv", "dates are in two orders", "YYYY-MM-DD"),
    "excel-serial-dates": ("tracks.csv", "'41934.1433' is no date and time but a number", "YYYY"),
    "latin-1": (
        "music.csv",
        "line 2: not UTF-8: byte 7, near b'0,Canci\\xf3n",
        "iconv -f WINDOWS-1252 -t UTF-8",
    ),
    "gzip": ("tracks.csv", "it is compressed by gzip: unpack it with gunzip", "as CSV"),
    "workbook": ("tracks.csv", "a workbook of Excel: unpack it, or save it as CSV", "as CSV"),
    "web-page": ("tracks.csv", "it is a web page, not CSV: it begins with b'<!DOC", "as CSV"),
    "lines-of-an-old-mac": ("tracks.csv", "line 1: control character '\\r'", "tr '\\r' '\\n'"),
}


def _import(tmp_path: Path, case: str) -> tuple[dict[str, Any], Path]:
    source = tmp_path / "from"
    source.mkdir()
    for name, text in ORIGINAL.items():
        (source / name).write_text(text)
    shutil.copytree(FILES / case, source, dirs_exist_ok=True)
    return import_(source, tmp_path / "world", now=NOW), tmp_path / "world"


def _said(report: dict[str, Any]) -> str:
    files = report["files"].values()
    return "\n".join([note for f in files for note in (*f["notes"], *f["read_as"])])


@pytest.mark.parametrize("case", READ)
def test_read_right_and_said(tmp_path: Path, case: str) -> None:
    report, world = _import(tmp_path, case)
    plays, note = READ[case]
    written = [parse(line) for line in (world / "tracks.csv").read_bytes().splitlines()]
    assert [(p[0], p[1], p[2], when(p[3]), p[4], p[5]) for p in written] == plays
    assert note in _said(report)
    assert all(f["rejected"] == 0 for f in report["files"].values())


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_the_reason_a_sample_and_what_to_do(tmp_path: Path, case: str) -> None:
    name, reason, todo = REFUSED[case]
    with pytest.raises(WorkshopError) as refused:
        _import(tmp_path, case)
    assert refused.value.message.startswith(f"No line of {name} can be taken: ")
    assert reason in refused.value.message and todo in refused.value.todo
    assert not (tmp_path / "world").exists()
    kept = (tmp_path / "world-rejected.jsonl").read_text().splitlines()
    assert str(tmp_path / "world-rejected.jsonl") in refused.value.todo
    if case != "ids-exchanged":  # there each line for itself is in order
        assert {json.loads(line)["file"] for line in kept} == {name}


def test_a_header_of_customers_is_honoured_whatever_letters_it_has(tmp_path: Path) -> None:
    report, world = _import(tmp_path, "header-with-a-digit")
    customers = load_customers(world)
    assert customers["level"].tolist() == [2, 0] and customers["status"].tolist() == [1, 0]
    assert "CustID, Level, Name, Gender, Address, zip" in _said(report)


def test_a_header_of_tracks_in_another_order(tmp_path: Path) -> None:
    _, world = _import(tmp_path, "header-of-tracks-in-another-order")
    assert load_tracks(world).to_numpy().tolist() == [
        [0, "Hello", "One", 240],
        [1, "Bye", "Two", 200],
    ]


def test_clicks_in_another_order_with_semicolons_and_zones(tmp_path: Path) -> None:
    _, world = _import(tmp_path, "clicks-in-another-order")
    (click,) = load_clicks(world).itertuples(index=False)
    assert (click.customer_id, click.ad) == (1, "ADV_REDUCED_1DAY")
    assert click.clicked_at.isoformat() == "2014-10-25T10:00:00+00:00"


def test_korean_windows_is_read(tmp_path: Path) -> None:
    report, world = _import(tmp_path, "cp949")
    assert load_tracks(world)["title"].tolist() == ["좋은 날", "봄날", "Ditto"]
    assert "read as CP949" in _said(report)


def test_one_line_in_another_encoding_is_refused_and_the_rest_is_taken(tmp_path: Path) -> None:
    report, world = _import(tmp_path, "latin-1-in-one-line")
    assert load_tracks(world)["title"].tolist() == ["Plain"]
    (example,) = report["files"]["music.csv"]["examples"].values()
    assert example == r"line 3: not UTF-8: byte 2, near b'1,\xdcber,J\xfcrge'"


def test_a_number_in_short_form_has_lost_digits_and_is_refused(tmp_path: Path) -> None:
    report, world = _import(tmp_path, "ids-in-short-form")
    assert len((world / "tracks.csv").read_bytes().splitlines()) == 1
    assert report["files"]["tracks.csv"]["examples"]["event_id is wrong"].startswith(
        "line 1: event_id is wrong: '1.00E+09'"
    )


def test_customers_find_their_place_without_the_leading_zero(tmp_path: Path) -> None:
    _, world = _import(tmp_path, "zips-without-leading-zero")
    assert load_customers(world)["zip"].tolist() == ["01730", "72132"]


#: Folder → file, plays or rows that are taken, reasons of the others with a sample.
IN_PART: dict[str, tuple[str, int, list[str]]] = {
    "zones-in-words": (
        "tracks.csv",
        3,
        ["line 3: played_at is wrong: '2014-10-22 03:26:22 KST' is no date and time ('KST' is"],
    ),
    "thousands-with-commas": ("tracks.csv", 1, ["line 2: event_id is wrong: '1,000'"]),
    "null-and-nan": ("tracks.csv", 2, ["line 4: customer_id is wrong: ''"]),
    "decimal-commas": ("music.csv", 2, ["line 2: Length is wrong: '240,5' is no whole number"]),
    "title-of-two-lines": (
        "music.csv",
        1,
        [
            "line 2: not CSV: unexpected end of data: '0,\"A'",
            "line 3: number of columns: 3 instead of 4: 'B\",B,240'",
        ],
    ),
}


@pytest.mark.parametrize("case", IN_PART)
def test_what_can_be_read_is_taken_and_the_rest_refused_with_line_and_sample(
    tmp_path: Path, case: str
) -> None:
    name, accepted, reasons = IN_PART[case]
    report, _ = _import(tmp_path, case)
    found = report["files"][name]
    assert found["accepted"] == accepted
    examples = list(found["examples"].values())
    assert len(examples) == len(reasons)
    for example, reason in zip(examples, reasons, strict=True):
        assert example.startswith(reason)


def test_words_of_databases_for_nothing_are_unknown(tmp_path: Path) -> None:
    report, world = _import(tmp_path, "null-and-nan")
    plays = [parse(line) for line in (world / "tracks.csv").read_bytes().splitlines()]
    assert [(play.is_mobile, play.zip) for play in plays] == [(None, ""), (None, "")]
    assert "taken as unknown" in _said(report)


def test_names_of_genders_levels_and_campaigns_are_their_codes(tmp_path: Path) -> None:
    _, world = _import(tmp_path, "names-for-codes")
    customers = load_customers(world)[["gender", "status", "level", "campaign"]]
    assert customers.to_numpy().tolist() == [[0, 1, 1, 0], [1, 0, 2, 4]]


def test_lengths_in_minutes_and_seconds(tmp_path: Path) -> None:
    _, world = _import(tmp_path, "lengths-in-minutes")
    assert load_tracks(world)["length_seconds"].tolist() == [240, 295]


def test_a_file_of_another_name_is_named(tmp_path: Path) -> None:
    (tmp_path / "from").mkdir()
    (tmp_path / "from" / "Tracks.CSV").write_text("")
    with pytest.raises(WorkshopError, match=r"no tracks.csv, cust.csv; it has Tracks\.CSV"):
        import_(tmp_path / "from", tmp_path / "world", now=NOW)


def test_every_folder_of_files_is_a_case_of_some_test() -> None:
    tested = Path(__file__).read_text(encoding="utf-8")
    missing = [f.name for f in FILES.iterdir() if f.is_dir() and f'"{f.name}"' not in tested]
    assert missing == []


def test_what_matches_nothing_is_counted_with_an_example(tmp_path: Path) -> None:
    report, _ = _import(tmp_path, "zips-of-no-state")
    assert report["unmatched"]["zips"] == {"plays": 3, "example": "99999"}
    assert report["unmatched"]["customers"] == {"plays": 0, "example": None}
