"""libSVM: what is written is read back equal, by us and by Spark; what is wrong is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workshop_lib.errors import WorkshopError
from workshop_lib.marketing import libsvm
from workshop_lib.marketing.features import ORIGINAL_FEATURES


def rows(number: int = 50) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    table = pd.DataFrame({n: rng.random(number) for n in ORIGINAL_FEATURES})
    table.loc[0, "night"] = 0.0
    table.loc[1, "mobile"] = 1 / 3
    return table.assign(label=(rng.random(number) < 0.3).astype(float), customer_id=range(number))


def test_written_rows_are_read_back_equal(tmp_path: Path) -> None:
    written = rows()
    libsvm.write(written, tmp_path / "features.txt")
    read = libsvm.read(tmp_path / "features.txt")
    names = ["label", *ORIGINAL_FEATURES]
    pd.testing.assert_frame_equal(read[names], written[names])
    assert read["row"].tolist() == list(range(50))


def test_spark_reads_what_is_written(tmp_path: Path, spark: Any) -> None:
    written = rows()
    libsvm.write(written, tmp_path / "features.txt")
    path = (tmp_path / "features.txt").as_uri()
    read = spark.read.format("libsvm").option("numFeatures", "6").load(path).collect()
    assert [r.label for r in read] == written["label"].tolist()
    assert [r.features.toArray().tolist() for r in read] == written[
        list(ORIGINAL_FEATURES)
    ].to_numpy().tolist()


def test_the_forms_that_other_tools_write_are_read(tmp_path: Path) -> None:
    file = tmp_path / "features.txt"
    file.write_text("# made elsewhere\n+1 1:0.25 3:.5 6:1e-1 # a taker\n\n-1\n0 2:1\n")
    read = libsvm.read(file)
    assert read["label"].tolist() == [1, 0, 0]
    assert read[list(ORIGINAL_FEATURES)].to_numpy().tolist() == [
        [0.25, 0, 0.5, 0, 0, 0.1],
        [0, 0, 0, 0, 0, 0],
        [0, 1, 0, 0, 0, 0],
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("2 1:0.5", "label is 2"),
        ("nan 1:0.5", "label is nan"),
        ("yes 1:0.5", "yes"),
        ("1 0:0.5", "feature 0"),
        ("1 7:0.5", "feature 7"),
        ("1 2:0.5 2:0.5", "feature 2 after 2"),
        ("1 2:0.5 1:0.5", "feature 1 after 2"),
        ("1 1:inf", "feature 1 is inf"),
        ("1 1:NaN", "feature 1 is NaN"),
        ("1 0.5", "no pair"),
        ("1 a:0.5", "a"),
    ],
)
def test_a_wrong_line_is_named_with_its_number(tmp_path: Path, line: str, reason: str) -> None:
    file = tmp_path / "features.txt"
    file.write_text(f"1 1:0.5\n{line}\n")
    with pytest.raises(WorkshopError, match="line 2") as error:
        libsvm.read(file)
    assert reason in error.value.message


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(WorkshopError, match="--save-features"):
        libsvm.read(tmp_path / "none.txt")
