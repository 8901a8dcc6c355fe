"""Kibana's objects, data views and dashboards, from ``docker/kibana/*.ndjson`` into Kibana."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

import urllib3

from workshop_lib.errors import WorkshopError
from workshop_lib.settings import PROJECT

FOLDER: Final = PROJECT / "docker" / "kibana"


def import_all(
    url: str, password: str, report: Callable[[str], None], folder: Path = FOLDER
) -> None:
    """Import every file as user ``elastic``; an object that is there is replaced.

    Raises ``WorkshopError`` with Kibana's reason for the first object that it refuses.
    """
    http = urllib3.PoolManager(headers=urllib3.make_headers(basic_auth=f"elastic:{password}"))
    for path in sorted(folder.glob("*.ndjson")):
        answer = http.request(
            "POST",
            f"{url}/api/saved_objects/_import?overwrite=true",
            fields={"file": (path.name, path.read_bytes(), "application/ndjson")},
            headers={**http.headers, "kbn-xsrf": "workshop"},
            timeout=60,
        )
        said = json.loads(answer.data or b"{}")
        if answer.status != 200 or not said.get("success"):
            reason = (said.get("errors") or [said.get("message")])[0]
            raise WorkshopError(
                f"Kibana did not take {path.name}: {json.dumps(reason)[:300]}.",
                "`workshop up --docker` tries again; the servers are up.",
            )
        report(f"Kibana has {said['successCount']} objects of {path.name}")
