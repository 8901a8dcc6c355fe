"""A machine that gives little: an ordinary user, a HOME that cannot be written, a small TMPDIR,
umask 077, the C locale, no default port free. The servers start there, plays go in, and all ends.

Run as root, too: ``unshare`` makes an ordinary user of whoever runs the tests.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from ports import PORTS

from workshop_lib import stack
from workshop_lib.runtime import artifacts
from workshop_lib.runtime.process import find
from workshop_lib.settings import Settings

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

USER = 1234
SMALL = "16m"
#: Outside, whoever runs the tests may mount; inside, nobody may do anything.
BECOME = (
    *("unshare", "--user", "--map-root-user", "--mount", "sh", "-c"),
    f'mount -t tmpfs -o size={SMALL} none "$TMPDIR" && umask 077 && '
    f'exec unshare --user --map-user={USER} --map-group={USER} "$@"',
    "sh",
)

Workshop = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("ordinary 사용자")
    for name in ("home of the user", "tmp"):
        (folder / name).mkdir()
    (folder / "home of the user").chmod(0o500)
    yield folder
    stack.remove(Settings(home=folder / "집"))
    (folder / "home of the user").chmod(0o700)


@pytest.fixture(scope="module")
def taken() -> Iterator[dict[str, str]]:
    """The ports that each server would take first, which somebody else holds."""
    with ExitStack() as held:
        found = {}
        for name in PORTS:
            holder = held.enter_context(socket.create_server(("127.0.0.1", 0)))
            found[name] = str(holder.getsockname()[1])
        yield found


@pytest.fixture(scope="module")
def run(place: Path, taken: dict[str, str]) -> Workshop:
    """Runs a command as that user, there."""

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*BECOME, *command],
            env={
                "PATH": os.environ["PATH"],
                **taken,
                "HOME": str(place / "home of the user"),
                "TMPDIR": str(place / "tmp"),
                "LC_ALL": "C",
                "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
                "WORKSHOP_HOME": str(place / "집"),
                "WORKSHOP_CACHE": str(artifacts.cache()),
                "COLUMNS": "120",
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )

    if shutil.which("unshare") is None or run("true").returncode != 0:
        pytest.skip("this machine does not let anybody make a user name space (unshare)")
    return run


def workshop(run: Workshop, *words: str) -> str:
    done = run(sys.executable, "-m", "workshop_lib.cli", *words)
    assert done.returncode == 0, (words, done.stdout[-3000:], done.stderr[-3000:])
    return done.stdout


def test_the_user_is_one_and_can_write_neither_home_nor_much_else(run: Workshop) -> None:
    """The negative control: a test as root in a home of its own would prove nothing."""
    assert run("id", "-u").stdout.strip() == str(USER)
    assert run("sh", "-c", "umask").stdout.strip() == "0077"
    assert "denied" in run("sh", "-c", 'touch "$HOME/file"').stderr
    full = run("sh", "-c", 'head -c 20000000 /dev/zero > "$TMPDIR/file"')
    assert "No space left" in full.stderr


def test_the_servers_start_take_plays_and_end(
    run: Workshop, place: Path, taken: dict[str, str]
) -> None:
    home = place / "집"
    size = ("--customers", "100", "--tracks", "50", "--plays", "3000", "--days", "3")
    workshop(run, "data", "generate", *size)
    assert re.search(r"kafka.*ok", workshop(run, "up"))
    pids = [find(name, home / "pids") for name in ("kafka", "elasticsearch", "redis")]
    assert all(process is not None for process in pids)
    settings = Settings(home=home)
    addresses = (settings.kafka_bootstrap, settings.elasticsearch_url, settings.redis_address)
    ports = {address.rsplit(":", 1)[1].split("/")[0] for address in addresses}
    assert len(ports) == 3 and not ports & set(taken.values())
    workshop(run, "replay", "--speed", "1000000", "--limit", "500")
    for to in ("kafka", "elasticsearch"):
        assert "500 lines" in workshop(run, "ship", "--to", to, "--once")
    ours = [home, home / "secrets.json", *home.glob("world/*"), *home.glob("log/*")]
    assert len(ours) > 6
    assert [path for path in ours if stat.S_IMODE(path.stat().st_mode) & 0o077] == []
    workshop(run, "down")
    assert [find(name, home / "pids") for name in ("kafka", "elasticsearch", "redis")] == [None] * 3
    assert not any((place / "home of the user").iterdir())
