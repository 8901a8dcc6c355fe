"""What all views share: controls that look the same, and how a view is shown in a notebook."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import ipywidgets as widgets
from IPython.display import HTML, display

#: Widgets live in the kernel's memory: after a restart, JupyterLab has only their picture.
NOTE: Final = (
    '<small style="color: #666">Error displaying widget, or buttons that do nothing? '
    "The kernel was restarted, or the notebook was opened again: run this cell again.</small>"
)


class View:
    """A widget of several controls, ``view``; in words (``repr``) where there is no front end."""

    view: widgets.Widget

    def _ipython_display_(self) -> None:
        display({**self.view._repr_mimebundle_(), "text/plain": repr(self)}, raw=True)
        display(HTML(NOTE))


def button(
    words: str,
    tooltip: str,
    action: Callable[[], None],
    style: str = "",
    width: str = "auto",
) -> widgets.Button:
    """A button as wide as its words, with a longer name for screen readers."""
    made = widgets.Button(
        description=words,
        tooltip=tooltip,
        button_style=style,
        layout=widgets.Layout(width=width),
    )
    made.on_click(lambda _: action())
    return made


def choice(
    words: str, options: Any, width: str = "250px", changed: Callable[[], None] | None = None
) -> widgets.Dropdown:
    """A named list to choose from."""
    layout = widgets.Layout(width="auto", flex=f"0 1 {width}")
    return _watched(widgets.Dropdown(options=options, description=words, layout=layout), changed)


def entry(
    words: str = "",
    width: str = "190px",
    changed: Callable[[], None] | None = None,
    placeholder: str = "",
) -> widgets.Text:
    """A line of text; ``changed`` is called when it is left or Enter is pressed."""
    made = widgets.Text(
        description=words,
        placeholder=placeholder,
        continuous_update=False,
        layout=widgets.Layout(width="auto", flex=f"0 1 {width}"),
    )
    return _watched(made, changed)


def tick(
    words: str, value: bool = False, changed: Callable[[], None] | None = None
) -> widgets.Checkbox:
    layout = widgets.Layout(width="auto", margin="0 12px")
    made = widgets.Checkbox(value, description=words, indent=False, layout=layout)
    return _watched(made, changed)


def _watched(made: Any, changed: Callable[[], None] | None) -> Any:
    if changed:
        made.observe(lambda _: changed(), "value")
    return made


def row(*children: widgets.Widget) -> widgets.HBox:
    """Side by side, on the next line when there is no room."""
    layout = widgets.Layout(flex_flow="row wrap", align_items="center")
    return widgets.HBox(list(children), layout=layout)


def inspect(**parts: widgets.Widget) -> widgets.Accordion:
    """Kibana's Inspect, folded: the request, the data."""
    titles: Sequence[str] = [f"Inspect: the {name}" for name in parts]
    return widgets.Accordion(list(parts.values()), titles=titles)
