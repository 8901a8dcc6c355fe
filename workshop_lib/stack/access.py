"""Who may do what in an Elasticsearch with security: the least that each needs.

In: the password of ``elastic``. Out: an API key each for the kit, Logstash and the page, the
password that Kibana signs in with, and a person who may look at everything in Kibana.
"""

from __future__ import annotations

from typing import Any, Final

from elasticsearch import AuthenticationException, Elasticsearch

from workshop_lib import contracts
from workshop_lib.stack import templates

#: All indices, also those with a namespace before their name.
ALL: Final = [name for index in contracts.INDICES for name in (index, f"*-{index}")]

Role = dict[str, Any]
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
    "logstash": {
        "cluster": ["monitor"],  # version and licence, which it asks for when it starts
        "indices": [{"names": ["plays-raw"], "privileges": ["create_index", "index"]}],
    },
    "web": {
        "cluster": ["monitor"],
        "indices": [{"names": ALL, "privileges": ["read", "view_index_metadata"]}],
    },
}
#: What the person in Kibana may do beside using Kibana: read.
LEARNER: Final = "workshop"
LEARNER_ROLE: Final[Role] = {
    "indices": [{"names": ALL, "privileges": ["read", "view_index_metadata"]}]
}
#: Name of a key → the variable that holds it in docker/.env.
VARIABLES: Final = {name: f"{name.upper()}_API_KEY" for name in KEYS}


def provision(url: str, known: dict[str, str]) -> dict[str, str]:
    """Set all of it up; the API keys as variables, new where those ``known`` do not work.

    ``known``: the variables of docker/.env. Templates are put, too, so that no writer makes
    an index of its own idea.
    """
    client = Elasticsearch(url, basic_auth=("elastic", known["ELASTIC_PASSWORD"]))
    try:
        client.security.change_password(username="kibana_system", password=known["KIBANA_PASSWORD"])
        client.security.put_role(name=LEARNER, **LEARNER_ROLE)
        client.security.put_user(
            username=LEARNER, password=known["LEARNER_PASSWORD"], roles=[LEARNER, "kibana_admin"]
        )
        templates.put_all(client)
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
