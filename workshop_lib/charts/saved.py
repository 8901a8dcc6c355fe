"""Saved searches, charts and dashboards: Kibana's "saved objects", in one JSON file.

In: names and data. Out: ``.workshop/explore.json``. A saved chart has filters of its own; the
time range is chosen when it is opened, as in Kibana.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from workshop_lib.charts.chart import Chart
from workshop_lib.charts.search import Search
from workshop_lib.errors import WorkshopError
from workshop_lib.runtime import state_file
from workshop_lib.settings import Settings

T = TypeVar("T")


@dataclass(frozen=True)
class SavedSearch:
    """What Discover showed: a search, and the fields that were columns."""

    search: Search
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class SavedChart:
    """What Visualize showed."""

    chart: Chart
    search: Search


@dataclass
class Saved:
    """All of it by name; a dashboard is the names of its charts, in order."""

    searches: dict[str, SavedSearch] = field(default_factory=dict)
    charts: dict[str, SavedChart] = field(default_factory=dict)
    dashboards: dict[str, list[str]] = field(default_factory=dict)


_FORM: TypeAdapter[Saved] = TypeAdapter(Saved)


def path(settings: Settings) -> Path:
    return settings.home / "explore.json"


def load(settings: Settings) -> Saved:
    """What was saved; empty before the first. Raises ``WorkshopError`` when unreadable."""
    held: Any = state_file.load(path(settings)) or {}
    try:
        return _FORM.validate_python(held)
    except (ValidationError, WorkshopError):
        raise WorkshopError(
            f"{path(settings)} cannot be read.", "Move the file away and save your charts again."
        ) from None


@contextmanager
def changing(settings: Settings) -> Iterator[Saved]:
    """What was saved, to be changed; it is written back at the end."""
    saved = load(settings)
    yield saved
    state_file.save(path(settings), _FORM.dump_python(saved, mode="json"))


def named(kind: str, held: dict[str, T], name: str) -> T:
    """The one called ``name``. Raises ``WorkshopError`` with the names that exist."""
    if name in held:
        return held[name]
    names = ", ".join(sorted(held)) or "none yet"
    raise WorkshopError(f"No {kind} is called {name!r}.", f"Saved: {names}.")


def check_name(name: str) -> str:
    """``name`` without spaces around it. Raises ``WorkshopError`` when it is empty."""
    if not name.strip():
        raise WorkshopError("A name is needed to save it.", "Write one beside the button.")
    return name.strip()
