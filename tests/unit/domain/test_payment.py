"""The rules of payments: what can be refunded, and what remains."""

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
from server.domain.payment import Payment, RefundState, Status, identifier, reason, reference
from server.domain.processing import Capture, GiveBack
from tests.support.fakes import NOW, new_refund, stored, stored_refund

PAID = stored(1, Status.SUCCEEDED)
PARTLY = stored(1, Status.SUCCEEDED, refunded=100)
WHOLLY = stored(1, Status.SUCCEEDED, refunded=56_100)


def inr(amount_minor: int) -> Money:
    return Money("INR", amount_minor)


@pytest.mark.parametrize(
    ("payment", "requested", "allowed"),
    [
        (PAID, None, 56_100),
        (PAID, 56_100, 56_100),
        (PAID, 1, 1),
        (PARTLY, None, 56_000),
        (PARTLY, 56_000, 56_000),
        (PARTLY, 55_999, 55_999),
    ],
)
def test_what_remains_can_be_refunded_wholly_or_in_part(payment: Payment, requested: int | None, allowed: int) -> None:
    assert payment.refundable(None if requested is None else inr(requested)) == inr(allowed)


@pytest.mark.parametrize(
    ("payment", "requested", "error"),
    [
        (stored(1, Status.FAILED), None, PaymentFailed),
        (stored(1, Status.PENDING), None, PaymentPending),
        (PAID, inr(56_101), RefundExceedsPayment),
        (PARTLY, inr(56_001), RefundExceedsPayment),
        (WHOLLY, None, RefundExceedsPayment),
        (WHOLLY, inr(1), RefundExceedsPayment),
        (replace(PAID, is_refunded=True), None, RefundExceedsPayment),
        (replace(WHOLLY, is_refunded=False), None, RefundExceedsPayment),
        (replace(PAID, amount=None), None, RefundExceedsPayment),
        (replace(PAID, refunded_amount=None), None, RefundExceedsPayment),
        (replace(PAID, amount=inr(0)), None, RefundExceedsPayment),
        (PAID, Money("USD", 1), InvalidRequest),
    ],
    ids=str,
)
def test_nothing_else_can_be_refunded(payment: Payment, requested: Money | None, error: type[PaymentsError]) -> None:
    with pytest.raises(error):
        payment.refundable(requested)


def test_a_refund_that_is_too_large_is_told_what_remains() -> None:
    with pytest.raises(RefundExceedsPayment, match=r"^only 560\.00 INR of the payment remains to refund$"):
        PARTLY.refundable(inr(56_001))


def test_a_refund_in_another_currency_is_told_the_payments_and_the_field() -> None:
    with pytest.raises(InvalidRequest) as refused:
        PAID.refundable(Money("USD", 1))
    (violation,) = refused.value.violations
    assert (violation.field, violation.description) == (
        "amount.currency_code",
        "must be the payment's currency, INR",
    )


def test_a_payment_after_a_refund_has_it_and_is_refunded_when_nothing_remains() -> None:
    assert PAID.after_refund_of(inr(100)) == PARTLY
    assert PARTLY.after_refund_of(inr(56_000)) == WHOLLY


@pytest.mark.parametrize(
    ("payment", "state"),
    [
        (PAID, RefundState.NONE),
        (PARTLY, RefundState.PARTIAL),
        (WHOLLY, RefundState.FULL),
        (replace(PAID, is_refunded=True), RefundState.FULL),
        (replace(PAID, refunded_amount=None), RefundState.NONE),
        (replace(PAID, refunded_amount=inr(-1)), RefundState.NONE),
    ],
    ids=str,
)
def test_the_refund_state_says_how_much_was_given_back(payment: Payment, state: RefundState) -> None:
    assert payment.refund_state is state


@pytest.mark.parametrize(
    ("payment", "amount", "request_id", "repeats"),
    [
        (WHOLLY, None, None, True),
        (WHOLLY, 56_100, None, True),
        (WHOLLY, 56_000, None, False),
        (WHOLLY, None, "named", False),
        (PARTLY, None, None, False),
    ],
)
def test_only_a_whole_refund_without_a_request_id_repeats_the_one_that_was_made(
    payment: Payment, amount: int | None, request_id: str | None, *, repeats: bool
) -> None:
    assert payment.is_repeated_by(new_refund(1, amount, request_id)) is repeats


def test_a_settled_payment_is_the_same_but_for_its_status() -> None:
    assert stored(1).settled(Status.FAILED) == stored(1, Status.FAILED)


def test_a_processor_is_asked_for_what_was_reserved() -> None:
    payment = stored(3)
    assert Capture.of(payment) == Capture(3, 7, "R3", inr(56_100), payment.method, NOW)
    assert GiveBack.of(stored_refund(5, 3, amount=40), payment, "pi_3") == GiveBack(5, "R3", inr(40), "pi_3")


def test_identifiers_begin_with_one() -> None:
    assert identifier(1) == 1
    for wrong in (0, -1):
        with pytest.raises(InvalidValue):
            identifier(wrong)


def test_a_reference_has_one_to_a_hundred_characters() -> None:
    for right in ("R", "R" * 100):
        assert reference(right) == right
    for wrong in ("", "R" * 101):
        with pytest.raises(InvalidValue):
            reference(wrong)


def test_a_reason_has_at_most_255_characters_and_none_that_control_terminals() -> None:
    for right in ("", "x" * 255, "damaged — 壊れた"):
        assert reason(right) == right
    for wrong in ("x" * 256, "bell\a", "line\nline"):
        with pytest.raises(InvalidValue):
            reason(wrong)
