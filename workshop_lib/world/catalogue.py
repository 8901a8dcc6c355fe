"""The tracks: made-up titles and artists, lengths, and who likes what.

In: seed and number. Out: a ``Catalogue``, one entry per track id from 0. Serves ``generate``.
Some titles and names are difficult on purpose (commas, quotes, accents, markup): a pipeline
or a page that mishandles text shows it here, before it meets real data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from workshop_lib.world.people import People
from workshop_lib.world.randomness import Floats, Ints, rng

#: Genre → how much more it is liked by (women, the young, the old); 0 is indifferent.
GENRES: Final[dict[str, tuple[float, float, float]]] = {
    "pop": (0.7, 0.7, -0.6),
    "hip hop": (-0.3, 1.3, -1.4),
    "indie": (0.2, 0.5, -0.5),
    "rock": (-0.7, -0.3, 0.6),
    "soul": (0.6, -0.1, 0.5),
    "electronic": (-0.5, 0.8, -1.0),
    "country": (0.0, -0.5, 0.7),
    "jazz": (-0.1, -0.9, 1.4),
}
TRACKS_PER_ARTIST: Final = 9
#: Popularity falls with rank to this power (Zipf); listening data show 0.7 to 1.
ZIPF_EXPONENT: Final = 0.8

AWKWARD: Final = (
    ("Hello, Goodbye, Hello", "Comma, Comma & Sons"),
    ('The "Quoted" Song', 'Big "Q" Malone'),
    ("Über den Wölfen", "Jürgen und die Bären"),
    ("Canción de Ñandú", "Los Años Luz"),
    ("夜の電車", "東京ナイトライン"),
    ('<img src=x onerror="alert(1)">', "<b>Bold</b> & The Tags"),
    ("It's Not Over", "O'Malley's Ghost"),
    ("50% Off; DROP TABLE tracks", "null"),
)

_ADJECTIVES: Final = (
    "Silver", "Broken", "Golden", "Midnight", "Electric", "Hollow", "Crimson", "Velvet",
    "Distant", "Paper", "Neon", "Quiet", "Wild", "Lonely", "Burning", "Frozen", "Northern",
    "Sweet", "Restless", "Blue",
)  # fmt: skip
_NOUNS: Final = (
    "Rivers", "Hearts", "Lights", "Wolves", "Streets", "Oceans", "Mirrors", "Letters",
    "Summers", "Engines", "Gardens", "Shadows", "Highways", "Satellites", "Matches",
    "Pillows", "Sparrows", "Windows", "Embers", "Tides",
)  # fmt: skip
_TITLE_ENDS: Final = (
    "", " Tonight", " Again", " in the Rain", " (Live)", " for You", " at Dawn", ", Pt. 2",
    " Forever", " Blues",
)  # fmt: skip
_SECOND_ACTS: Final = ("", " Trio", " Club", " Parade", " Union")


@dataclass(frozen=True)
class Catalogue:
    """One entry per track id; ``liking`` is [taste group, track], each row sums to 1."""

    title: np.ndarray
    artist: np.ndarray
    length: Ints  # seconds
    liking: Floats

    def __len__(self) -> int:
        return len(self.title)


def make_catalogue(seed: int, size: int) -> Catalogue:
    """``size`` tracks. Popular ones are spread over the ids."""
    draw = rng(seed, "catalogue")
    artists = _artists(draw, max(size // TRACKS_PER_ARTIST, 1))
    artist_of = draw.integers(0, len(artists), size)
    genre = draw.integers(0, len(GENRES), len(artists))[artist_of]
    heads = np.array([f"{a} {n}" for a in _ADJECTIVES for n in _NOUNS])
    title = np.char.add(
        heads[draw.integers(0, len(heads), size)],
        np.array(_TITLE_ENDS)[draw.integers(0, len(_TITLE_ENDS), size)],
    ).astype(object)
    artist = artists[artist_of].astype(object)
    for track, (awkward_title, awkward_artist) in enumerate(AWKWARD[:size]):
        title[track], artist[track] = awkward_title, awkward_artist
    rank = draw.permutation(size) + 1
    liking = _affinity()[:, genre] * rank**-ZIPF_EXPONENT
    return Catalogue(
        title=title,
        artist=artist,
        length=np.clip(draw.normal(222, 45, size), 95, 480).astype(np.int64),
        liking=liking / liking.sum(axis=1, keepdims=True),
    )


def _artists(draw: np.random.Generator, size: int) -> np.ndarray:
    """``size`` different names; the plain ones first, then with a second word."""
    names = [f"The {a} {n}" for a in _ADJECTIVES for n in _NOUNS]
    order = draw.permutation(len(names))
    acts = [names[i] + act for act in _SECOND_ACTS for i in order]
    return np.array([acts[i % len(acts)] for i in range(size)])


def taste_group(people: People) -> Ints:
    """0–5 per customer: gender × (young, middle, old)."""
    return people.gender * 3 + np.digitize(people.age, (27, 48))


def _affinity() -> Floats:
    """[taste group, genre]: e to the sum of what gender and age add to a genre's liking."""
    women, young, old = np.array(list(GENRES.values())).T
    by_age = (young, np.zeros(len(GENRES)), old)
    return np.array([np.exp(women * (g - 0.5) + age) for g in (0, 1) for age in by_age])


def tracks_table(catalogue: Catalogue) -> pd.DataFrame:
    """The rows of ``music.csv``, in the order of its header."""
    return pd.DataFrame(
        {
            "TrackId": np.arange(len(catalogue)),
            "Title": catalogue.title,
            "Artist": catalogue.artist,
            "Length": catalogue.length,
        }
    )
