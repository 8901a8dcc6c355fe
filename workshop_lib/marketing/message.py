"""What is sent, and where to: a text and a made-up phone number (Stage 3)."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

TEXT: Final = (
    "Your music, one day of Gold, at a reduced price: reply GOLD to take it. "
    "Reply STOP to get no more of these."
)
#: Area codes as they are given out: first digit 2–9, second 0–8, not ending in 11.
AREAS: Final = tuple(a for a in range(200, 990) if a // 10 % 10 != 9 and a % 100 != 11)
#: 555-0100 to 555-0199 are reserved for fiction: no message can ever reach a person.
RESERVED: Final = re.compile(r"\+1[2-9][0-9]{2}55501[0-9]{2}")


class Message(NamedTuple):
    """``key`` is the deduplication key, ``to`` a number like +12025550123."""

    key: str
    to: str
    text: str


def phone(customer_id: int) -> str:
    """The customer's number, always the same; two customers may share one beyond 69,000."""
    area = AREAS[customer_id // 100 % len(AREAS)]
    return f"+1{area}55501{customer_id % 100:02d}"
