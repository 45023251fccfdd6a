"""Stripe's webhooks: checks signatures and reads events.

Based on "Verify webhook signatures manually" (docs.stripe.com/webhooks) and "Roll endpoint signing secrets".
"""

import hashlib
import hmac
import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from server.domain.late_outcomes import Hint
from server.processors.stripe.events import hint_of_event

SIGNATURE_HEADER = "stripe-signature"

_SCHEME = "v1"
_MAX_SIGNATURES = 16
"""While a secret is rolled, there is a signature for each active secret. More than these make no sense."""


class InvalidWebhook(Exception):
    """The webhook is not from the processor, or is not an event. The message is for its sender."""


class StripeWebhooks:
    """Reads webhooks that are signed with one of the secrets."""

    def __init__(self, secrets: Iterable[str], *, tolerance_seconds: float, now: Callable[[], datetime]) -> None:
        """Accept signatures with any of ``secrets``, whose time is within ``tolerance_seconds`` of ``now``."""
        self._secrets = [secret.encode() for secret in secrets]
        self._tolerance_seconds = tolerance_seconds
        self._now = now

    def hint(self, body: bytes, signatures: list[str]) -> Hint | None:
        """Return the hint of a webhook with this body and these signature headers; None if it names no payment.

        Raises:
            InvalidWebhook: the signature is missing, wrong or too old, or the body is not an event.
        """
        if len(signatures) != 1:
            raise InvalidWebhook(f"the header {SIGNATURE_HEADER} must be sent once")
        self._check_signature(body, signatures[0])
        return hint_of_event(_event(body))

    def _check_signature(self, body: bytes, header: str) -> None:
        parts = [part.strip().partition("=") for part in header.split(",")]
        times = [value for name, _, value in parts if name == "t"]
        given = [value for name, _, value in parts if name == _SCHEME]
        if len(times) != 1 or not (times[0].isascii() and times[0].isdigit()):
            raise InvalidWebhook("the signature must have one time, t=")
        if not 0 < len(given) <= _MAX_SIGNATURES:
            raise InvalidWebhook(f"the signature must have 1 to {_MAX_SIGNATURES} values, {_SCHEME}=")
        message = times[0].encode() + b"." + body
        expected = [hmac.new(secret, message, hashlib.sha256).hexdigest() for secret in self._secrets]
        if not any(hmac.compare_digest(one.encode(), other.encode()) for one in expected for other in given):
            raise InvalidWebhook("the signature does not match the body")
        # Checked last, so that only the processor learns how far the clocks are apart.
        if abs(self._now().timestamp() - int(times[0][:20])) > self._tolerance_seconds:
            raise InvalidWebhook(f"the signature must not be older than {self._tolerance_seconds:g} seconds")


def _event(body: bytes) -> Mapping[str, Any]:
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        raise InvalidWebhook("the body must be JSON") from None
    if not isinstance(event, dict) or event.get("object") != "event":
        raise InvalidWebhook("the body must be an event")
    return event
