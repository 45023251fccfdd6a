"""Requests for tests, with defaults for the fields that do not matter to a test."""

import itertools
import secrets
from decimal import Decimal
from typing import Any

from google.type.money_pb2 import Money
from payments_client.v1 import payments_pb2 as pb

SUCCEEDING = pb.PAYMENT_METHOD_UPI
"""A method for which the servers of the tests approve every charge."""

FAILING = pb.PAYMENT_METHOD_CARD
"""A method for which the servers of the tests decline every charge."""

_order_ids = itertools.count(secrets.randbelow(1 << 40) << 16)


def new_order_id() -> int:
    """Return an order_id that no other test uses."""
    return next(_order_ids) + 1


def money(amount: str | int | Decimal, currency: str = "") -> Money:
    """Convert an amount: ``money("1.50")``."""
    whole = int(Decimal(amount))
    nanos = int((Decimal(amount) - whole) * 10**9)
    return Money(currency_code=currency, units=whole, nanos=nanos)


def amount_of(message: Money) -> Decimal:
    """Return the amount as a decimal number of units."""
    return message.units + Decimal(message.nanos).scaleb(-9)


def charge(
    order_id: int | None = None,
    amount: str | int = "561.00",
    currency: str = "",
    method: pb.PaymentMethod.ValueType = SUCCEEDING,
    request_id: str | None = None,
    **others: Any,  # noqa: ANN401 - of any field
) -> pb.ChargeRequest:
    """Return a request to charge, which succeeds by default, with ``others`` as its other fields."""
    return pb.ChargeRequest(
        order_id=new_order_id() if order_id is None else order_id,
        amount=money(amount, currency),
        method=method,
        request_id=request_id,
        **others,
    )


def refund(
    payment_id: int, amount: str | int | None = None, reason: str = "", request_id: str | None = None
) -> pb.RefundRequest:
    """Return a request to refund, by default all that remains of the payment."""
    return pb.RefundRequest(
        payment_id=payment_id,
        amount=None if amount is None else money(amount),
        reason=reason,
        request_id=request_id,
    )


def new_request_id() -> str:
    """Return a request_id that no other test uses."""
    return secrets.token_hex(8)
