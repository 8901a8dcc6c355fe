"""Labelled features as a libSVM file, the form of the original demo's ``features.txt``.

A line is a label and the six ``ORIGINAL_FEATURES``: ``1 1:0.25 2:0.5 3:0.25 5:0.1 6:0.8``;
numbers count from 1, a feature that is not named is 0, ``#`` starts a comment. Such a file
knows no customers: a line's number is not a customer id. A model can be trained and judged
on it, but nobody can be offered anything with it.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final

import pandas as pd

from workshop_lib.errors import WorkshopError
from workshop_lib.marketing.features import ORIGINAL_FEATURES
from workshop_lib.runtime.state_file import replacing

#: 0/1, and −1/1 as other tools write them.
LABELS: Final = {1.0: 1.0, 0.0: 0.0, -1.0: 0.0}


def write(labelled: pd.DataFrame, path: Path) -> None:
    """``labelled`` (label and ``ORIGINAL_FEATURES``; other columns stay behind), a line each.

    ``path`` is replaced as a whole. Floats are written so that they are read back equal.
    """
    rows = labelled[["label", *ORIGINAL_FEATURES]].itertuples(index=False, name=None)
    with replacing(path) as draft, draft.open("w", encoding="ascii") as file:
        for label, *values in rows:
            pairs = " ".join(f"{i}:{value!r}" for i, value in enumerate(map(float, values), 1))
            file.write(f"{label:g} {pairs}\n")


def read(path: Path) -> pd.DataFrame:
    """row (from 0, in file order), label (0/1) and ``ORIGINAL_FEATURES`` of each line.

    Raises ``WorkshopError`` naming the first line that is wrong.
    """
    if not path.is_file():
        raise WorkshopError(
            f"There is no {path}.", "`workshop train --save-features FILE` writes one."
        )
    rows = []
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            text = line.partition("#")[0].split()
            if not text:
                continue
            try:
                rows.append(_parse(text))
            except ValueError as error:
                raise WorkshopError(
                    f"{path}, line {number}: {error}.",
                    "A line is a label and six features, like `1 1:0.25 2:0.5 3:0.25 6:0.8`.",
                ) from None
    table = pd.DataFrame(rows, columns=["label", *ORIGINAL_FEATURES])
    table.insert(0, "row", range(len(table)))
    return table


def _parse(text: list[str]) -> list[float]:
    label = float(text[0])
    if label not in LABELS:
        raise ValueError(f"the label is {text[0]}, not 0, 1 or -1")
    values = [0.0] * len(ORIGINAL_FEATURES)
    last = 0
    for pair in text[1:]:
        index_text, colon, value_text = pair.partition(":")
        if not colon:
            raise ValueError(f"{pair!r} is no pair like 1:0.25")
        index, value = int(index_text), float(value_text)
        if not last < index <= len(values):
            raise ValueError(
                f"feature {index} after {last}; they go up from 1 to {len(values)}, each once"
            )
        if not math.isfinite(value):
            raise ValueError(f"feature {index} is {value_text}")
        values[index - 1] = value
        last = index
    return [LABELS[label], *values]
