"""What Stripe's answers say: the objects that it returns, checked against what was asked of it.

An object that is about something else, or about another amount of money, settles nothing: it is logged as an error, and
the payment or refund stays pending.
"""

from collections.abc import Mapping
from typing import Any

import structlog

from server.domain.errors import InvalidValue, OutcomeUnknown
from server.domain.money import Money
from server.domain.payment import Status
from server.domain.processing import Capture, GiveBack
from server.observability import metrics
from server.processors.stripe.amounts import money_from_stripe

PAYMENT_STATUSES = {
    "succeeded": Status.SUCCEEDED,
    "canceled": Status.FAILED,
    # The next step is this service's, which takes none: so nothing will be captured.
    "requires_payment_method": Status.FAILED,
    "requires_confirmation": Status.FAILED,
    # The request has error_on_requires_action, which fails the attempt: "Create a PaymentIntent" (docs.stripe.com/api).
    "requires_action": Status.FAILED,
}
REFUND_STATUSES = {"succeeded": Status.SUCCEEDED, "failed": Status.FAILED, "canceled": Status.FAILED}
"""What each final status means: "The PaymentIntent object" and "The Refund object" (docs.stripe.com/api)."""

_NOT_FINAL = frozenset({"processing", "pending", "requires_action"})
"""Any other status is unexpected. In requires_capture, which is never asked for, the money is held, but not taken."""

_log = structlog.get_logger(__name__)


def check_intent(found: Mapping[str, Any], asked: Capture) -> None:
    """Check that a PaymentIntent is the one that was asked for.

    Its metadata may be left out, because the idempotency key, or the id, tells already which request it answers.

    Raises:
        OutcomeUnknown: it is not.
    """
    wrong = _wrong(found, "payment_intent", asked.amount, text(found, "currency"))
    wrong += _wrong_metadata(found, {"reference": asked.reference})
    received = found.get("amount_received")
    if found.get("status") == "succeeded" and received is not None and received != found.get("amount"):
        wrong.append("amount_received")
    _refuse(wrong, found, payment_id=asked.payment_id)


def check_refund(found: Mapping[str, Any], asked: GiveBack) -> None:
    """Check that a Refund is the one that was asked for.

    Its currency, which is the one of its charge, and its metadata may be left out.

    Raises:
        OutcomeUnknown: it is not.
    """
    currency = asked.amount.currency.lower() if "currency" not in found else text(found, "currency")
    wrong = _wrong(found, "refund", asked.amount, currency)
    if found.get("payment_intent") != asked.processor_id:
        wrong.append("payment_intent")
    wrong += _wrong_metadata(found, {"reference": asked.reference, "refund_id": str(asked.refund_id)})
    _refuse(wrong, found, refund_id=asked.refund_id)


def final_status(found: Mapping[str, Any], statuses: Mapping[str, Status]) -> Status | None:
    """Return what became of a checked object; None when that is not final."""
    status = text(found, "status")
    final = None if status is None else statuses.get(status)
    if final is None and status not in _NOT_FINAL:
        _log.error("processor_status_unexpected", processor_id=text(found, "id"), status=status)
        metrics.count_processor_problem("wrong_answer")
    return final


def nested(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return an object inside another; an empty one where there is none."""
    value = body.get(name)
    return value if isinstance(value, dict) else {}


def text(body: Mapping[str, Any], name: str) -> str | None:
    """Return a string inside an object; None where there is none."""
    value = body.get(name)
    return value if isinstance(value, str) else None


def _wrong(found: Mapping[str, Any], kind: str, expected: Money, currency: str | None) -> list[str]:
    """Return the names of what is not as it should be, among what payments and refunds have alike."""
    wrong = [] if text(found, "id") else ["id"]
    if found.get("object") != kind:
        wrong.append("object")
    if currency != expected.currency.lower():
        wrong.append("currency")
    elif not _is_amount(found.get("amount"), expected):
        wrong.append("amount")
    return wrong


def _wrong_metadata(found: Mapping[str, Any], expected: Mapping[str, str]) -> list[str]:
    metadata = nested(found, "metadata")
    return [f"metadata.{name}" for name, value in expected.items() if metadata.get(name, value) != value]


def _is_amount(amount: object, expected: Money) -> bool:
    # Not isinstance, because True is an int.
    if type(amount) is not int:
        return False
    try:
        return money_from_stripe(expected.currency, amount) == expected
    except InvalidValue:
        return False


def _refuse(wrong: list[str], found: Mapping[str, Any], **named: int) -> None:
    if wrong:
        amount = found.get("amount"), found.get("currency")
        _log.error("processor_answer_wrong", wrong=wrong, amount=amount, processor_id=text(found, "id"), **named)
        metrics.count_processor_problem("wrong_answer")
        raise OutcomeUnknown(f"the processor answered with another {', '.join(wrong)} than was asked for")
