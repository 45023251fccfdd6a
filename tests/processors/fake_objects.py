"""The objects of the faulty processor, and the payment sources that it knows."""

import time
from dataclasses import dataclass, field
from typing import Any

DECLINED = "pm_declined"
"""A payment method whose charges are always declined."""

NEEDS_REDIRECT = "pm_redirect"
"""The beginning of the payment methods whose payer must approve each charge in the browser."""

NEEDS_PHONE = "pm_phone"
"""The beginning of the payment methods whose payer must approve each charge on the phone."""

MISSING = "pm_missing"
"""A payment method that does not exist. All other names are payment methods whose charges succeed."""

APPROVAL_PAGE = "https://processor.example/approve/"
"""The beginning of the page on which a payer approves a charge."""


@dataclass(slots=True)
class FakeIntent:
    """A PaymentIntent of the processor."""

    processor_id: str
    reference: str
    amount_minor: int
    currency: str
    status: str
    created_seconds: float = field(default_factory=time.time)
    metadata: dict[str, str] = field(default_factory=dict)
    next_action: dict[str, Any] | None = None
    error_code: str | None = None
    cancellation_reason: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the object of a response."""
        body: dict[str, Any] = {
            "id": self.processor_id,
            "object": "payment_intent",
            "amount": self.amount_minor,
            "amount_received": self.amount_minor if self.status == "succeeded" else 0,
            "created": int(self.created_seconds),
            "currency": self.currency,
            "status": self.status,
            "metadata": {"reference": self.reference, **self.metadata},
        }
        if self.status == "requires_action":
            body["next_action"] = self.next_action
        if self.error_code is not None:
            body["last_payment_error"] = {"type": "card_error", "code": self.error_code}
        if self.cancellation_reason is not None:
            body["cancellation_reason"] = self.cancellation_reason
        return body


@dataclass(slots=True)
class FakeRefund:
    """A Refund of the processor."""

    processor_id: str
    intent_id: str
    refund_id: str
    amount_minor: int
    currency: str
    status: str
    failure_reason: str | None = None

    @property
    def has_failed(self) -> bool:
        """Whether its amount was not refunded, and can be refunded again."""
        return self.status in {"failed", "canceled"}

    def as_json(self) -> dict[str, Any]:
        """Return the object of a response."""
        failure = {} if self.failure_reason is None else {"failure_reason": self.failure_reason}
        return {
            "id": self.processor_id,
            "object": "refund",
            "amount": self.amount_minor,
            "currency": self.currency,
            "payment_intent": self.intent_id,
            "status": self.status,
            "metadata": {"refund_id": self.refund_id},
            **failure,
        }


@dataclass(slots=True)
class FakeDispute:
    """A Dispute of the processor."""

    processor_id: str
    intent_id: str
    amount_minor: int
    currency: str
    reason: str
    status: str

    @property
    def is_open(self) -> bool:
        """Whether the bank has not decided yet."""
        return self.status in {"needs_response", "under_review"}

    def as_json(self) -> dict[str, Any]:
        """Return the object of a response."""
        return {
            "id": self.processor_id,
            "object": "dispute",
            "amount": self.amount_minor,
            "currency": self.currency,
            "payment_intent": self.intent_id,
            "reason": self.reason,
            "status": self.status,
            "metadata": {},
        }


FakeObject = FakeIntent | FakeRefund | FakeDispute


def next_action_of(source: str, return_url: str | None) -> dict[str, Any] | None:
    """Return what the payer of a charge with this payment method must do; None if nothing."""
    if source.startswith(NEEDS_PHONE):
        return {"type": "blik_authorize", "blik_authorize": {}}
    if not source.startswith(NEEDS_REDIRECT):
        return None
    if return_url is None:
        # The page that created the payment method would have to show the approval.
        return {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect"}}
    return {"type": "redirect_to_url", "redirect_to_url": {"url": f"{APPROVAL_PAGE}{source}", "return_url": return_url}}
