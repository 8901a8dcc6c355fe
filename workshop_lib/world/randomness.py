"""A random generator per topic, so that a change in one does not change the others.

In: the world's seed and the topic's name. Out: a numpy Generator. Serves ``generate``.
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def rng(seed: int, topic: str) -> np.random.Generator:
    """The same numbers for the same ``seed`` and ``topic``, on every machine and run."""
    return np.random.default_rng([seed, zlib.crc32(topic.encode())])


def choose(rng: np.random.Generator, weights: Floats, size: int) -> Ints:
    """``size`` indices into ``weights``, drawn with these weights."""
    edges = np.cumsum(weights)
    return np.searchsorted(edges, rng.random(size) * edges[-1], side="right").astype(np.int64)


def logistic(x: Floats) -> Floats:
    return 1 / (1 + np.exp(-x))
