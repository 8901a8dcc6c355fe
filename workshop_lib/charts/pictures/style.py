"""How pictures look: colours that can be told apart, hatches and markers beside them, and a
picture that carries its description.

In: a matplotlib figure and a text. Out: ``Picture``. Colours are those of Okabe and Ito; colour
is never the only difference.
"""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import Any, Final
from zoneinfo import ZoneInfo

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from workshop_lib.charts.pictures.fonts import families
from workshop_lib.charts.time_range import Span

#: Colour, hatch, marker, line: the look of series number 0, 1, …
COLOURS: Final = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
HATCHES: Final = ("", "//", "..", "\\\\", "--", "++", "oo", "||", "**")
MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
LINES: Final = ("-", "--", "-.", ":")
INK: Final = "#222222"
PALE: Final = "#8a8a8a"
#: For the two labels that are not values of the field.
SPECIAL: Final[dict[str, tuple[str, str]]] = {"Other": ("#c9c9c9", ""), "Missing": ("white", "xx")}
MAP_COLOURS: Final = "cividis"

_RULES: Final[Any] = {
    "text.parse_math": False,  # a title may hold a $
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": PALE,
    "axes.labelcolor": INK,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.grid": False,
    "hatch.color": "white",
    "hatch.linewidth": 0.9,
    "legend.frameon": False,
    "figure.facecolor": "white",
}


@dataclass(frozen=True, repr=False)
class Picture:
    """A PNG with its description for screen readers."""

    png: bytes
    alt: str
    width: int

    def _repr_html_(self) -> str:
        data = base64.b64encode(self.png).decode()
        return (
            f'<img src="data:image/png;base64,{data}" alt="{escape(self.alt, quote=True)}" '
            f'style="width: {self.width}px; max-width: 100%; height: auto">'
        )

    def __repr__(self) -> str:
        return self.alt


@contextmanager
def styled() -> Iterator[None]:
    """Within it, figures are made and drawn in the workshop's look."""
    rules = {**_RULES, "font.family": families()}
    with mpl.rc_context(rules), warnings.catch_warnings():
        # A sign that no font has is in the description and the table all the same.
        warnings.filterwarnings("ignore", message=".*[Gg]lyph .* missing from")
        yield


def picture(figure: Figure, alt: str) -> Picture:
    """``figure`` as a PNG at twice the pixels, for sharp text on any screen."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=160)
    return Picture(file.getvalue(), alt, round(figure.get_figwidth() * 90))


def patch(label: str, place: int) -> dict[str, Any]:
    """The options of a wedge or bar; all but the first have a hatch, too."""
    if label in SPECIAL:
        colour, hatch = SPECIAL[label]
    else:
        colour, hatch = COLOURS[place % len(COLOURS)], HATCHES[place % len(HATCHES)]
    lines = PALE if label == "Missing" else "white"
    return {"facecolor": colour, "hatch": hatch, "hatchcolor": lines, "edgecolor": lines}


def brief(label: Any, most: int = 26) -> str:
    """``label`` on one line, cut where it is too long for a picture."""
    line = " ".join(str(label).split()) or "(empty)"
    return line if len(line) <= most else line[: most - 1] + "…"


def days(ms: float) -> float:
    """``ms`` since 1970 as matplotlib counts time."""
    return ms / 86_400_000


def time_axis(ax: Axes, span: Span) -> None:
    """The x-axis of ``ax`` shows ``span`` by the clocks of its zone."""
    zone = ZoneInfo(span.zone)
    locator = AutoDateLocator(tz=zone, minticks=4, maxticks=9)
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=zone))
    ax.set_xlim(days(span.start), days(span.end))


def number(value: float) -> str:
    """With thousands apart, and decimals only where they say something."""
    if value != value:
        return "none"
    return f"{value:,.0f}" if value == round(value) or abs(value) >= 1000 else f"{value:,.1f}"


def label_text(label: Any) -> str:
    """A label of the answer; times and numbers in a readable form."""
    if isinstance(label, pd.Timestamp):
        return f"{label:%d %b %H:%M}"
    return number(label) if isinstance(label, int | float) else str(label)
