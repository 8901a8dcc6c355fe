"""The report of ``make bench``: wrong results have no number, and what is left out says why."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from workshop_lib.settings import PROJECT

FOLDER = PROJECT / "benchmarks"


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(FOLDER))
    sys.modules.pop("report", None)
    import report

    return report


def part(result: Any) -> dict[str, Any]:
    machine = {
        "processor": "a processor",
        "cores": 2,
        "memory_gib": 8.0,
        "system": "Linux",
        "load_before": 0.1,
    }
    return {"result": result, "machine": machine, "runs": 5, "at": "today", "seconds": 60}


@pytest.fixture
def measured() -> dict[str, Any]:
    def timed(*seconds: float) -> dict[str, Any]:
        return {"plays": 1000, "seconds": list(seconds)}

    latency = {"trigger": 2.0, "refresh": 1.0, "batch": 0.5, "seconds": [2.0, 2.1, 5.0]}
    return {
        "shipping": part(
            {
                "workshop ship": timed(0.1),
                "rsyslog": timed(0.05),
                "kcat": {"left_out": "not installed: apt-get install kcat"},
            }
        ),
        "steps": part(
            {
                "model": True,
                **{name: timed(0.5, 0.4, 0.6) for name in ("plays", "aggregates", "interests")},
                "targets": timed(0.5),
                "three queries": timed(1.0),
                "enrich and counts": timed(0.8),
            }
        ),
        "live": part({**timed(2.0, 4.0), "latency": latency, "memory": {"total": 2**31}}),
        "peers": part(
            {
                "plain Python": {"work": "three queries", **timed(2.0)},
                "Quix Streams": {
                    "work": "enrich and counts",
                    **timed(0.1),
                    "different": ["plays: 1 missing, 0 invented"],
                },
            }
        ),
        "curve": part(
            [
                {
                    **timed(),
                    "plays": 10_000,
                    "seconds": 5.0,
                    "memory": {"stream": 1, "total": 2},
                    "peer": {"plays": 10_000, "seconds": 4.0},
                },
                {"plays": 10**6, "left_out": "about 9 minutes more"},
            ]
        ),
        "starts": part({"kafka": [3.0, 3.5]}),
    }


def test_medians_spreads_ratios_and_reasons_are_in_their_rows(
    report: Any, measured: dict[str, Any]
) -> None:
    text = report.text(measured)
    assert "| `plays` alone | 2,000 | 1,667 – 2,500 |  |" in text
    assert "| rsyslog | 20,000 | 20,000 – 20,000 | 0.50 × |" in text
    assert "| kcat | – | – | not installed: apt-get install kcat |" in text
    assert "| plain Python: three queries | 500 | 500 – 500 | 2.00 × |" in text
    assert "| 10,000 | 5 | 500 | 0.00 | 0.00 | 4 |  |" in text
    assert "| 1,000,000 | – | – | – | – | – | about 9 minutes more |" in text
    assert "| p99 | 5.00 | 3.00 | 2.00 |" in text


def test_what_differs_from_the_ledger_has_no_number(report: Any, measured: dict[str, Any]) -> None:
    row = "| Quix Streams: enrich and counts | – | – | plays: 1 missing, 0 invented |"
    assert row in report.text(measured)
    measured["steps"]["result"]["plays"]["different"] = ["plays: 1 missing, 0 invented"]
    assert report.efficiency(measured) is None


def test_e_is_r_times_the_sum_of_what_each_step_costs_alone(
    report: Any, measured: dict[str, Any]
) -> None:
    r = 1000 / 3
    assert report.efficiency(measured) == pytest.approx(r * (4 * 0.5 + 0.1) / 1000)


def test_the_picture_is_drawn(report: Any, measured: dict[str, Any], tmp_path: Path) -> None:
    report.picture(measured, tmp_path / "b.png")
    assert (tmp_path / "b.png").read_bytes().startswith(b"\x89PNG")


def test_the_peers_packages_are_hashed_and_none_is_the_workshop_s() -> None:
    lock = (FOLDER / "peers" / "requirements.lock").read_text()
    blocks = re.findall(r"^[a-z][\w.-]*==.*\n((?:    .*\n?)+)", lock, re.MULTILINE)
    assert len(blocks) > 50 and all("--hash=sha256:" in block for block in blocks)
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    ours = " ".join([*project["dependencies"], *project["optional-dependencies"]["test"]])
    assert not re.search(r"quixstreams|apache-flink", ours)


def test_each_peer_is_described() -> None:
    text = (FOLDER / "peers" / "README.md").read_text()
    programs = [
        path.name
        for path in (FOLDER / "peers").iterdir()
        if path.suffix in (".py", ".sh", ".conf") and path.name != "common.py"
    ]
    assert len(programs) == 5 and all(f"`{name}`" in text for name in programs)


@pytest.mark.parametrize(
    ("rate", "fastest", "slowest", "told"),
    [
        (0.98, 1.01, 0.96, "it costs 2.0% of that (-1.0% to 4.0% in 7 pairs of runs): no more"),
        (0.90, 0.93, 0.88, "MORE than 5%"),
        (1.00, 1.68, 0.90, "too busy to say"),  # a picture makes no query faster
    ],
)
def test_the_cost_of_the_picture_is_judged_unless_the_machine_was_busy(
    monkeypatch: pytest.MonkeyPatch, rate: float, fastest: float, slowest: float, told: str
) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    import bench_view

    row = {
        "plays": 12_000,
        "seconds_without": 10.0,
        "rate_with_of_without": rate,
        "fastest": fastest,
        "slowest": slowest,
        "processor_seconds_of_the_picture": 0.4,
    }
    line = bench_view.line("small batches", row, runs=7)
    assert line.startswith("small batches: 1,200 plays/s") and told in line
