"""Models for tests of what comes after training: kept like real ones, made in no time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from workshop_lib.marketing import registry
from workshop_lib.marketing.gate import GateDecision

YES = GateDecision(True, ())
NO = GateDecision(False, ("lift is 1.000, must be at least 3",))


@dataclass
class Fitted:
    """Stands for a fitted pipeline: a folder with one file, or a crash half-way."""

    text: str
    breaks: bool = False

    def save(self, path: str) -> None:
        Path(path).mkdir()
        (Path(path) / "weights").write_text(self.text)
        if self.breaks:
            raise OSError("no space left on device")


def candidate(number: float = 1.0, breaks: bool = False) -> registry.Candidate:
    """One whose weights, snapshot and threshold all say ``number``."""
    return registry.Candidate(
        Fitted(f"{number}", breaks),
        pd.DataFrame({"customer_id": [0, 1], "evening": [0.25, number]}),
        number,
        {"error": 0.05, "precision": float("nan"), "intervals": {"error": (0.01, float("inf"))}},
        ("evening",),
        {"seed": 7},
    )
