"""The data commands as a learner types them, and the committed sample."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from workshop_lib.cli import app
from workshop_lib.commands.data import parse_until
from workshop_lib.errors import WorkshopError
from workshop_lib.settings import PROJECT
from workshop_lib.world.describe import describe

SAMPLE = PROJECT / "data" / "sample"
SIZES = ["--customers", "200", "--tracks", "150", "--plays", "3000", "--days", "3"]


def _run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["data", *map(str, arguments)])


def test_the_sample_is_what_its_command_makes(tmp_path: Path) -> None:
    result = _run("generate", *SIZES, "--folder", tmp_path / "w", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["lines"] == 3000
    made = {f.name: f.read_bytes() for f in (tmp_path / "w").iterdir()}
    kept = {f.name: f.read_bytes() for f in SAMPLE.iterdir()}
    # Parquet files name the version of the library that wrote them: their rows are compared.
    for name in [name for name in kept if name.endswith(".parquet")]:
        pd.testing.assert_frame_equal(
            pd.read_parquet(tmp_path / "w" / name), pd.read_parquet(SAMPLE / name)
        )
        del made[name], kept[name]
    assert made == kept and len(kept) == 6
    assert sum(f.stat().st_size for f in SAMPLE.iterdir()) < 400_000


def test_a_world_is_replaced_only_when_told_to(tmp_path: Path) -> None:
    assert _run("generate", *SIZES, "--folder", tmp_path / "w").exit_code == 0
    before = (tmp_path / "w" / "tracks.csv").read_bytes()
    again = _run("generate", *SIZES, "--folder", tmp_path / "w", "--seed", "8")
    assert isinstance(again.exception, WorkshopError) and "--force" in again.exception.todo
    assert (tmp_path / "w" / "tracks.csv").read_bytes() == before
    assert _run("import", SAMPLE, "--folder", tmp_path / "w").exit_code == 1
    forced = _run("generate", *SIZES, "--folder", tmp_path / "w", "--seed", "8", "--force")
    assert forced.exit_code == 0
    assert (tmp_path / "w" / "tracks.csv").read_bytes() != before


def test_until_is_a_date_or_now(tmp_path: Path) -> None:
    assert parse_until("2026-03-01") == datetime(2026, 3, 1, tzinfo=UTC)
    assert parse_until("2026-03-01T01:00+01:00") == datetime(2026, 3, 1, tzinfo=UTC)
    now = parse_until("now")
    assert (now.second, now.microsecond) == (0, 0) and now <= datetime.now(UTC)
    wrong = _run("generate", "--until", "soon", "--folder", tmp_path / "w")
    assert wrong.exit_code == 2 and "soon" in wrong.output and not (tmp_path / "w").exists()


def test_describe_counts_what_the_ledger_counted() -> None:
    found = describe(SAMPLE)
    ledger = json.loads((SAMPLE / "ledger.json").read_text())

    assert found["kinds"] == {k: n for k, n in ledger["kinds"].items() if n}
    assert found["interests"]["hits"] == ledger["interests"]["hits"]
    assert sum(found["interests"]["bursts"].values()) == len(ledger["bursts"])
    totals, expected = found["totals"], ledger["totals"]
    assert {str(int(h)): n for h, n in totals["hour"].items()} == expected["hour"]
    for name in ("device", "gender", "level", "age_band"):
        assert totals[name] == {k: n for k, n in expected[name].items() if n}, name
    assert list(totals["state"].items()) == list(expected["state"].items())[:10]
    assert sum(found["malformed"].values()) == ledger["kinds"]["malformed"]
    assert sum(totals["weekday"].values()) == found["plays"]


def test_describe_prints_every_part_and_names_no_customer() -> None:
    shown = _run("describe", "--folder", SAMPLE)
    assert shown.exit_code == 0
    for part in ("plays by hour", "age band", "planted bursts", "ad clicks", "too_late", "█"):
        assert part in shown.output
    name = pd.read_csv(SAMPLE / "cust.csv")["Name"][0]
    assert name not in shown.output
    as_json = json.loads(_run("describe", "--folder", SAMPLE, "--json").stdout)
    assert as_json == describe(SAMPLE)


def test_import_prints_an_account_of_the_sample(tmp_path: Path) -> None:
    """The sample has known faults: what the ledger calls malformed is refused or blank."""
    result = _run("import", SAMPLE, "--folder", tmp_path / "w", "--json")
    assert result.exit_code == 0, result.output
    plays = json.loads(result.stdout)["files"]["tracks.csv"]
    ledger = json.loads((SAMPLE / "ledger.json").read_text())
    malformed = ledger["malformed"]
    assert plays["blank"] == malformed["empty"]
    assert plays["rejected"] == ledger["kinds"]["malformed"] - malformed["empty"]
    assert describe(tmp_path / "w")["interests"]["hits"] == ledger["interests"]["hits"]
    shown = _run("import", SAMPLE, "--folder", tmp_path / "v").output
    assert "tracks.csv" in shown and "rejected.jsonl" in shown


def test_no_world_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(WorkshopError, match="workshop data generate"):
        describe(tmp_path)
