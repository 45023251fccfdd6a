"""Stripe's events as hints: "The Event object" and "Types of events" (docs.stripe.com/api/events).

The object in an event is as it was when the event was created, and may be outdated, so only its identifiers are used.
"""

from collections.abc import Mapping
from typing import Any

from server.domain.late_outcomes import Hint
from server.domain.payment import MAX_PROCESSOR_REFERENCE_LENGTH, MAX_REFERENCE_LENGTH
from server.processors.stripe.responses import nested, text

EVENT_TYPES = (
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.canceled",
    "payment_intent.requires_action",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.refund.updated",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_reinstated",
    "charge.dispute.funds_withdrawn",
)
"""The types that are about payments, refunds or disputes: at most 20, the limit of a list."""


def hint_of_event(event: Mapping[str, Any]) -> Hint | None:
    """Return the hint of an event; None if it does not name a payment."""
    subject = nested(nested(event, "data"), "object")
    is_intent = text(subject, "object") == "payment_intent"
    processor_id = _usable(text(subject, "id" if is_intent else "payment_intent"), MAX_PROCESSOR_REFERENCE_LENGTH)
    reference = _usable(text(nested(subject, "metadata"), "reference"), MAX_REFERENCE_LENGTH)
    if processor_id is None and reference is None:
        return None
    return Hint(processor_id, reference)


def _usable(value: str | None, max_length: int) -> str | None:
    """Return an identifier; None if it cannot be one of a payment, as one that is too long or cannot be encoded."""
    return value if value and len(value) <= max_length and value.isprintable() else None
