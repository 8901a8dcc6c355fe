"""An entry of the Redis stream ``sms:outbox``: its fields and their limits, once.

What index ``sms`` and the header of a request would refuse is malformed, so that it is known
before anything is sent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from workshop_lib.schema.play import MAX_INT, MAX_LONG

#: Field → pattern of the whole text.
FIELDS: Final = {
    "target_id": r"[!-\[\]-~]{1,512}",  # no backslash: that was no UTF-8
    "campaign": r"(?s).{1,256}",
    "customer_id": r"[0-9]{1,10}",
    "event_id": r"[0-9]{1,19}",
    "decided_at": r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,3})?Z",
    "phone": r"(?s).{1,32}",
    "text": r"(?s).+",
}
_LARGEST: Final = {"customer_id": MAX_INT, "event_id": MAX_LONG}


def parse_fields(fields: Mapping[str, str]) -> dict[str, Any]:
    """``FIELDS`` with their types; ``ValueError`` says what is wrong with the entry."""
    for name, pattern in FIELDS.items():
        if name not in fields:
            raise ValueError(f"no {name}")
        if not re.fullmatch(pattern, fields[name]):
            raise ValueError(f"{name} is wrong: {fields[name][:40]!r}")
    parsed: dict[str, Any] = {name: fields[name] for name in FIELDS}
    for name, largest in _LARGEST.items():
        parsed[name] = int(fields[name])
        if parsed[name] > largest:
            raise ValueError(f"{name} is larger than {largest}")
    try:
        datetime.fromisoformat(fields["decided_at"])
    except ValueError as error:
        raise ValueError(f"decided_at is no date: {error}") from None
    return parsed
