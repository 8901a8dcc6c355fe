"""The passwords of the embedded servers' users, in a file for its owner only.

In: Settings. Out: user → password. They are made once and stay until ``down --clean``: what still
runs when a server is started again goes on with the same ones.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

from workshop_lib.runtime import state_file
from workshop_lib.settings import Settings
from workshop_lib.stack import kafka_users

#: Server and user.
USERS: Final = (
    *("redis.kit", "redis.web"),
    *("elasticsearch.kit", "elasticsearch.web", "elasticsearch.health", "elasticsearch.admin"),
    *(f"kafka.{user}" for user in kafka_users.ALL),
)


def admin(settings: Settings) -> Settings:
    """Settings with the users who may do all: for faults on purpose, and tests."""
    known = state_file.load(path(settings)) or {}
    update: dict[str, Any] = {}
    for server in ("elasticsearch", "kafka"):
        password = known.get(f"{server}.admin")
        if password:  # not for servers of others, or without security
            update[f"{server}_username"] = "admin"
            update[f"{server}_password"] = SecretStr(password)
    return settings.model_copy(update=update)


def of(settings: Settings, server: str) -> dict[str, str]:
    """User of ``server`` → password."""
    known = passwords(settings).items()
    own = f"{server}."
    return {user.removeprefix(own): word for user, word in known if user.startswith(own)}


def refuses(user: str) -> str:
    """The state of a server that was started with other passwords than those of the file."""
    return f"refuses the password of user {user}; `workshop down`, then `workshop up`"


def path(settings: Settings) -> Path:
    return settings.home / "passwords.json"


def passwords(settings: Settings) -> dict[str, str]:
    """The passwords of all users, made where there are none yet."""
    todo = "Run `workshop down`, delete the file, then run `workshop up`."
    known = state_file.load(path(settings), todo) or {}
    wanted = {user: known.get(user) or secrets.token_hex(24) for user in USERS}
    if wanted != known:
        state_file.save(path(settings), wanted, 0o600, indent=2)
    return wanted
