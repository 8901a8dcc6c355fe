"""The outbox: where the stream leaves what the SMS server sends (Stage 3).

In: a listener whom the model chose, and the play that triggered it. Out: a target and an
entry of the Redis stream ``sms:outbox``, or the status that says why not. ``decide.lua`` does
it in one step, so a batch that is written again, or two workers at once, make no second entry.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, NamedTuple

import redis

from workshop_lib.marketing.message import TEXT, phone
from workshop_lib.schema.names import OPTOUTS, SMS_OUTBOX, cap_key, cooldown_key, last_target_key
from workshop_lib.schema.play import when
from workshop_lib.schema.world import OFFER_CAMPAIGN
from workshop_lib.settings import Settings

DECIDE: Final = Path(__file__).with_name("decide.lua").read_text(encoding="utf-8")
DAY_MS: Final = 86_400_000

#: Fields of a target that the outbox entry carries too, beside phone and text.
CARRIED: Final = ("target_id", "campaign", "customer_id", "event_id", "model_version", "decided_at")


class OfferDecision(NamedTuple):
    """``status``: decided, again (the same event, before), opted out, cool-down or cap.

    ``target``: the document of index ``targets``, with status decided and again only.
    """

    status: str
    target: dict[str, Any] | None


def target_id(customer_id: int, event_id: int, campaign: str = OFFER_CAMPAIGN) -> str:
    """The id of a target: it is also the message's deduplication key."""
    return f"{campaign}-{customer_id}-{event_id}"


def decide(
    client: redis.Redis,
    settings: Settings,
    target: dict[str, Any],
    played_ms: int,
    script: str = DECIDE,
) -> OfferDecision:
    """Make ``target`` (fields of index ``targets``) an offer, unless something forbids it.

    ``played_ms`` is the triggering play's event time, in ms since 1970: the cool-down and the
    day of the cap go by it, so a squeezed replay behaves like the real days.
    """
    campaign, customer = target["campaign"], target["customer_id"]
    entry = {name: target[name] for name in CARRIED} | {"phone": phone(customer), "text": TEXT}
    keys = (
        cooldown_key(campaign, customer),
        cap_key(campaign, when(played_ms)[:10]),
        OPTOUTS,
        last_target_key(customer),
        SMS_OUTBOX,
    )
    status, *known = client.eval(
        script,
        len(keys),
        *map(settings.key, keys),
        str(customer),
        str(target["event_id"]),
        str(played_ms),
        str(round(settings.offer_cooldown_days * DAY_MS)),
        str(settings.offer_daily_cap),
        json.dumps(target),
        *(str(part) for pair in entry.items() for part in pair),
    )
    return OfferDecision(status, json.loads(known[0]) if known else None)
