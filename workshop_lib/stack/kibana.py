"""Kibana's objects, data views and dashboards, from ``docker/kibana/*.ndjson`` into Kibana.

In: the address of a Kibana, the password of user ``importer``, the zone of the charts. Objects
of the same id are replaced, so a second import changes nothing.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any, Final

import urllib3

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime.wait import KIBANA_SECONDS, wait_until
from workshop_lib.schema import names
from workshop_lib.settings import PROJECT

logger = logging.getLogger(__name__)

FOLDER: Final = PROJECT / "docker" / "kibana"
USER: Final = "importer"
#: Laid over the indexed field ``hour``, which is UTC, where the charts have another zone. It runs
#: in Docker's Elasticsearch, which has scripts.
HOUR: Final = (
    "if (doc['played_at'].size() > 0) {"
    " emit(doc['played_at'].value.withZoneSameInstant(ZoneId.of('ZONE')).getHour()); }"
)
#: Where the file's texts name the zone of that field.
HOUR_NAMES: Final = ("Hour of day, ZONE", "hour of the day (ZONE)")
#: Answers of a Kibana that is still starting.
NOT_READY: Final = (502, 503)


def import_all(
    url: str,
    password: str,
    folder: Path = FOLDER,
    timeout: float = KIBANA_SECONDS,
    zone: str = "UTC",
) -> None:
    """Import every file of ``folder``; a Kibana that is starting is waited for.

    Hours of the day are those of the clocks of ``zone``.

    Raises ``WorkshopError`` when there is no Kibana, when it refuses the user or a file, and
    when it did not take each object: which, and why, is said.
    """
    for path in sorted(folder.glob("*.ndjson")):
        count = import_file(url, password, path, timeout, zone)
        logger.info("Kibana has %d objects of %s", count, path.name)


def import_file(
    url: str, password: str, path: Path, timeout: float = KIBANA_SECONDS, zone: str = "UTC"
) -> int:
    """Import one file; the number of its objects. Raises like ``import_all``."""
    content = by_the_clocks(path.read_text(encoding="utf-8"), zone).encode()

    def answer() -> urllib3.BaseHTTPResponse | None:
        try:
            response = _post(url, password, path.name, content)
        except urllib3.exceptions.HTTPError:
            return None
        return None if response.status in NOT_READY else response

    try:
        response = wait_until(answer, timeout, "Kibana")
    except WorkshopError as error:
        raise WorkshopError(
            f"Kibana at {url} did not answer, or was still starting, for {timeout:g} s.",
            "`workshop status` shows how it is; `workshop up --docker` tries again.",
        ) from error
    assert response  # it is what ``wait_until`` waited for
    lines = sum(1 for line in content.splitlines() if line.strip())
    return _taken(path.name, response, lines)


def by_the_clocks(ndjson: str, zone: str) -> str:
    """The objects with the hour of the day, a field and in words, by the clocks of ``zone``."""
    if zone == "UTC":
        return ndjson
    for name in HOUR_NAMES:
        ndjson = ndjson.replace(name.replace("ZONE", "UTC"), name.replace("ZONE", zone))
    field = {"hour": {"type": "long", "script": {"source": HOUR.replace("ZONE", zone)}}}
    lines = []
    for line in ndjson.splitlines():
        each = json.loads(line)
        attributes = each["attributes"]
        if each["type"] == "index-pattern" and attributes["title"] == names.PLAYS_INDEX:
            attributes["runtimeFieldMap"] = json.dumps(field)
            line = json.dumps(each, ensure_ascii=False)
        lines.append(line + "\n")
    return "".join(lines)


def _post(url: str, password: str, name: str, content: bytes) -> urllib3.BaseHTTPResponse:
    return urllib3.request(
        "POST",
        f"{url.rstrip('/')}/api/saved_objects/_import?overwrite=true",
        headers={
            **urllib3.make_headers(basic_auth=f"{USER}:{password}"),
            "kbn-xsrf": "workshop",  # without it, Kibana takes nothing that changes anything
        },
        fields={"file": (name, content, "application/ndjson")},
        timeout=60,
        retries=False,
    )


def _taken(name: str, response: urllib3.BaseHTTPResponse, sent: int) -> int:
    """The number of objects that Kibana took: all, or ``WorkshopError``."""
    if response.status in (401, 403):
        raise WorkshopError(
            f"Kibana does not let user {USER} import ({response.status}).",
            "Is IMPORTER_PASSWORD in docker/.env the one that the data was made with?",
        )
    try:
        answer = json.loads(response.data)
    except ValueError:
        answer = {"message": response.data.decode(errors="replace")[:200]}
    if response.status != 200:
        raise WorkshopError(
            f"Kibana refused {name} ({response.status}): {answer.get('message')}",
            "Write it again with `make kibana`; `workshop up --docker` imports it again.",
        )
    errors, count = answer.get("errors") or [], answer.get("successCount", 0)
    if errors or not answer.get("success") or count != sent:
        why = _why(errors[0]) if errors else "it does not say why"
        raise WorkshopError(
            f"Kibana took {count} of {sent} objects of {name}; {why}.",
            "Write it again with `make kibana`; `workshop up --docker` imports it again.",
        )
    return int(count)


def _why(error: dict[str, Any]) -> str:
    about = error.get("error") or {}
    missing = ", ".join(f"{each['type']} {each['id']}" for each in about.get("references", []))
    what = about.get("message") or about.get("type", "unknown").replace("_", " ")
    return f"{error.get('type')} {error.get('id')}: {what}" + (f" ({missing})" if missing else "")
