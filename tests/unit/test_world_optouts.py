"""Opt-outs of the world: a few customers, some of them takers, the same for the same seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from workshop_lib.world.clicks import opt_outs
from workshop_lib.world.generate import generate


def test_a_few_of_all_and_some_of_the_takers() -> None:
    would_take = np.arange(10_000) % 10 == 0
    out = opt_outs(would_take, 7)
    assert 0.02 < len(out) / 10_000 < 0.05
    assert would_take[out].sum() >= 50
    assert (~would_take[out]).any()
    assert len(set(out.tolist())) == len(out)
    assert np.array_equal(out, opt_outs(would_take, 7))
    assert not np.array_equal(out, opt_outs(would_take, 8))


def test_without_takers_there_still_are_some() -> None:
    assert len(opt_outs(np.zeros(1000, dtype=bool), 7)) > 0


def test_the_file_agrees_with_the_ledger(tmp_path: Path) -> None:
    summary = generate(tmp_path / "w", customers=200, tracks=60, plays=20_000, days=9)
    out = pd.read_csv(tmp_path / "w" / "optouts.csv")["CustID"]
    truth = pd.read_parquet(tmp_path / "w" / "ledger_customers.parquet").set_index("customer_id")
    assert summary["optouts"] == {
        "customers": len(out),
        "would_take": int(truth.loc[out, "would_take"].sum()),
    }
    assert summary["optouts"]["would_take"] > 0
    assert out.is_monotonic_increasing
    assert out.between(0, 199).all()
