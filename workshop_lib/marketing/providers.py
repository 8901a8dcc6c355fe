"""SMS providers: a table of them, each a function that sends one message (Stage 3).

In: a ``Message``. Out: a ``Receipt``, or one of three errors, which say what the SMS server is
to do: ``PermanentFailure`` (do not try again), ``TemporaryFailure`` (try again, so many times),
``ProviderUnreachable`` (wait for it, as long as it takes).

Every request carries the message's key, so that a provider which knows such keys delivers a
message once however often it is asked. The SMS server tries again, as it also looks at
opt-outs and at a wish to stop between two tries.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode, urlsplit

import urllib3

from workshop_lib.errors import WorkshopError
from workshop_lib.marketing.message import RESERVED, Message
from workshop_lib.runtime.disk import writing
from workshop_lib.settings import Settings


class Receipt(NamedTuple):
    """The provider's own id of the message; ``duplicate``: it had that key before."""

    id: str
    duplicate: bool = False


class PermanentFailure(Exception):
    """The provider does not accept this message, however often it is sent."""


class TemporaryFailure(Exception):
    """The provider did not accept the message this time."""


class ProviderUnreachable(Exception):
    """No connection: the message was not even seen."""


Send = Callable[[Message], Receipt]

#: Client errors that mean "not now".
_LATER: Final = (408, 409, 425, 429)


def provider(settings: Settings, name: str = "") -> Send:
    """The provider ``name`` (default: ``settings.sms_provider``).

    Raises ``WorkshopError`` for an unknown one, and for a gateway beyond this machine that
    was not asked for twice.
    """
    name = name or settings.sms_provider
    if name not in PROVIDERS:
        raise WorkshopError(f"There is no provider {name!r}.", f"Take {', '.join(PROVIDERS)}.")
    return PROVIDERS[name](settings)


def to_file(settings: Settings) -> Send:
    """Each message as a line of JSON in ``HOME/sms/sent.jsonl``; key and receipt are the same.

    ``OSError`` on a full disk: the message was not sent.
    """
    path = settings.home / "sms" / "sent.jsonl"

    def send(message: Message) -> Receipt:
        path.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps(message._asdict()).encode() + b"\n"
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            # One worker at a time, so that what did not fit can be taken back.
            fcntl.flock(handle, fcntl.LOCK_EX)
            size = os.fstat(handle).st_size
            with writing(path):
                if os.write(handle, line) < len(line):
                    os.ftruncate(handle, size)
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(handle)
        finally:
            os.close(handle)
        return Receipt(message.key)

    return send


def http(settings: Settings) -> Send:
    """POST {to, text} as JSON to ``/messages``; the key in the header Idempotency-Key."""
    post = _poster(settings)

    def send(message: Message) -> Receipt:
        body = json.dumps({"to": message.to, "text": message.text}).encode()
        answer = post("/messages", body, {"Content-Type": "application/json"}, message)
        return Receipt(_text(answer.get("id", "")), bool(answer.get("duplicate")))

    return send


def twilio(settings: Settings) -> Send:
    """The form of Twilio and of compatible gateways.

    Twilio itself knows no such keys: with it, a worker that dies between sending and
    recording so may send a message twice.
    """
    if not settings.sms_account:
        raise WorkshopError("No account of the provider.", "Set WORKSHOP_SMS_ACCOUNT and _TOKEN.")
    post = _poster(settings)
    path = f"/2010-04-01/Accounts/{settings.sms_account}/Messages.json"
    login = f"{settings.sms_account}:{settings.sms_token.get_secret_value()}"
    headers = urllib3.make_headers(basic_auth=login) | {
        "Content-Type": "application/x-www-form-urlencoded"
    }

    def send(message: Message) -> Receipt:
        form = {"To": message.to, "From": settings.sms_from, "Body": message.text}
        answer = post(path, urlencode(form).encode(), headers, message)
        return Receipt(_text(answer.get("sid", "")), bool(answer.get("duplicate")))

    return send


PROVIDERS: Final[dict[str, Callable[[Settings], Send]]] = {
    "file": to_file,
    "http": http,
    "twilio": twilio,
}


def _text(value: object) -> str:
    """``value`` as text that every store takes: no half surrogate pairs, not too long."""
    return str(value).encode("utf-8", "backslashreplace").decode()[:256]


def loopback(url: str) -> bool:
    """Whether ``url`` stays on this machine."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:  # such as half of an IPv6 address
        return False
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_live(settings: Settings) -> None:
    """``WorkshopError`` unless the gateway is local, or was asked for in both settings."""
    if loopback(settings.sms_url):
        return
    host = urlsplit(settings.sms_url).hostname or ""
    if not (host and settings.sms_live and settings.sms_live_host == host):
        raise WorkshopError(
            f"{settings.sms_url} is beyond this machine: that sends real messages.",
            "To allow it, set WORKSHOP_SMS_LIVE=true, WORKSHOP_SMS_LIVE_HOST to the"
            " gateway's host name, and WORKSHOP_SMS_ALLOWED_NUMBERS.",
        )
    if urlsplit(settings.sms_url).scheme != "https":
        raise WorkshopError("A live gateway needs https.", "Change WORKSHOP_SMS_URL.")


def check_number(settings: Settings, number: str) -> None:
    """``PermanentFailure`` for any but reserved numbers here, allowed ones beyond."""
    if loopback(settings.sms_url):
        if not RESERVED.fullmatch(number):
            raise PermanentFailure("the number is not of the range 555-0100 to 555-0199")
    elif number not in settings.sms_allowed_numbers:
        raise PermanentFailure("the number is not in WORKSHOP_SMS_ALLOWED_NUMBERS")


def _poster(settings: Settings) -> Callable[[str, bytes, dict[str, str], Message], dict[str, Any]]:
    """A function that posts to the gateway and reads the three errors from its answer."""
    check_live(settings)
    pool = urllib3.PoolManager(timeout=urllib3.Timeout(settings.sms_timeout_seconds))
    base = settings.sms_url.rstrip("/")

    def post(path: str, body: bytes, headers: dict[str, str], message: Message) -> dict[str, Any]:
        check_number(settings, message.to)
        try:
            # No redirects: they could lead off this machine.
            answer = pool.request(
                "POST",
                base + path,
                body=body,
                headers=headers | {"Idempotency-Key": message.key},
                retries=False,
                redirect=False,
            )
        except (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError):
            raise ProviderUnreachable(f"nobody answers at {base}") from None
        except urllib3.exceptions.HTTPError as error:  # it may have been seen
            raise TemporaryFailure(f"no answer: {type(error).__name__}") from None
        if 200 <= answer.status < 300:
            try:
                receipt = answer.json()
            except (ValueError, RecursionError):
                receipt = None
            return receipt if isinstance(receipt, dict) else {}
        reason = f"status {answer.status}: {answer.data[:200].decode('utf-8', 'replace')}"
        later = answer.status >= 500 or answer.status in _LATER
        raise (TemporaryFailure if later else PermanentFailure)(reason)

    return post
