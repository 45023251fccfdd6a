"""The failure reasons of Stripe's codes: "Decline codes", "Error codes" and "Failed refunds" (docs.stripe.com)."""

from collections.abc import Mapping
from typing import Any

from server.domain.payment import Failure, FailureReason
from server.processors.stripe.responses import PLACEHOLDER, nested, text

_CODES = {
    FailureReason.INSUFFICIENT_FUNDS: "insufficient_funds",
    FailureReason.EXPIRED_METHOD: "expired_card expired_or_canceled_card",
    FailureReason.INVALID_METHOD: (
        "card_not_supported currency_not_supported incorrect_address incorrect_cvc incorrect_number incorrect_zip "
        "invalid_account invalid_cvc invalid_expiry_month invalid_expiry_year invalid_number "
        "new_account_information_available not_permitted restricted_card service_not_allowed transaction_not_allowed"
    ),
    FailureReason.AUTHENTICATION_REQUIRED: (
        "abandoned authentication_not_handled authentication_required incorrect_pin invalid_pin "
        "mobile_device_authentication_required offline_pin_required online_or_offline_pin_required "
        "payment_intent_authentication_failure"
    ),
    FailureReason.SUSPECTED_FRAUD: (
        "fraudulent lost_card lost_or_stolen_card merchant_blacklist pickup_card security_violation stolen_card"
    ),
    FailureReason.LIMIT_EXCEEDED: (
        "amount_too_large amount_too_small card_velocity_exceeded invalid_amount pin_try_exceeded "
        "withdrawal_count_limit_exceeded"
    ),
    FailureReason.PROCESSOR_ERROR: (
        "approve_with_id issuer_not_available processing_error reenter_transaction try_again_later"
    ),
}
_REASONS = {code: reason for reason, codes in _CODES.items() for code in codes.split()}

_MAX_CODE_LENGTH = 255

NEVER_RECEIVED = Failure(FailureReason.PROCESSOR_ERROR, "never_received")
"""The failure of a charge whose request the processor has not received. This is not a code of Stripe."""


def failure_of_code(code: str) -> Failure:
    """Return the failure of a code. A code that is not in the table is a decline for another reason."""
    return Failure(_REASONS.get(code, FailureReason.DECLINED), code[:_MAX_CODE_LENGTH])


def failure_of_error(error: Mapping[str, Any]) -> Failure:
    """Return the failure of an error object, whose decline code is more precise than its code."""
    return failure_of_code(text(error, "decline_code") or text(error, "code") or "")


def failure_of_object(stripe_object: Mapping[str, Any]) -> Failure:
    """Return the failure of a PaymentIntent or a Refund with a failed status."""
    if PLACEHOLDER in nested(stripe_object, "metadata"):
        return NEVER_RECEIVED
    if error := nested(stripe_object, "last_payment_error"):
        return failure_of_error(error)
    if text(stripe_object, "status") == "requires_action":
        return failure_of_code("authentication_required")
    return failure_of_code(text(stripe_object, "failure_reason") or text(stripe_object, "cancellation_reason") or "")
