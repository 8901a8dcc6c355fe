"""Titles in every script: matplotlib looks for each letter in one font after the other.

Lines that run from right to left are laid out by matplotlib itself.
"""

from __future__ import annotations

import logging
from functools import cache

import matplotlib as mpl
from matplotlib import font_manager

from workshop_lib.runtime import fonts


@cache
def families() -> list[str]:
    """The names of the fonts, matplotlib's own first; they are made known to it once."""
    names = ["DejaVu Sans"]
    # A font without a bold weight is drawn as it is; matplotlib would say so for each.
    logging.getLogger(font_manager.__name__).setLevel(logging.ERROR)
    for path in fonts.files():
        font_manager.fontManager.addfont(path)
        names.append(font_manager.FontProperties(fname=path).get_name())
    return names


def use() -> None:
    """For all figures of this process, also those that a notebook draws itself."""
    mpl.rcParams["font.family"] = families()
