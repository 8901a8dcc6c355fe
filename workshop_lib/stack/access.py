"""Who may do what in an Elasticsearch with security: the least that each needs.

In: the password of ``elastic``. Out: an API key each for the kit and the page, a user each for
Logstash, for Kibana's own work, and for the person who looks at the charts in Kibana.
"""

from __future__ import annotations

from typing import Any, Final

from elasticsearch import AuthenticationException, Elasticsearch

from workshop_lib.schema.names import PLAYS_RAW_INDEX
from workshop_lib.schema.tables import INDICES, template

#: All indices, also those with a namespace before their name.
ALL: Final = [name for index in INDICES for name in (index, f"*-{index}")]

Role = dict[str, Any]
READ: Final[Role] = {"names": ALL, "privileges": ["read", "view_index_metadata"]}
#: API key → what it may do. Neither may see another index, a user or a setting.
KEYS: Final[dict[str, Role]] = {
    "kit": {
        "cluster": ["monitor"],  # its health
        "indices": [
            {
                "names": ALL,
                "privileges": [
                    *("read", "write", "create_index", "delete_index"),
                    *("maintenance", "monitor", "view_index_metadata"),  # refresh, count, exists
                ],
            }
        ],
    },
    "web": {"cluster": ["monitor"], "indices": [READ]},
}
#: User → what it may do. Logstash takes an API key over TLS only, so it is a user.
ROLES: Final[dict[str, Role]] = {
    "logstash_writer": {
        "cluster": ["monitor"],  # version and licence, which it asks for when it starts
        "indices": [{"names": [PLAYS_RAW_INDEX], "privileges": ["create_index", "index"]}],
    },
    "learner": {"cluster": [], "indices": [READ]},
}
#: User → the variable of its password, and the roles that it has beside its own.
USERS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "logstash_writer": ("LOGSTASH_PASSWORD", ()),
    "learner": ("LEARNER_PASSWORD", ("kibana_admin",)),
}
#: Name of a key → the variable that holds it in docker/.env.
VARIABLES: Final = {name: f"{name.upper()}_API_KEY" for name in KEYS}


def put_templates(client: Elasticsearch) -> None:
    """Give every index its template, under its own name after ``workshop-``."""
    for index in INDICES:
        client.indices.put_index_template(name=f"workshop-{index}", **template(index))


def provision(url: str, known: dict[str, str]) -> dict[str, str]:
    """Set all of it up; the API keys as variables, new where those ``known`` do not work.

    ``known``: the variables of docker/.env. Templates are put, too, so that no writer makes
    an index of its own idea.
    """
    client = Elasticsearch(url, basic_auth=("elastic", known["ELASTIC_PASSWORD"]))
    try:
        client.security.change_password(username="kibana_system", password=known["KIBANA_PASSWORD"])
        for user, (variable, more) in USERS.items():
            client.security.put_role(name=user, **ROLES[user])
            client.security.put_user(username=user, password=known[variable], roles=[user, *more])
        put_templates(client)
        return {
            variable: known[variable]
            if works(url, known.get(variable, ""))
            else create(client, name)
            for name, variable in VARIABLES.items()
        }
    finally:
        client.close()


def works(url: str, key: str) -> bool:
    """Whether Elasticsearch knows ``key``; after its data was removed it does not."""
    if not key:
        return False
    client = Elasticsearch(url, api_key=key)
    try:
        client.security.authenticate()
    except AuthenticationException:
        return False
    finally:
        client.close()
    return True


def create(client: Elasticsearch, name: str) -> str:
    """A new API key ``name`` in its encoded form; earlier ones of that name are invalidated."""
    client.security.invalidate_api_key(name=f"workshop-{name}")
    made = client.security.create_api_key(
        name=f"workshop-{name}", role_descriptors={name: KEYS[name]}
    )
    return str(made["encoded"])
