"""valkey's users: each may do what it must, and nothing else; nobody gets in without a password."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import redis as client_library
from redis.backoff import NoBackoff
from redis.retry import Retry

from workshop_lib.runtime import process
from workshop_lib.runtime.wait import wait_until
from workshop_lib.settings import Settings
from workshop_lib.stack import redis
from workshop_lib.stack.passwords import passwords, path


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("redis")


@pytest.fixture(scope="module")
def running(home: Path) -> Iterator[tuple[psutil.Process, int]]:
    settings = Settings(home=home)
    port = process.free_port(0)
    server = process.start(
        "redis", redis.prepare(settings, port), home / "pids", home / "redis.log"
    )
    try:
        wait_until(lambda: not redis.health(settings, port), 60, "valkey")
        yield server, port
    finally:
        process.stop("redis", home / "pids")


@pytest.fixture
def sign_in(home: Path, running: tuple[psutil.Process, int]) -> Callable[..., client_library.Redis]:
    port = running[1]

    def connect(user: str) -> client_library.Redis:
        name = {"kit": "redis_url", "web": "redis_url_web"}[user]
        url = redis.urls(passwords(Settings(home=home)), port)[name]
        return client_library.Redis.from_url(url, decode_responses=True)

    return connect


SignIn = Callable[[str], client_library.Redis]


def test_without_a_password_or_with_a_wrong_one_nobody_gets_in(
    running: tuple[psutil.Process, int],
) -> None:
    port = running[1]
    for credentials in ({}, {"username": "kit", "password": "guess"}, {"password": ""}):
        with pytest.raises((client_library.AuthenticationError, client_library.ResponseError)):
            client_library.Redis(port=port, retry=Retry(NoBackoff(), 0), **credentials).ping()


def test_the_kit_reads_writes_and_runs_scripts(sign_in: SignIn) -> None:
    kit = sign_in("kit")
    assert kit.set("workshop:x", "1") and kit.get("workshop:x") == "1"
    assert kit.eval("return redis.call('get', KEYS[1])", 1, "workshop:x") == "1"
    assert kit.xadd("workshop:stream", {"a": "b"}) and kit.xlen("workshop:stream") == 1
    assert list(kit.scan_iter("workshop:*")) and kit.info("server")


@pytest.mark.parametrize(
    "command",
    [
        ("CONFIG", "SET", "dir", "/tmp"),
        ("ACL", "SETUSER", "default", "on", "nopass", "+@all", "~*"),
        ("FLUSHALL",),
        ("KEYS", "*"),
        ("SHUTDOWN", "NOSAVE"),
        ("REPLICAOF", "127.0.0.1", "1"),
        ("MODULE", "LIST"),
        ("CLIENT", "KILL", "TYPE", "normal"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("user", redis.ACL)
def test_nobody_may_change_the_server(sign_in: SignIn, user: str, command: tuple[str, ...]) -> None:
    with pytest.raises(client_library.exceptions.NoPermissionError):
        sign_in(user).execute_command(*command)


def test_the_page_reads_and_cannot_write(sign_in: SignIn) -> None:
    sign_in("kit").hset("workshop:live:m", "all:plays", "7")
    sign_in("kit").xgroup_create("workshop:sms:outbox", "sms", mkstream=True)
    web = sign_in("web")
    assert web.hgetall("workshop:live:m") == {"all:plays": "7"}
    assert web.xlen("workshop:sms:outbox") == 0 and web.xinfo_groups("workshop:sms:outbox")
    for refused in (
        lambda: web.set("workshop:x", "2"),
        lambda: web.xadd("workshop:sms:outbox", {"customer_id": "1"}),
        lambda: web.unlink("workshop:live:m"),
        lambda: web.eval("return redis.call('set', KEYS[1], '2')", 1, "workshop:x"),
        lambda: web.publish("channel", "x"),
    ):
        with pytest.raises(client_library.exceptions.NoPermissionError):
            refused()


def test_passwords_are_in_files_of_their_owner_alone(
    home: Path, running: tuple[psutil.Process, int]
) -> None:
    words = passwords(Settings(home=home))
    assert len(set(words.values())) == len(words) and min(map(len, words.values())) >= 32
    for file in (path(Settings(home=home)), home / "redis" / "users.acl"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    shown = " ".join(running[0].cmdline()) + (home / "redis.log").read_text()
    shown += (home / "redis" / "users.acl").read_text()
    assert not any(word in shown for word in words.values())
    assert passwords(Settings(home=home)) == words, "they stay for what still runs"
