"""The real Elasticsearch with security switched on, for the roles that the Docker stack gives out.

This build of the server keeps users and roles in files, as every Elasticsearch can. API keys
and native users it cannot make: their index wants a text analysis that this build lacks.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workshop_lib.runtime import artifacts, process
from workshop_lib.runtime.java import find_or_install
from workshop_lib.runtime.wait import wait_until
from workshop_lib.settings import Settings
from workshop_lib.stack import elasticsearch

#: May do everything.
ADMIN = "admin"
PASSWORD = "of-the-test"


def hashed(password: str) -> str:
    """As the server's own tool would write it, which starts a JVM for each user."""
    salt, rounds = b"0" * 32, 1000
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, rounds, 32)
    parts = (base64.b64encode(part).decode() for part in (salt, key))
    return f"{{PBKDF2}}{rounds}${'$'.join(parts)}"


@contextmanager
def running(home: Path, roles: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Such a server with a user of each role, of its name; its address."""
    settings = Settings(home=home)
    artifacts.ensure(settings)
    port = process.free_port(9500)
    command = elasticsearch.prepare(
        settings, port, process.free_port(9600, {port}), find_or_install()
    )
    config = Path(command.environment["ES_PATH_CONF"])
    yml = (config / "elasticsearch.yml").read_text()
    assert "xpack.security.enabled: false" in yml
    (config / "elasticsearch.yml").write_text(
        yml.replace("xpack.security.enabled: false", "xpack.security.enabled: true")
        + "xpack.security.http.ssl.enabled: false\n"
    )
    # A JSON object is a YAML value.
    (config / "roles.yml").write_text("".join(f"{n}: {json.dumps(r)}\n" for n, r in roles.items()))

    users = {ADMIN: "superuser", **{name: name for name in roles}}
    (config / "users").write_text("".join(f"{name}:{hashed(PASSWORD)}\n" for name in users))
    (config / "users_roles").write_text("".join(f"{r}:{name}\n" for name, r in users.items()))
    log = home / "elasticsearch.log"
    started = process.start("elasticsearch", command, home / "pids", log)
    try:
        wait_until(lambda: process.answers(port) or not started.is_running(), 300, "Elasticsearch")
        assert started.is_running(), process.tail(log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.stop("elasticsearch", home / "pids")
