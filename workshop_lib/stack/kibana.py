"""Kibana's import of saved objects: the workshop's data views, charts and dashboards.

In: the address of a Kibana and the file that ``make kibana`` writes. Out: how many objects it
took. Objects of the same id are replaced, so a second import changes nothing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import urllib3

from workshop_lib.errors import WorkshopError
from workshop_lib.kibana.saved_objects import FILE
from workshop_lib.wait import wait_until

IMPORT = "/api/saved_objects/_import?overwrite=true"
#: Answers of a Kibana that is still starting.
NOT_READY = (502, 503)


def import_objects(
    url: str,
    path: Path = FILE,
    *,
    user: str = "",
    password: str = "",
    patience_seconds: float = 120,
) -> int:
    """Put the objects of ``path`` into the Kibana at ``url``; their number.

    A Kibana that is starting is waited for. Raises ``WorkshopError`` when there is none, when it
    refuses the user or the file, or when it did not take each object; which, and why, is said.
    """
    content = path.read_bytes()

    def answer() -> urllib3.BaseHTTPResponse | None:
        try:
            response = _post(url, content, user, password)
        except urllib3.exceptions.HTTPError:
            return None
        return None if response.status in NOT_READY else response

    try:
        response = wait_until(answer, patience_seconds, "Kibana")
    except WorkshopError as error:
        raise WorkshopError(
            f"Kibana at {url} did not answer, or was still starting, for {patience_seconds:g} s.",
            "See `workshop status`, and its log: docker compose logs kibana.",
        ) from error
    assert response  # it is what ``wait_until`` waited for
    return _taken(url, response, sum(1 for line in content.splitlines() if line.strip()))


def _post(url: str, content: bytes, user: str, password: str) -> urllib3.BaseHTTPResponse:
    # Kibana takes no request that changes anything without this header.
    headers = {"kbn-xsrf": "true"}
    if user:
        headers |= urllib3.make_headers(basic_auth=f"{user}:{password}")
    return urllib3.request(
        "POST",
        url.rstrip("/") + IMPORT,
        headers=headers,
        fields={"file": (FILE.name, content, "application/ndjson")},
        timeout=30,
        retries=False,
    )


def _taken(url: str, response: urllib3.BaseHTTPResponse, sent: int) -> int:
    """The number of objects that Kibana took: all, or ``WorkshopError``."""
    try:
        answer = json.loads(response.data)
    except ValueError:
        answer = {}
    if response.status in (401, 403):
        raise WorkshopError(
            f"Kibana at {url} does not let this user import ({response.status}).",
            "The password is in docker/.env; `workshop up --docker` makes a new one if it is lost.",
        )
    if response.status != 200:
        why = answer.get("message") or response.data.decode(errors="replace")[:200]
        raise WorkshopError(
            f"Kibana at {url} refused the file ({response.status}): {why}",
            "Write it anew with `make kibana`; Kibana has to be 8.19.",
        )
    errors = answer.get("errors") or []
    count = int(answer.get("successCount", 0))
    if errors or not answer.get("success") or count != sent:
        first = _why(errors[0]) if errors else "it does not say why"
        raise WorkshopError(
            f"Kibana took {count} of {sent} saved objects; {first}.",
            "Write the file anew with `make kibana`, then import it again.",
        )
    return count


def _why(error: dict[str, Any]) -> str:
    about = error.get("error") or {}
    missing = ", ".join(f"{each['type']} {each['id']}" for each in about.get("references", []))
    what = about.get("message") or about.get("type", "unknown").replace("_", " ")
    return f"{error.get('type')} {error.get('id')}: {what}" + (f" ({missing})" if missing else "")
