"""The font files that came along as packages: what matplotlib's own font cannot write.

DejaVu Sans, which matplotlib brings, has Latin, Greek, Cyrillic, Arabic and Hebrew. Of these
packages no code is imported: they would change matplotlib for everybody.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Final

#: Package → its fonts, in the order in which a letter is looked for: Hangul, kana and most Chinese
#: characters; the other ones of Japanese; emoji and the scripts of South and Southeast Asia.
PACKAGES: Final = {
    "koreanize_matplotlib": ("fonts/NanumGothic.ttf",),
    "matplotlib_fontja": ("fonts/ipaexg.ttf",),
    "manimgx_fonts": (
        "NotoEmoji[wght].ttf",
        *(
            f"NotoSans{script}[wght].ttf"
            for script in (
                *("Thai", "Devanagari", "Bengali", "Tamil", "Telugu", "Kannada", "Malayalam"),
                *("Gujarati", "Gurmukhi", "Oriya", "Sinhala", "Khmer", "Lao", "Myanmar"),
                *("Georgian", "Armenian", "Ethiopic", "Symbols"),
            )
        ),
    ),
}


def files() -> list[Path]:
    """The font files that are there; an environment without a package lacks only its scripts."""
    found = []
    for package, names in PACKAGES.items():
        spec = importlib.util.find_spec(package)
        folders = (spec.submodule_search_locations or []) if spec else []
        found += [Path(folder) / name for folder in folders for name in names]
    return [path for path in found if path.exists()]
