"""The meaning of Stripe's responses: the objects that it returns, checked against the request.

An object that does not match the request, such as one with another amount, settles nothing: it is logged as an error,
and the payment or refund stays pending.
"""

from collections.abc import Mapping
from typing import Any

import structlog

from server.domain.errors import InvalidValue, OutcomeUnknown
from server.domain.money import Money
from server.domain.payment import Status
from server.domain.processing import Capture, ProcessorRefund
from server.observability import metrics
from server.processors.stripe.amounts import money_from_stripe

PAYMENT_STATUSES = {
    "succeeded": Status.SUCCEEDED,
    "canceled": Status.FAILED,
    # These two wait for a step that this service never takes, so nothing will be captured.
    "requires_payment_method": Status.FAILED,
    "requires_confirmation": Status.FAILED,
    # error_on_requires_action in the request fails the attempt: "Create a PaymentIntent" (docs.stripe.com/api).
    "requires_action": Status.FAILED,
}
OWN_SOURCE_STATUSES = {status: final for status, final in PAYMENT_STATUSES.items() if status != "requires_action"}
"""The outcomes of payments with the payer's own means of payment, for which an action may be required."""

PLACEHOLDER = "placeholder"
"""The metadata of a PaymentIntent that takes the place of a charge that the processor has not received."""

REFUND_STATUSES = {"succeeded": Status.SUCCEEDED, "failed": Status.FAILED, "canceled": Status.FAILED}
"""The outcome of each final status: "The PaymentIntent object" and "The Refund object" (docs.stripe.com/api)."""

_NOT_FINAL = frozenset({"processing", "pending", "requires_action"})
"""Statuses that may still change. Any status that is neither here nor above is unexpected, such as requires_capture,
which this service never requests: the money is held but not captured.
"""

_log = structlog.get_logger(__name__)


def check_intent(intent: Mapping[str, Any], request: Capture) -> None:
    """Check that a PaymentIntent matches the request.

    Its metadata may be missing, because the idempotency key, or the id, already identifies the request.

    Raises:
        OutcomeUnknown: the PaymentIntent does not match.
    """
    mismatches = _mismatches(intent, "payment_intent", request.amount, text(intent, "currency"))
    mismatches += _metadata_mismatches(intent, {"reference": request.reference})
    received = intent.get("amount_received")
    if intent.get("status") == "succeeded" and received is not None and received != intent.get("amount"):
        mismatches.append("amount_received")
    _raise_for(mismatches, intent, payment_id=request.payment_id)


def check_refund(refund: Mapping[str, Any], request: ProcessorRefund) -> None:
    """Check that a Refund matches the request.

    Its metadata may be missing. Its currency may be missing too, because it is always that of the charge.

    Raises:
        OutcomeUnknown: the Refund does not match.
    """
    currency = request.amount.currency.lower() if "currency" not in refund else text(refund, "currency")
    mismatches = _mismatches(refund, "refund", request.amount, currency)
    if refund.get("payment_intent") != request.processor_id:
        mismatches.append("payment_intent")
    mismatches += _metadata_mismatches(refund, {"reference": request.reference, "refund_id": str(request.refund_id)})
    _raise_for(mismatches, refund, refund_id=request.refund_id)


def final_status(stripe_object: Mapping[str, Any], statuses: Mapping[str, Status]) -> Status | None:
    """Return the outcome of a checked object; None if its status is not final."""
    status = text(stripe_object, "status")
    final = None if status is None else statuses.get(status)
    if final is None and status not in _NOT_FINAL:
        _log.error("processor_status_unexpected", processor_id=text(stripe_object, "id"), status=status)
        metrics.count_processor_problem("wrong_answer")
    return final


def nested(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a nested object; an empty one if there is none."""
    value = body.get(name)
    return value if isinstance(value, dict) else {}


def text(body: Mapping[str, Any], name: str) -> str | None:
    """Return a string field of an object; None if there is none."""
    value = body.get(name)
    return value if isinstance(value, str) else None


def integer(body: Mapping[str, Any], name: str) -> int | None:
    """Return an integer field of an object; None if there is none."""
    value = body.get(name)
    # Not isinstance, because True is an int.
    return value if type(value) is int else None


def _mismatches(stripe_object: Mapping[str, Any], kind: str, expected: Money, currency: str | None) -> list[str]:
    """Return the names of the mismatched fields, among those that payments and refunds share."""
    mismatches = [] if text(stripe_object, "id") else ["id"]
    if stripe_object.get("object") != kind:
        mismatches.append("object")
    if currency != expected.currency.lower():
        mismatches.append("currency")
    elif not _is_amount(integer(stripe_object, "amount"), expected):
        mismatches.append("amount")
    return mismatches


def _metadata_mismatches(stripe_object: Mapping[str, Any], expected: Mapping[str, str]) -> list[str]:
    metadata = nested(stripe_object, "metadata")
    return [f"metadata.{name}" for name, value in expected.items() if metadata.get(name, value) != value]


def _is_amount(amount: int | None, expected: Money) -> bool:
    if amount is None:
        return False
    try:
        return money_from_stripe(expected.currency, amount) == expected
    except InvalidValue:
        return False


def _raise_for(mismatches: list[str], stripe_object: Mapping[str, Any], **ids: int) -> None:
    if mismatches:
        amount = stripe_object.get("amount"), stripe_object.get("currency")
        _log.error(
            "processor_answer_wrong", wrong=mismatches, amount=amount, processor_id=text(stripe_object, "id"), **ids
        )
        metrics.count_processor_problem("wrong_answer")
        raise OutcomeUnknown(f"the processor's response does not match the request in {', '.join(mismatches)}")
