"""The rules of payments and refunds, and the validation of their fields."""

from dataclasses import replace

import pytest

from server.domain.errors import (
    InvalidRequest,
    InvalidValue,
    PaymentFailed,
    PaymentPending,
    PaymentsError,
    RefundExceedsPayment,
)
from server.domain.money import Money
from server.domain.payment import (
    Failure,
    FailureReason,
    Payment,
    RefundState,
    Status,
    identifier,
    order_of_charge,
    processor_reference,
    reason,
    reference,
)
from server.domain.processing import Capture, ProcessorRefund
from tests.support.fakes import NOW, new_refund, stored_payment, stored_refund

PAID = stored_payment(1, Status.SUCCEEDED)
PARTLY_REFUNDED = stored_payment(1, Status.SUCCEEDED, refunded=100)
FULLY_REFUNDED = stored_payment(1, Status.SUCCEEDED, refunded=56_100)


def inr(amount_minor: int) -> Money:
    return Money("INR", amount_minor)


@pytest.mark.parametrize(
    ("payment", "requested", "allowed"),
    [
        (PAID, None, 56_100),
        (PAID, 56_100, 56_100),
        (PAID, 1, 1),
        (PARTLY_REFUNDED, None, 56_000),
        (PARTLY_REFUNDED, 56_000, 56_000),
        (PARTLY_REFUNDED, 55_999, 55_999),
    ],
)
def test_the_remaining_amount_can_be_refunded_fully_or_partly(
    payment: Payment, requested: int | None, allowed: int
) -> None:
    assert payment.amount_to_refund(None if requested is None else inr(requested)) == inr(allowed)


@pytest.mark.parametrize(
    ("payment", "requested", "error"),
    [
        (stored_payment(1, Status.FAILED), None, PaymentFailed),
        (stored_payment(1, Status.PENDING), None, PaymentPending),
        (PAID, inr(56_101), RefundExceedsPayment),
        (PARTLY_REFUNDED, inr(56_001), RefundExceedsPayment),
        (FULLY_REFUNDED, None, RefundExceedsPayment),
        (FULLY_REFUNDED, inr(1), RefundExceedsPayment),
        (replace(PAID, is_refunded=True), None, RefundExceedsPayment),
        (replace(FULLY_REFUNDED, is_refunded=False), None, RefundExceedsPayment),
        (replace(PAID, amount=None), None, RefundExceedsPayment),
        (replace(PAID, refunded_amount=None), None, RefundExceedsPayment),
        (replace(PAID, amount=inr(0)), None, RefundExceedsPayment),
        (PAID, Money("USD", 1), InvalidRequest),
    ],
    ids=str,
)
def test_any_other_refund_is_rejected(payment: Payment, requested: Money | None, error: type[PaymentsError]) -> None:
    with pytest.raises(error):
        payment.amount_to_refund(requested)


def test_the_error_for_a_refund_that_is_too_large_names_the_remaining_amount() -> None:
    with pytest.raises(RefundExceedsPayment, match=r"^only 560\.00 INR is left to refund$"):
        PARTLY_REFUNDED.amount_to_refund(inr(56_001))


def test_the_error_for_a_refund_in_another_currency_names_the_field_and_the_currency_of_the_payment() -> None:
    with pytest.raises(InvalidRequest) as rejected:
        PAID.amount_to_refund(Money("USD", 1))
    (violation,) = rejected.value.violations
    assert (violation.field, violation.description) == (
        "amount.currency_code",
        "must be the payment's currency, INR",
    )


def test_a_refund_adds_to_the_refunded_amount_until_the_payment_is_refunded() -> None:
    assert PAID.after_refund_of(inr(100)) == PARTLY_REFUNDED
    assert PARTLY_REFUNDED.after_refund_of(inr(56_000)) == FULLY_REFUNDED


@pytest.mark.parametrize(
    ("payment", "state"),
    [
        (PAID, RefundState.NONE),
        (PARTLY_REFUNDED, RefundState.PARTIAL),
        (FULLY_REFUNDED, RefundState.FULL),
        (replace(PAID, is_refunded=True), RefundState.FULL),
        (replace(PAID, refunded_amount=None), RefundState.NONE),
        (replace(PAID, refunded_amount=inr(-1)), RefundState.NONE),
    ],
    ids=str,
)
def test_the_refund_state_says_how_much_was_refunded(payment: Payment, state: RefundState) -> None:
    assert payment.refund_state is state


@pytest.mark.parametrize(
    ("payment", "amount", "request_id", "repeats"),
    [
        (FULLY_REFUNDED, None, None, True),
        (FULLY_REFUNDED, 56_100, None, True),
        (FULLY_REFUNDED, 56_000, None, False),
        (FULLY_REFUNDED, None, "named", False),
        (PARTLY_REFUNDED, None, None, False),
    ],
)
def test_only_a_full_refund_without_a_request_id_repeats_an_earlier_full_refund(
    payment: Payment, amount: int | None, request_id: str | None, *, repeats: bool
) -> None:
    assert payment.is_full_refund_repeated_by(new_refund(1, amount, request_id)) is repeats


def test_a_payment_or_refund_before_its_outcome_is_pending_and_unknown_to_the_processor() -> None:
    failure = Failure(FailureReason.DECLINED, "declined")
    payment = replace(stored_payment(1, Status.FAILED), failure=failure, processor_reference="pi_1")
    refund = replace(stored_refund(1, 1, Status.FAILED), failure=failure, processor_reference="re_1")
    assert payment.before_outcome() == stored_payment(1, Status.PENDING)
    assert refund.before_outcome() == stored_refund(1, 1, Status.PENDING)


def test_requests_to_a_processor_have_the_values_of_the_payment_and_refund() -> None:
    payment = stored_payment(3)
    assert Capture.of(payment) == Capture(3, 7, "R3", inr(56_100), payment.method, NOW)
    assert ProcessorRefund.of(stored_refund(5, 3, amount=40), payment, "pi_3") == ProcessorRefund(
        5, "R3", inr(40), "pi_3", NOW
    )


def test_identifiers_are_1_or_more() -> None:
    assert identifier(1) == 1
    for invalid in (0, -1):
        with pytest.raises(InvalidValue):
            identifier(invalid)


def test_the_order_of_a_charge_may_be_left_out_if_it_has_an_external_reference() -> None:
    assert order_of_charge(1, "") == 1
    assert order_of_charge(0, "ORD-7") == 0
    for invalid, external_reference in ((0, ""), (-1, ""), (-1, "ORD-7")):
        with pytest.raises(InvalidValue, match="external_reference"):
            order_of_charge(invalid, external_reference)


def test_a_processor_reference_has_1_to_255_characters() -> None:
    assert processor_reference("p" * 255) == "p" * 255
    for invalid in ("", "p" * 256):
        with pytest.raises(InvalidValue):
            processor_reference(invalid)


def test_a_reference_has_one_to_a_hundred_characters() -> None:
    for valid in ("R", "R" * 100):
        assert reference(valid) == valid
    for invalid in ("", "R" * 101):
        with pytest.raises(InvalidValue):
            reference(invalid)


def test_a_reason_has_at_most_255_characters_and_no_control_characters() -> None:
    for valid in ("", "x" * 255, "damaged — 壊れた"):
        assert reason(valid) == valid
    for invalid in ("x" * 256, "bell\a", "line\nline"):
        with pytest.raises(InvalidValue):
            reason(invalid)
