"""The failure reasons of Stripe's codes."""

from typing import Any

import pytest

from server.domain.payment import Failure, FailureReason
from server.processors.stripe.failures import failure_of_code, failure_of_error, failure_of_object


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("insufficient_funds", FailureReason.INSUFFICIENT_FUNDS),
        ("expired_card", FailureReason.EXPIRED_METHOD),
        ("incorrect_cvc", FailureReason.INVALID_METHOD),
        ("authentication_required", FailureReason.AUTHENTICATION_REQUIRED),
        ("stolen_card", FailureReason.SUSPECTED_FRAUD),
        ("card_velocity_exceeded", FailureReason.LIMIT_EXCEEDED),
        ("processing_error", FailureReason.PROCESSOR_ERROR),
        ("do_not_honor", FailureReason.DECLINED),
        ("a_code_of_tomorrow", FailureReason.DECLINED),
        ("", FailureReason.DECLINED),
    ],
)
def test_a_code_has_its_reason(code: str, reason: FailureReason) -> None:
    assert failure_of_code(code) == Failure(reason, code)


def test_a_long_code_is_shortened_to_what_the_column_holds() -> None:
    assert len(failure_of_code("x" * 1000).code) == 255


def test_the_decline_code_of_an_error_is_more_precise_than_its_code() -> None:
    error = {"code": "card_declined", "decline_code": "insufficient_funds"}
    assert failure_of_error(error) == Failure(FailureReason.INSUFFICIENT_FUNDS, "insufficient_funds")
    assert failure_of_error({"code": "expired_card"}) == Failure(FailureReason.EXPIRED_METHOD, "expired_card")


@pytest.mark.parametrize(
    ("stripe_object", "failure"),
    [
        (
            {"status": "requires_payment_method", "last_payment_error": {"code": "expired_card"}},
            Failure(FailureReason.EXPIRED_METHOD, "expired_card"),
        ),
        ({"status": "requires_action"}, Failure(FailureReason.AUTHENTICATION_REQUIRED, "authentication_required")),
        (
            {"status": "canceled", "cancellation_reason": "fraudulent"},
            Failure(FailureReason.SUSPECTED_FRAUD, "fraudulent"),
        ),
        (
            {"status": "failed", "failure_reason": "lost_or_stolen_card"},
            Failure(FailureReason.SUSPECTED_FRAUD, "lost_or_stolen_card"),
        ),
        ({"status": "failed", "failure_reason": 7}, Failure(FailureReason.DECLINED, "")),
        ({"status": "canceled"}, Failure(FailureReason.DECLINED, "")),
    ],
)
def test_a_failed_object_has_its_reason(stripe_object: dict[str, Any], failure: Failure) -> None:
    assert failure_of_object(stripe_object) == failure
