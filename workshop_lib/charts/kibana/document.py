"""The tables of ``docs/kibana.md``, written from the catalogue and the dashboards.

In: the charts of Kibana, and ``DASHBOARDS``. Out: the document, with new text between its marks.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from workshop_lib.charts.catalogue import DASHBOARDS, TIME_FIELD
from workshop_lib.charts.kibana.saved_objects import charts, object_id
from workshop_lib.schema.tables import INDICES
from workshop_lib.settings import PROJECT

DOCUMENT: Final = PROJECT / "docs" / "kibana.md"
BEGIN: Final = "<!-- written by `make kibana` from here -->\n"
END: Final = "<!-- to here -->\n"


def tables() -> str:
    dashboards = [
        (f"`{object_id(name)}`", each["title"], each["about"]) for name, each in DASHBOARDS.items()
    ]
    views = [(f"`{object_id(index)}`", index, TIME_FIELD[index] or "none") for index in INDICES]
    rows = [
        (
            f"`{object_id(c.name)}`",
            f"{c.stage}",
            c.title,
            c.form.kibana,
            c.index,
            c.question,
        )
        for c in charts()
    ]
    return "\n".join(
        (
            _table(("dashboard", "title", "what it is for"), dashboards),
            _table(("data view", "index", "time"), views),
            _table(("chart", "stage", "title", "kind", "index", "the question it answers"), rows),
        )
    )


def renewed(text: str) -> str:
    """``text`` with the tables as they are now."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{tables()}\n{END}{after}"


def write(path: Path = DOCUMENT) -> Path:
    path.write_text(renewed(path.read_text(encoding="utf-8")), encoding="utf-8")
    return path


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
