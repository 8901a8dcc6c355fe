"""Titles in any script are drawn, and from right to left where it is so."""

from __future__ import annotations

import io
import warnings

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from workshop_lib.charts.pictures.fonts import families
from workshop_lib.charts.pictures.style import styled
from workshop_lib.runtime import fonts

TITLES = {
    "Korean": "너의 이름은",
    "Japanese": "夜に駆ける 変身",
    "Chinese": "你好 北京",
    "Arabic": "مرحبا بالعالم",
    "Hebrew": "שלום עולם",
    "Hindi": "हिन्दी गाना",
    "Thai": "สวัสดีชาวโลก",
    "emoji": "🎵 Fire 🔥 🎧",
    "mixed": "Remix 한국어 夜 عربي 🎶 – ½",
}


def drawn(text: str) -> tuple[np.ndarray, list[str]]:
    """The picture of ``text``, and what matplotlib complained of."""
    with warnings.catch_warnings(record=True) as complaints:
        warnings.simplefilter("always")
        figure = Figure(figsize=(4, 0.5))
        figure.text(0.05, 0.3, text, size=16)
        file = io.BytesIO()
        figure.savefig(file, format="rgba", dpi=50)
    missing = [str(each.message) for each in complaints if "missing from" in str(each.message)]
    return np.frombuffer(file.getvalue(), dtype=np.uint8), missing


def test_the_packages_bring_all_their_fonts() -> None:
    assert len(fonts.files()) == sum(map(len, fonts.PACKAGES.values()))
    assert families()[:4] == ["DejaVu Sans", "NanumGothic", "IPAexGothic", "Noto Emoji"]


@pytest.mark.parametrize("title", TITLES.values(), ids=TITLES)
def test_every_letter_of_a_title_is_drawn(title: str) -> None:
    with styled(), mpl.rc_context():
        _, missing = drawn(title)
    assert not missing


def test_with_one_font_alone_letters_are_missing() -> None:
    with mpl.rc_context({"font.family": ["DejaVu Sans"]}):
        assert {name for name, title in TITLES.items() if drawn(title)[1]} >= {"Korean", "emoji"}


def test_bold_titles_are_drawn_without_a_word_about_weights(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """In a notebook, matplotlib's warnings would be twenty red lines above the picture."""
    with styled(), mpl.rc_context({"font.weight": "bold"}):
        drawn("굵은 제목 夜 🔥")
    assert not caplog.records


def test_arabic_is_joined_and_runs_from_right_to_left() -> None:
    with styled():
        word, _ = drawn("مرحبا")
        letter_by_letter, _ = drawn("\u200e" + "\u200e\u200c".join("مرحبا"))
    assert not np.array_equal(word, letter_by_letter)


def test_what_latin_letters_look_like_does_not_change() -> None:
    with mpl.rc_context({"font.family": ["DejaVu Sans"]}):
        alone, _ = drawn("Plays per hour – Größe, Ελλάδα, Москва")
    with mpl.rc_context({"font.family": families()}):
        with_others, _ = drawn("Plays per hour – Größe, Ελλάδα, Москва")
    assert np.array_equal(alone, with_others)
