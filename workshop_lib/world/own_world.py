"""Your own listening as one listener of a simulated world.

In: the export of an account (``listening``). Out: a world as ``generate`` makes it, which ends
within a day after you last listened, with your plays of its days among the others; its ledger
counts them, too. Your plays keep their times. Device, place, age and gender are unknown and
stay unknown.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime.progress import Progress, silent
from workshop_lib.schema.play import Play, to_line, when
from workshop_lib.world import ledger, listening
from workshop_lib.world.columns import Rejected
from workshop_lib.world.generate import DEMO, generate, this_minute
from workshop_lib.world.import_ import Account, reason_kind
from workshop_lib.world.listening import Listen
from workshop_lib.world.plays import DAY, MINUTE
from workshop_lib.world.publish import staged
from workshop_lib.world.read import load_customers

#: Plays of the simulated world refer to some customers and tracks behind the last; yours come
#: behind them.
_GAP: Final = 20


def import_listening(
    kind: str,
    path: Path,
    folder: Path,
    *,
    days: int = DEMO["days"],
    seed: int = 7,
    timezone: str = "UTC",
    now: datetime | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Write a world with the listening in ``path`` into ``folder``; the report.

    ``kind``: a key of ``listening.EXPORTS``. ``days``: how long the world is; older plays are
    counted and left out. ``timezone``: the listener's; as everywhere in the world, the evening
    is written as the evening. Raises ``WorkshopError`` when no entry can be taken; then
    ``folder`` is as it was and the refused entries are in a file beside it.
    """
    latest = int((now or datetime.now(UTC)).timestamp() + 60) * 1000
    kept = folder.with_name(f"{folder.name}-rejected.jsonl")
    with staged(folder) as making:
        accounts, listens = _read(kind, path, latest, making / "rejected.jsonl")
        if not listens:
            shutil.move(making / "rejected.jsonl", kept)
            examples = [text for each in accounts.values() for text in each.examples.values()]
            raise WorkshopError(
                f"No entry of {path.name} can be taken: {'; '.join(examples[:3]) or 'none'}.",
                f"data/README.md describes the exports. Refused entries: {kept}.",
            )
        local = _in_zone(listens, timezone)
        end = -(-max(each.played_at for each in local) // MINUTE) * MINUTE
        # Until the hour that it is now: a replay ends now, and your evenings stay evenings.
        clock = int(this_minute(timezone, now).timestamp()) * 1000
        end += (clock - end) % DAY
        until = datetime.fromtimestamp(end / 1000, UTC)
        summary = generate(
            making / "simulated",
            seed=seed,
            days=days,
            until=until,
            plays=DEMO["plays"] * days // DEMO["days"],
            progress=progress,
        )
        for file in (making / "simulated").iterdir():
            file.replace(making / file.name)
        own = sorted(each for each in local if each.played_at >= end - days * DAY)
        found = _merge(making, own, summary)
        report = {
            **summary,
            **found,
            "imported": True,
            "files": {
                name: {**asdict(account), "reasons": dict(account.reasons.most_common())}
                for name, account in accounts.items()
            },
        }
        report["listening"] |= {
            "from": kind,
            "older": len(local) - len(own),
            "timezone": timezone,
            "first": when(own[0].played_at),
            "last": when(own[-1].played_at),
        }
        (making / "ledger.json").write_text(
            json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
    kept.unlink(missing_ok=True)
    return report


def _read(
    kind: str, path: Path, latest: int, rejected: Path
) -> tuple[dict[str, Account], list[Listen]]:
    """What became of the entries, by file, and the listens, each once."""
    accounts: dict[str, Account] = {}
    listens: dict[tuple[int, str, str], Listen] = {}
    with rejected.open("w", encoding="utf-8") as file:
        for entry in listening.read(kind, path):
            account = accounts.setdefault(entry.file, Account())
            account.lines += 1
            try:
                found = listening.listen(kind, entry, latest)
                if listens.setdefault(found[:3], found) is not found:
                    raise Rejected("the same listen again")
            except Rejected as error:
                reason = reason_kind(str(error))
                account.rejected += 1
                account.reasons[reason] += 1
                account.examples.setdefault(reason, f"entry {entry.number}: {error}")
                row = {"file": entry.file, "line": entry.number, "reason": str(error)}
                raw = json.dumps(entry.used, ensure_ascii=False)
                file.write(json.dumps({**row, "raw": raw}, ensure_ascii=False) + "\n")
            else:
                account.accepted += 1
    return accounts, list(listens.values())


def _in_zone(listens: list[Listen], timezone: str) -> list[Listen]:
    """Their times as the clock of ``timezone`` showed them, written as if that were UTC."""
    try:
        zone = ZoneInfo(timezone)
    except (KeyError, ValueError):
        raise WorkshopError(
            f"There is no time zone {timezone!r}.", "Give one such as Asia/Seoul or Europe/Berlin."
        ) from None
    if timezone == "UTC":
        return listens

    def local(millis: int) -> int:
        offset = datetime.fromtimestamp(millis // 1000, zone).utcoffset()
        return millis + int(offset.total_seconds() * 1000 if offset else 0)

    return [each._replace(played_at=local(each.played_at)) for each in listens]


def _merge(making: Path, own: list[Listen], summary: dict[str, Any]) -> dict[str, Any]:
    """Put ``own`` (sorted by time) into the world's files; what of its ledger.json changes."""
    sizes = summary["parameters"]
    customer = sizes["customers"] + _GAP
    tracks = _add_tracks(making / "music.csv", own, sizes["tracks"] + _GAP)
    _append(
        making / "cust.csv",
        [[customer, "You", "", "", "", "", "1", "0", "0", "0", ""]],
    )
    lines = (making / "tracks.csv").read_bytes().split(b"\n")[:-1]
    rows = pd.read_parquet(making / "ledger.parquet")
    first_id = int(rows["event_id"].max()) + 1
    plays = [
        Play(first_id + i, customer, tracks[each.artist, each.title], each.played_at, None, "")
        for i, each in enumerate(own)
    ]
    # Just before the first line that is later than all before it: none of yours is late.
    arrived = rows["played_at"].fillna(0).cummax().to_numpy()
    place = np.searchsorted(arrived, [play.played_at for play in plays], side="right")
    order = np.argsort(np.concatenate([np.arange(len(lines)) + 0.5, place]), kind="stable")
    both = [*lines, *map(to_line, plays)]
    (making / "tracks.csv").write_bytes(b"".join(both[i] + b"\n" for i in order.tolist()))
    yours = pd.DataFrame(plays, columns=Play._fields).assign(kind="play", reason=None)
    merged = pd.concat([rows.astype(object), yours.astype(object)], ignore_index=True)
    merged = merged.iloc[order].assign(line=np.arange(1, len(order) + 1))
    ledger.write_lines(pa.Table.from_pandas(merged, ledger.SCHEMA, preserve_index=False),
                       making / "ledger.parquet")  # fmt: skip
    happened = merged[merged["kind"] != "malformed"].drop_duplicates("event_id")
    kinds = Counter(merged["kind"])
    return {
        "lines": len(merged),
        "distinct_plays": len(happened),
        "kinds": {name: kinds[name] for name in summary["kinds"]},
        "interests": {"hits": len(ledger.interest_hits(happened))},
        "totals": ledger.totals_of(happened, load_customers(making)),
        "listening": {
            "customer_id": customer,
            "plays": len(plays),
            "tracks": len(tracks),
            "interests": len(ledger.interest_hits(yours)),
            "event_ids": [first_id, first_id + len(plays) - 1],
        },
    }


def _add_tracks(path: Path, own: list[Listen], first_id: int) -> dict[tuple[str, str], int]:
    """Append the tracks of ``own`` to music.csv: (artist, title) → id."""
    seconds: dict[tuple[str, str], int] = {}
    for each in own:
        key = (each.artist, each.title)
        seconds[key] = max(seconds.get(key, 0), each.seconds or 0)
    ids = {key: first_id + number for number, key in enumerate(seconds)}
    _append(path, [[ids[key], key[1], key[0], length or ""] for key, length in seconds.items()])
    return ids


def _append(path: Path, rows: list[list[Any]]) -> None:
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
        writer.writerows(rows)
