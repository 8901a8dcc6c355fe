"""The demo on the Docker stack: everything is started once, and what Docker alone has is checked.

In: Settings. Out: ``reports/demo.json`` and ``demo-docker.json``. The demo itself runs inside the
container of the notebooks, against Spark's master and worker; then Logstash ships the same log
again, and its documents are compared with the shipper's.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from elasticsearch import Elasticsearch, NotFoundError
from elasticsearch.helpers import scan

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime import connections
from workshop_lib.runtime.wait import LOGSTASH_SECONDS, wait_until
from workshop_lib.schema.names import PLAYS_RAW_INDEX
from workshop_lib.settings import Settings
from workshop_lib.stack import compose, docker_cli

logger = logging.getLogger(__name__)

INDEX: Final = PLAYS_RAW_INDEX
#: The stages in the order in which they are started: each service once, memory for one stage.
#: The SMS server and Logstash come after the demo, which runs its own.
AFTERWARDS: Final = (1, 4)

Documents = dict[str, dict[str, Any]]


def run(settings: Settings, without: Sequence[str] = ()) -> dict[str, Any]:
    """Run it all, but the profiles ``without``; the report.

    Raises ``WorkshopError`` when something does not start.
    """
    compose.up(settings, stage=2, without=without)
    docker_cli.do(("core", "spark"), "exec", "-T", "jupyter", "workshop", "demo", "--yes", "--keep")
    path = settings.reports / "demo.json"
    report: dict[str, Any] = json.loads(path.read_text())
    report["stack"] = "docker"
    report["without"] = list(without)
    inside = Settings(home=settings.home)  # with the addresses and keys of this stack
    client = connections.elasticsearch(inside)
    shipped = documents(client, inside.index(INDEX))
    if "logstash" not in without:
        client.indices.delete(index=inside.index(INDEX))
    for stage in AFTERWARDS:
        compose.up(settings, stage=stage, without=without)
    if "logstash" not in without:
        logger.info("Waiting for Logstash to ship the same log")
        by_logstash = follow(client, inside.index(INDEX), len(shipped))
        check = same_documents(shipped, by_logstash)
        report["stages"][0]["checks"].append(check)
        report["ok"] = report["ok"] and check["ok"]
    report["versions"] = {service.name: service.version for service in compose.status(settings)}
    for name in ("demo.json", "demo-docker.json"):
        (settings.reports / name).write_text(json.dumps(report, indent=2, default=str) + "\n")
    return report


def documents(client: Elasticsearch, index: str) -> Documents:
    """Id → document, all of ``index``; none if there is no such index."""
    try:
        client.indices.refresh(index=index)
    except NotFoundError:
        return {}
    return {hit["_id"]: hit["_source"] for hit in scan(client, index=index, size=2000)}


def follow(client: Elasticsearch, index: str, number: int) -> Documents:
    """What is in ``index`` as soon as it has ``number`` documents, or when patience ends."""

    def count() -> bool:
        try:
            client.indices.refresh(index=index)
            return bool(client.count(index=index)["count"] >= number)
        except NotFoundError:
            return False

    with suppress(WorkshopError):  # what is missing is said by the check
        wait_until(count, LOGSTASH_SECONDS, "Logstash", every=1)
    return documents(client, index)


def same_documents(shipped: Documents, by_logstash: Documents) -> dict[str, Any]:
    """A check as in the report: every document of the shipper's is Logstash's, and no other."""
    same = sum(by_logstash.get(id_) == document for id_, document in shipped.items())
    more = len(by_logstash.keys() - shipped.keys())
    return {
        "name": "Logstash ships the documents that the shipper ships",
        "expected": {"same": len(shipped), "more": 0},
        "actual": {"same": same, "more": more},
        "ok": bool(shipped) and same == len(shipped) and not more,
    }
