"""Payments and refunds for tests of the stores, ready to be stored."""

import itertools
from datetime import UTC, datetime

from server.domain.identifiers import RequestKey
from server.domain.money import Money
from server.domain.payment import Decision, NewCharge, NewPayment, NewRefund, Payment, PaymentMethod, Status

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
AMOUNT = Money("INR", 10_050)

TOO_LARGE = 1 << 63
"""An order_id that the database rejects."""

numbers = itertools.count(1)


def new_payment(
    request_id: str | None = None,
    status: Status = Status.SUCCEEDED,
    requested: PaymentMethod | None = PaymentMethod.UPI,
    amount: Money = AMOUNT,
    order_id: int = 7,
) -> NewPayment:
    charge = NewCharge(order_id, amount, requested, RequestKey.of("shop", request_id))
    decision = Decision(requested or PaymentMethod.COD, status)
    return NewPayment(charge, decision, f"S{next(numbers)}", NOW)


def new_refund(
    payment: Payment, amount: int | None = None, request_id: str | None = None, reason: str = "damaged"
) -> NewRefund:
    money = None if amount is None else Money("INR", amount)
    return NewRefund(payment.payment_id, money, reason, RequestKey.of("shop", request_id))


def new_request_id() -> str:
    return f"key-{next(numbers)}"
