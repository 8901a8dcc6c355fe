"""The real Elasticsearch with security switched on, for the roles that the Docker stack gives out.

Its users and roles are the files that both stacks write (``stack.access.files``), and an
administrator besides, for the negative controls.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workshop_lib.runtime import artifacts, process
from workshop_lib.runtime.java import find_or_install
from workshop_lib.runtime.wait import wait_until
from workshop_lib.settings import Settings
from workshop_lib.stack import access, elasticsearch

#: May do everything.
ADMIN = "admin"
PASSWORD = "of-the-test"


@contextmanager
def running(home: Path) -> Iterator[str]:
    """Such a server with all users; its address."""
    settings = Settings(home=home)
    artifacts.ensure(settings)
    port = process.free_port(9500)
    command = elasticsearch.prepare(
        settings, port, process.free_port(9600, {port}), find_or_install(), ""
    )
    config = Path(command.environment["ES_PATH_CONF"])
    yml = (config / "elasticsearch.yml").read_text()
    assert "xpack.security.enabled: true" in yml
    (config / "elasticsearch.yml").write_text(
        # As in Docker, where Logstash's first document makes its index, by the template.
        yml.replace("action.auto_create_index", "# action.auto_create_index")
    )
    files = access.files(dict.fromkeys(access.USERS | access.ADMIN, PASSWORD))
    for name, text in files.items():
        (config / name).write_text(text)
    log = home / "elasticsearch.log"
    started = process.start("elasticsearch", command, home / "pids", log)
    try:
        wait_until(lambda: process.answers(port) or not started.is_running(), 300, "Elasticsearch")
        assert started.is_running(), process.tail(log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.stop("elasticsearch", home / "pids")
