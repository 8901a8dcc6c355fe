"""The tables of a recorded world that other rooms need.

In: the folder of a world. Out: pandas tables. Serves Stages 2 and 3. Names and addresses of
customers are never read.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from workshop_lib.errors import WorkshopError

_TODO = "Make a world with `workshop data generate`, or take one with `workshop data import DIR`."


def _read(folder: Path, name: str) -> pd.DataFrame:
    """The file's cells as text; ``WorkshopError`` for a missing or unreadable file."""
    path = folder / name
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except FileNotFoundError:
        raise WorkshopError(f"There is no {path}.", _TODO) from None
    except (ValueError, pd.errors.ParserError) as error:
        raise WorkshopError(
            f"{path} cannot be read: {error}.", "`workshop data import DIR` takes and cleans files."
        ) from None


def _whole(table: pd.DataFrame, column: str, path: Path, unknown: str = "") -> pd.Series:
    """The column as numbers; ``unknown`` stands for an empty field, if that may be."""
    try:
        return pd.to_numeric(table[column].replace("", unknown), errors="raise").astype("int64")
    except (ValueError, TypeError) as error:
        raise WorkshopError(
            f"{path}, column {column}: {error}.",
            "`workshop data import DIR` says which lines are wrong.",
        ) from None
    except KeyError:
        raise WorkshopError(f"{path} has no column {column}.", _TODO) from None


def load_customers(folder: Path) -> pd.DataFrame:
    """customer_id, gender, birth_year, zip, level, status, campaign.

    Codes as in ``schema.labels``; gender is -1, birth_year (Int32) missing where unknown; zip is
    text, all others are int64. Raises ``WorkshopError`` when the file is missing or wrong.
    """
    path = folder / "cust.csv"
    table = _read(folder, path.name)
    years = table["BirthYear"] if "BirthYear" in table else pd.Series("", index=table.index)
    return pd.DataFrame(
        {
            "customer_id": _whole(table, "CustID", path),
            "gender": _whole(table, "Gender", path, unknown="-1"),
            "birth_year": pd.to_numeric(years.replace("", None), errors="coerce").astype("Int32"),
            "zip": table["zip"],
            "level": _whole(table, "Level", path),
            "status": _whole(table, "Status", path),
            "campaign": _whole(table, "Campaign", path),
        }
    )


def load_tracks(folder: Path) -> pd.DataFrame:
    """track_id, title, artist, length_seconds (int64; 0: unknown)."""
    path = folder / "music.csv"
    table = _read(folder, path.name)
    return pd.DataFrame(
        {
            "track_id": _whole(table, "TrackId", path),
            "title": table["Title"],
            "artist": table["Artist"],
            "length_seconds": _whole(table, "Length", path, unknown="0"),
        }
    )


def load_clicks(folder: Path) -> pd.DataFrame:
    """click_id, customer_id, ad (one of ``schema.labels.ADS``), clicked_at (UTC), in file order."""
    path = folder / "clicks.csv"
    table = _read(folder, path.name)
    return pd.DataFrame(
        {
            "click_id": _whole(table, "EventID", path),
            "customer_id": _whole(table, "CustID", path),
            "ad": table["AdClicked"],
            "clicked_at": pd.to_datetime(table["Localtime"], utc=True),
        }
    )
