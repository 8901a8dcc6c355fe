"""Who may do what in an Elasticsearch with security: the least that each needs.

In: a password for each user. Out: the three files of Elasticsearch's file realm (``roles.yml``,
``users``, ``users_roles``), which the server reads when it starts, and the index templates.
Files instead of API keys and native users: they are there before the server answers, and both
stacks can use them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from elasticsearch import Elasticsearch

from workshop_lib.schema.names import PLAYS_RAW_INDEX
from workshop_lib.schema.tables import INDICES, template

#: All indices, also those with a namespace before their name.
ALL: Final = [name for index in INDICES for name in (index, f"*-{index}")]
#: Indices that a learner makes in notebooks, exercises and the capstone, in any namespace.
BY_LEARNERS: Final = ["*practice-*", "*scratch-*", "*capstone-*", "*by-hand*"]
#: Rounds of PBKDF2. Passwords here are random and long, so no dictionary helps an attacker.
ROUNDS: Final = 10_000

Role = dict[str, Any]
READ: Final[Role] = {"names": ALL, "privileges": ["read", "view_index_metadata"]}


class User(NamedTuple):
    """``role``: what it may do, as in ``roles.yml``; ``builtin``: roles that Elasticsearch has."""

    role: Role | None
    builtin: tuple[str, ...] = ()


USERS: Final[dict[str, User]] = {
    # Commands, streams and notebooks. Neither another index, nor a user, nor a setting.
    "kit": User(
        {
            "cluster": ["monitor"],  # its health
            "indices": [
                {
                    "names": [*ALL, *BY_LEARNERS],
                    "privileges": [
                        *("read", "write", "create_index", "delete_index"),
                        *("maintenance", "monitor", "view_index_metadata"),  # refresh, count
                    ],
                }
            ],
        }
    ),
    # The live page.
    "web": User({"cluster": ["monitor"], "indices": [READ]}),
    "logstash": User(
        {
            "cluster": ["monitor"],  # version and licence, which it asks for when it starts
            "indices": [{"names": [PLAYS_RAW_INDEX], "privileges": ["create_index", "index"]}],
        }
    ),
    # The person who looks at the charts in Kibana.
    "learner": User({"cluster": [], "indices": [READ]}, ("kibana_admin",)),
    # Kibana's own work, and importing its dashboards.
    "kibana": User(None, ("kibana_system",)),
    "importer": User(None, ("kibana_admin",)),
    # Health checks of the container.
    "health": User({"cluster": ["monitor"], "indices": []}),
    # `workshop up` puts the index templates.
    "setup": User({"cluster": ["monitor", "manage_index_templates"], "indices": []}),
}


#: In the embedded stack alone, for faults on purpose (`workshop chaos`) and for tests.
ADMIN: Final = {"admin": User(None, ("superuser",))}


def files(passwords: Mapping[str, str]) -> dict[str, str]:
    """File name → text, for the users that ``passwords`` names."""
    users = {name: (USERS | ADMIN)[name] for name in passwords}
    # A JSON object is a YAML value.
    roles = "".join(f"{n}: {json.dumps(user.role)}\n" for n, user in users.items() if user.role)
    members: dict[str, list[str]] = {}
    for name, user in users.items():
        for role in (*user.builtin, *([name] if user.role else ())):
            members.setdefault(role, []).append(name)
    return {
        "roles.yml": roles,
        "users": "".join(f"{name}:{hashed(word)}\n" for name, word in passwords.items()),
        "users_roles": "".join(f"{role}:{','.join(who)}\n" for role, who in members.items()),
    }


def hashed(password: str) -> str:
    """The password as ``bin/elasticsearch-users`` writes it, which starts a JVM for each user."""
    salt = os.urandom(32)
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ROUNDS, 32)
    parts = (base64.b64encode(part).decode() for part in (salt, key))
    return f"{{PBKDF2}}{ROUNDS}${'$'.join(parts)}"


def put_templates(client: Elasticsearch) -> None:
    """Give every index its template, under its own name after ``workshop-``."""
    for index in INDICES:
        client.indices.put_index_template(name=f"workshop-{index}", **template(index))
