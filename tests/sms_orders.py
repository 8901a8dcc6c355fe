"""Orders in the outbox as the stream leaves them, for the tests of the SMS server."""

from __future__ import annotations

from typing import Any

from workshop_lib.marketing.delivery import OutboxConsumer
from workshop_lib.marketing.outbox import decide, target_id
from workshop_lib.runtime.connections import redis_client
from workshop_lib.schema.names import SMS_DEAD, SMS_GROUP, SMS_OUTBOX
from workshop_lib.settings import Settings

NOON = 1_769_860_800_000  # 2026-01-31 12:00 UTC


def order(settings: Settings, *customers: int) -> list[str]:
    """One decided offer for each of these customers; the targets' ids."""
    client = redis_client(settings)
    ids = [target_id(customer, 1000 + customer) for customer in customers]
    for customer, id_ in zip(customers, ids, strict=True):
        target = {
            "target_id": id_,
            "campaign": "GOLD1DAY",
            "customer_id": customer,
            "event_id": 1000 + customer,
            "model_version": "v1",
            "decided_at": "2026-01-31T12:00:00.000Z",
        }
        assert decide(client, settings, target, NOON).status == "decided"
    return ids


def quick(settings: Settings, url: str, **other: Any) -> Settings:
    """Settings with short pauses, for a gateway at ``url``."""
    return settings.model_copy(
        update={
            "sms_url": url,
            "sms_timeout_seconds": 0.5,
            "sms_claim_seconds": 1.0,
            "sms_pause_seconds": 0.05,
            "sms_per_second": 1000.0,
            **other,
        }
    )


def pending(settings: Settings) -> int:
    """How many entries some worker holds."""
    return int(redis_client(settings).xpending(settings.key(SMS_OUTBOX), SMS_GROUP)["pending"])


def dead_letters(settings: Settings) -> list[dict[str, str]]:
    return [fields for _, fields in redis_client(settings).xrange(settings.key(SMS_DEAD))]


def empty(settings: Settings) -> bool:
    queue = OutboxConsumer(settings, "watcher")
    try:
        return queue.empty()
    finally:
        queue.client.close()
