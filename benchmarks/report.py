"""``docs/benchmarks.json`` → ``docs/benchmarks.md`` and its picture.

.venv/bin/python benchmarks/report.py
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any, Final

from workshop_lib.settings import PROJECT

DOCS: Final = PROJECT / "docs"
PICTURE: Final = "images/benchmarks.png"
QUERIES: Final = ("plays", "aggregates", "interests", "targets")


def rates(entry: dict[str, Any]) -> tuple[float, float, float] | None:
    """Plays a second: median, slowest, fastest; None where nothing right was measured."""
    seconds = entry.get("seconds")
    if not seconds or entry.get("different"):
        return None
    plays = entry["plays"]
    return plays / statistics.median(seconds), plays / max(seconds), plays / min(seconds)


def row(name: str, entry: dict[str, Any], more: str = "") -> str:
    found = rates(entry)
    if found is None:
        why = entry.get("left_out") or entry.get("failed") or entry.get("different") or "no result"
        return f"| {name} | – | – | {'; '.join(why) if isinstance(why, list) else why} |"
    median, slowest, fastest = found
    return f"| {name} | {median:,.0f} | {slowest:,.0f} – {fastest:,.0f} | {more} |"


def times(one: dict[str, Any], other: dict[str, Any]) -> str:
    """How many times as fast ``one`` is as ``other``."""
    a, b = rates(one), rates(other)
    return f"{a[0] / b[0]:.2f} ×" if a and b else ""


def efficiency(measured: dict[str, Any]) -> float | None:
    """E = R·Σ(1/Sᵢ): R end to end, Sᵢ of the shipper and each query alone."""
    if not {"steps", "shipping", "live"} <= measured.keys():
        return None
    alone = [rates(measured["steps"]["result"].get(name, {})) for name in QUERIES]
    alone.append(rates(measured["shipping"]["result"]["workshop ship"]))
    whole = rates(measured["live"]["result"])
    if whole is None or None in alone:
        return None
    return whole[0] * sum(1 / each[0] for each in alone if each)


def percentile(seconds: list[float], share: float) -> float:
    return sorted(seconds)[min(len(seconds) - 1, int(share * len(seconds)))]


def text(measured: dict[str, Any]) -> str:
    """The page."""
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench`, and by `make bench-million` for starts and cost by size; every",
        "number is in [benchmarks.json](benchmarks.json). Results are compared with the ledger",
        "first: a row without a number says what was wrong or why it was left out. End to end,",
        "latency and `targets` are not compared. Each number is a median; the spread is the",
        "slowest and the fastest run.",
        "The ways take turns within one run. Compare numbers of one table only.",
        "",
        f"![Plays per second of each step, cost by size, and memory]({PICTURE})",
        "",
    ]
    for name, section in SECTIONS.items():
        if name in measured:
            part = measured[name]
            machine = part["machine"]
            lines += section(part["result"], measured)
            lines += [
                "",
                f"{part['at']}, {part['runs']} runs, {part['seconds']} s in all; "
                f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
                f"{machine['system']}; load of the machine {machine['load_before']}.",
                "",
            ]
    return "\n".join(lines)


def _shipping(result: dict[str, Any], measured: dict[str, Any]) -> list[str]:
    ours = result["workshop ship"]
    return [
        "## From the log into Kafka",
        "",
        "| | lines/s | spread | workshop ship is |",
        "|---|---|---|---|",
        *(row(name, each, times(ours, each)) for name, each in result.items()),
        "",
        "`workshop ship` also checks each line and keeps what is refused; the others do not. All",
        "but the first row write into a Kafka without passwords: Debian's librdkafka 2.0.2 cannot",
        "log in to the workshop's own (its SCRAM follows RFC 5802 from 2.6.1 on).",
    ]


def _steps(result: dict[str, Any], measured: dict[str, Any]) -> list[str]:
    lines = ["## The streams", "", "| | plays/s | spread | |", "|---|---|---|---|"]
    lines += [row(f"`{name}` alone", result[name]) for name in QUERIES if name in result]
    lines += [
        row(name, result[name])
        for name in ("enrich and counts", "three queries", "all queries")
        if name in result
    ]
    if result.get("failed"):
        lines.append(f"| it ended early | – | – | {result['failed']} |")
    lines += [
        "",
        "So few plays are one batch: this is mostly what a batch costs whatever its size. The next",
        "tables have what a play costs.",
    ]
    if not result["model"]:
        lines += ["", "`targets` ran without a model: none was accepted on a world of this size."]
    return lines


def _live(result: dict[str, Any], measured: dict[str, Any]) -> list[str]:
    latency, share = result["latency"], efficiency(measured)
    seconds = latency["seconds"]
    found = rates(result)
    assert found
    floor = latency["trigger"] / 2 + latency["refresh"] / 2, latency["trigger"] + latency["refresh"]
    lines = [
        "## End to end, all of it running",
        "",
        f"R = **{found[0]:,.0f} plays/s** ({found[1]:,.0f} – {found[2]:,.0f}) from a line in the"
        " log to all four queries' stores.",
    ]
    if share:
        lines.append(f"E = R·Σ(1/Sᵢ) = **{share:.2f}**, Sᵢ of the shipper and of each query alone.")
    if seconds:
        lines += [
            "",
            f"At half of R, from the write of a line to its search hit ({len(seconds)} probes):",
            "",
            "| | seconds | floor: trigger and refresh | above it |",
            "|---|---|---|---|",
            *(
                f"| {name} | {percentile(seconds, part):.2f} | {least:.2f} |"
                f" {percentile(seconds, part) - least:.2f} |"
                for name, part, least in (("p50", 0.5, floor[0]), ("p99", 0.99, floor[1]))
            ),
            "",
            f"The last batch of `plays` took {latency['batch']:.1f} s.",
        ]
    memory = ", ".join(f"{name} {size / 2**30:.2f}" for name, size in result["memory"].items())
    return [*lines, "", f"Memory at most, GiB: {memory}."]


def _peers(result: dict[str, Any], measured: dict[str, Any]) -> list[str]:
    steps = measured.get("steps", {}).get("result", {})
    lines = [
        "## What a user would pick instead",
        "",
        "| | plays/s | spread | the workshop's streams are |",
        "|---|---|---|---|",
    ]
    for work in sorted({each["work"] for each in result.values()}):
        if work in steps:
            lines.append(row(f"**workshop, {work}**", steps[work]))
        lines += [
            row(f"{name}: {work}", each, times(steps.get(work, {}), each))
            for name, each in result.items()
            if each["work"] == work
        ]
    return [
        *lines,
        "",
        "Flink SQL has no connector for this Elasticsearch: it writes into Kafka, and the copy",
        "into the indices is not timed. How each is written: `benchmarks/peers/`.",
    ]


def _curve(result: list[dict[str, Any]], measured: dict[str, Any]) -> list[str]:
    lines = [
        "## Cost by size",
        "",
        "One run of `workshop stream --available-now` for each size, all four queries, Spark's",
        "start included; servers with `WORKSHOP_SERVERS_LONG=1`. Plain Python does the work of",
        "three of them, in one process, afterwards.",
        "",
        "| plays | seconds | µs a play | stream, GiB | all, GiB | plain Python, seconds | |",
        "|---|---|---|---|---|---|---|",
    ]
    for each in result:
        why = each.get("left_out") or each.get("failed") or "; ".join(each.get("different", []))
        if "seconds" not in each:
            lines.append(f"| {each['plays']:,} | – | – | – | – | – | {why} |")
            continue
        memory, cost = each["memory"], each["seconds"] / each["plays"] * 1e6
        lines.append(
            f"| {each['plays']:,} | {each['seconds']:.0f} | {cost:,.0f}"
            f" | {memory['stream'] / 2**30:.2f} | {memory['total'] / 2**30:.2f}"
            f" | {_of_peer(each)} | {why} |"
        )
    return lines


def _of_peer(entry: dict[str, Any]) -> str:
    peer = entry.get("peer", {})
    why = peer.get("left_out") or "; ".join(peer.get("different", []))
    return why or (f"{peer['seconds']:.0f}" if "seconds" in peer else "–")


def _starts(result: dict[str, list[float]], measured: dict[str, Any]) -> list[str]:
    return [
        "## Starts",
        "",
        "| | seconds | spread |",
        "|---|---|---|",
        *(
            f"| {name} | {statistics.median(each):.1f} | {min(each):.1f} – {max(each):.1f} |"
            for name, each in result.items()
        ),
    ]


SECTIONS: Final = {
    "shipping": _shipping,
    "steps": _steps,
    "live": _live,
    "peers": _peers,
    "curve": _curve,
    "starts": _starts,
}


def picture(measured: dict[str, Any], path: Path) -> None:
    """Rates side by side, and seconds by size."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    bars: list[tuple[str, tuple[float, float, float], bool]] = []
    for part, ours in (("shipping", {"workshop ship"}), ("steps", None), ("peers", set())):
        for name, entry in measured.get(part, {}).get("result", {}).items():
            found = rates(entry) if isinstance(entry, dict) else None
            if found and part != "shipping":
                bars.append((name, found, ours is None))
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 0.42 * max(len(bars), 6) + 1.4))
    for place, (_, (median, slowest, fastest), ours) in enumerate(reversed(bars)):
        left.barh(place, median, color="#2f6690" if ours else "#c9ced6", edgecolor="#333333")
        left.plot([slowest, fastest], [place, place], color="black", linewidth=1.5)
        left.text(fastest, place, f"  {median:,.0f}", va="center", fontsize=8)
    left.set_yticks(range(len(bars)), [name for name, *_ in reversed(bars)], fontsize=8)
    left.set_xlabel("plays per second (dark: the workshop's streams; line: spread)")
    left.margins(x=0.15)
    curve = [e for e in measured.get("curve", {}).get("result", []) if "seconds" in e]
    good = [each for each in curve if "failed" not in each]
    right.loglog(
        [each["plays"] for each in good],
        [each["seconds"] for each in good],
        "o-",
        color="#2f6690",
        label="the workshop's streams, four queries, with Spark's start",
    )
    theirs = [each for each in curve if "seconds" in each.get("peer", {})]
    right.loglog(
        [each["plays"] for each in theirs],
        [each["peer"]["seconds"] for each in theirs],
        "s--",
        color="#8a8f98",
        label="plain Python, three queries, without its start",
    )
    right.legend(fontsize=8)
    for each in curve:
        if "failed" in each:
            right.loglog(each["plays"], each["seconds"], "x", color="black", markersize=9)
    right.set_xlabel("plays in the backlog (×: it failed)")
    right.set_ylabel("seconds")
    right.grid(visible=True, which="major", alpha=0.3)
    figure.tight_layout()
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def write(measured: dict[str, Any]) -> None:
    (DOCS / "benchmarks.md").write_text(text(measured))
    picture(measured, DOCS / PICTURE)


if __name__ == "__main__":
    write(json.loads((DOCS / "benchmarks.json").read_text()))
