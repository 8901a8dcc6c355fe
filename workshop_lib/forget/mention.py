"""Whether a text is about a listener: a line of the log, JSON, a dead letter, a line of a log."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from workshop_lib.schema.world import OFFER_CAMPAIGN

Mentions = Callable[[bytes], bool]


def mentions(customer: int) -> Mentions:
    """Says of a text whether it is about ``customer``. A dead letter is asked for its bytes."""
    number = rb"0*%d" % customer
    patterns = (
        rb'^[^,\n]*,[ \t]*"?%b"?[ \t]*(?:,|$)' % number,  # a line of the recording or the log
        rb"(?:customer_?id|CustID)[\"']?\s*[:=]\s*[\"']?%b(?![\d.])" % number,  # JSON, a log
        rb"\b(?:customer|listener)s?[ #:]+%b\b" % number,  # words
        rb"\b%b-%b-\d+\b" % (re.escape(OFFER_CAMPAIGN).encode(), number),  # the id of a target
        rb"\b(?:interests|targets|cooldown:[^:\s]+):%b\b" % number,  # a key of Redis
    )
    found = re.compile(b"|".join(b"(?:%b)" % each for each in patterns), re.MULTILINE | re.I)
    digits = b"%d" % customer

    def about(text: bytes) -> bool:
        if digits in text and found.search(text):  # most lines are told by the first half
            return True
        if b'"base64"' not in text:
            return False
        with suppress(ValueError, TypeError):
            letter = json.loads(text)
            if isinstance(letter, dict) and isinstance(letter.get("base64"), str):
                return bool(found.search(base64.b64decode(letter["base64"])))
        return False

    return about


def without(value: Any, customer: int) -> Any:
    """``value`` of JSON without the objects, in any list of it, that carry ``customer``."""
    if isinstance(value, dict):
        return {name: without(each, customer) for name, each in value.items()}
    if isinstance(value, list):
        kept = (x for x in value if not (isinstance(x, dict) and x.get("customer_id") == customer))
        return [without(each, customer) for each in kept]
    return value
