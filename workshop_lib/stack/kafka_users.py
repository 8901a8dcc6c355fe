"""Who may do what in Kafka: the least that each needs. Both stacks use it.

In: a client of the user who may do all. Out: ACLs. Without one that allows it, nothing is allowed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from kafka import KafkaAdminClient
from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
    UserScramCredentialUpsertion,
)

from workshop_lib.errors import WorkshopError
from workshop_lib.schema.names import DEAD_LETTER_TOPIC, PLAYS_TOPIC

MECHANISM: Final = "SCRAM-SHA-256"
#: Users of single services, each with the least that it needs.
SHIPPER_SERVICE: Final = "shipper"
STREAM_SERVICE: Final = "stream"
READER_SERVICE: Final = "reader"
#: May do all: the broker itself, ``workshop up`` for the rights below, and tests.
ADMIN: Final = "admin"


class Right(NamedTuple):
    """``resource``: topic, group or cluster; ``name``: all, where it is ``*``."""

    resource: str
    name: str
    operations: tuple[str, ...]


def _topics(*operations: str) -> tuple[Right, ...]:
    return tuple(Right("topic", name, operations) for name in (PLAYS_TOPIC, DEAD_LETTER_TOPIC))


#: Its id, brokers and groups: to know whose it is, and whether it is well.
SEE_CLUSTER: Final = Right("cluster", "kafka-cluster", ("describe",))
#: User → what it may do. Who may read or write a topic may describe it.
RIGHTS: Final[dict[str, tuple[Right, ...]]] = {
    # Commands and notebooks: topics and groups of every name space, as Kafka's patterns know
    # beginnings of names only. No right, no user, no setting; a retention stays as it is.
    "kit": (
        Right("topic", "*", ("read", "write", "create", "delete", "describe_configs")),
        Right("group", "*", ("read", "describe", "delete")),
        SEE_CLUSTER,
    ),
    # `workshop ship`, and Logstash.
    SHIPPER_SERVICE: _topics("write"),
    # `workshop stream`: it asks for the ends of both topics.
    STREAM_SERVICE: (
        Right("topic", PLAYS_TOPIC, ("read",)),
        Right("topic", DEAD_LETTER_TOPIC, ("write",)),
    ),
    # `workshop verify`, `dlq show`.
    READER_SERVICE: _topics("read"),
    "health": (SEE_CLUSTER,),
}
SERVICES: Final = (SHIPPER_SERVICE, STREAM_SERVICE, READER_SERVICE)
ALL: Final = (*RIGHTS, ADMIN)
#: Finds every ACL.
ANY: Final = ACLFilter(
    *(None, None, ACLOperation.ANY, ACLPermissionType.ANY),
    ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY),
)


def acls() -> set[ACL]:
    """The table above as Kafka has it."""
    return {
        ACL(
            principal=f"User:{user}",
            host="*",
            operation=ACLOperation[operation.upper()],
            permission_type=ACLPermissionType.ALLOW,
            resource_pattern=ResourcePattern(ResourceType[right.resource.upper()], right.name),
        )
        for user, rights in RIGHTS.items()
        for right in rights
        for operation in right.operations
    }


def put_rights(client: KafkaAdminClient) -> None:
    """Kafka's ACLs are those of the table: none is missing and there is no other."""
    found, wanted = set(client.describe_acls(ANY)[0]), acls()
    failed = []
    if wanted - found:
        failed += client.create_acls(sorted(wanted - found, key=repr))["failed"]
    if found - wanted:
        done = client.delete_acls([_only(acl) for acl in found - wanted])
        failed += [error for _, _, error in done if error.errno]
    if failed:
        raise WorkshopError(f"Kafka does not take the rights of its users: {failed[0]}.")


def _only(acl: ACL) -> ACLFilter:
    pattern = acl.resource_pattern
    same = ResourcePatternFilter(pattern.resource_type, pattern.resource_name, pattern.pattern_type)
    return ACLFilter(acl.principal, acl.host, acl.operation, acl.permission_type, same)


def put_users(client: KafkaAdminClient, passwords: Mapping[str, str]) -> None:
    """Add the users that a newer kit has and Kafka's data were made without."""
    known = client.describe_user_scram_credentials()
    new = [
        UserScramCredentialUpsertion(user, MECHANISM, word)
        for user, word in passwords.items()
        if user not in known
    ]
    if new:
        client.alter_user_scram_credentials(new)
