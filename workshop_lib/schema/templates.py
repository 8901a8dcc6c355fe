"""Index templates from the contract: what an index is, whoever is the first to write to it.

``docker/elasticsearch/<index>.json`` are these, for those who set up a cluster by hand:
``python -m workshop_lib.schema.templates`` writes them, and a test fails if they differ.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from elasticsearch import Elasticsearch

from workshop_lib.schema.tables import INDICES, mapping

FOLDER = Path(__file__).resolve().parents[2] / "docker" / "elasticsearch"


def template(index: str) -> dict[str, Any]:
    """The composable template of ``index`` (a name without namespace)."""
    return {
        "index_patterns": [index, f"*-{index}"],  # with a namespace before it
        "priority": 500,
        "template": mapping(index),
    }


def text(index: str) -> str:
    return json.dumps(template(index), indent=2) + "\n"


def put_all(client: Elasticsearch) -> None:
    """Give every index its template, under its own name after ``workshop-``."""
    for index in INDICES:
        client.indices.put_index_template(name=f"workshop-{index}", **template(index))


def write_all(folder: Path = FOLDER) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for index in INDICES:
        (folder / f"{index}.json").write_text(text(index))


if __name__ == "__main__":
    write_all()
