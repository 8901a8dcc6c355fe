"""Pieces of HTML that the widgets show: tables, requests, messages.

In: any values. Out: HTML, in which all values are escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import pandas as pd

from workshop_lib.charts.search import Request, text

_CELL = "padding: 2px 10px 2px 0; text-align: left; vertical-align: top; white-space: nowrap"


def table(rows: Sequence[dict[str, Any]], columns: Sequence[str], caption: str) -> str:
    """Rows of a table with a caption; a value that is missing is a dash."""
    head = "".join(f'<th scope="col" style="{_CELL}">{escape(name)}</th>' for name in columns)
    body = "".join(
        "<tr>"
        + "".join(f'<td style="{_CELL}">{escape(cell(row.get(name)))}</td>' for name in columns)
        + "</tr>"
        for row in rows
    )
    return (
        '<div style="overflow-x: auto"><table style="font-size: 12px; line-height: 1.5">'
        f'<caption style="text-align: left; padding: 0">{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and value != value):
        return "–"
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {cell(each)}" for name, each in value.items())
    if isinstance(value, float):
        return f"{value:,.0f}" if value == round(value) else f"{value:,.2f}"
    return text(value)


def request_text(sent: Sequence[Request]) -> str:
    """The first request in full; the others ask the same about the values in Other."""
    if not sent:
        return ""
    more = f"\n\n# … and {len(sent) - 1} more for the values in Other" if len(sent) > 1 else ""
    return (
        '<pre style="font-size: 12px; line-height: 1.35; padding: 8px; overflow-x: auto; '
        f'background: #f5f5f5; color: #222">{escape(sent[0].console() + more)}</pre>'
    )


def message(words: str) -> str:
    """One line: what is wrong and what to do. Empty for no message."""
    if not words:
        return ""
    return (
        '<div role="alert" style="border-left: 4px solid #D55E00; padding: 4px 8px; '
        f'background: #fdf3ec; color: #222">{escape(words)}</div>'
    )


def bar(label: str, share: float) -> str:
    """A value with its share, as a bar behind it."""
    return (
        '<div style="background: linear-gradient(to right, #cfe3f1 '
        f"{share * 100:.1f}%, transparent 0); padding: 0 4px; line-height: 22px; color: #222; "
        'display: flex; justify-content: space-between; overflow: hidden; white-space: nowrap">'
        f"<span>{escape(label)}</span><span>{share:.1%}</span></div>"
    )
