"""The few controls that all views share, so that they look the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as widgets


def button(words: str, tooltip: str, style: str = "") -> widgets.Button:
    """A button as wide as its words, with a longer name for who listens."""
    return widgets.Button(
        description=words,
        tooltip=tooltip,
        button_style=style,
        layout=widgets.Layout(width="auto"),
    )


def choice(words: str, options: Any, width: str = "250px") -> widgets.Dropdown:
    """A named list to choose from."""
    return widgets.Dropdown(options=options, description=words, layout=widgets.Layout(width=width))


def row(*children: widgets.Widget) -> widgets.HBox:
    """Side by side, on the next line when there is no room."""
    return widgets.HBox(
        list(children), layout=widgets.Layout(flex_flow="row wrap", align_items="center")
    )


def bundle(view: widgets.Widget, words: str) -> dict[str, Any]:
    """What a notebook shows: the view, or in words where there is no front end."""
    shown: dict[str, Any] = view._repr_mimebundle_()
    return {**shown, "text/plain": words}


def on_click(control: widgets.Button, action: Callable[[], None]) -> None:
    control.on_click(lambda _: action())
