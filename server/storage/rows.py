"""Rows of the tables, as the driver gives them, to domain types and back."""

from datetime import UTC, datetime
from decimal import Decimal

from server.domain.money import Money
from server.domain.payment import CHARGEABLE_METHODS, Payment, PaymentMethod, Refund, Status

Row = tuple[object, ...]

STATUS_VALUES: dict[Status, int | None] = {Status.PENDING: None, Status.SUCCEEDED: 1, Status.FAILED: 0}
"""How the status columns hold each status."""

_METHODS = {method.value: method for method in CHARGEABLE_METHODS}

PAYMENT_WIDTH = 11
"""How many columns a payment has in a row."""


def payment_from_row(row: Row) -> Payment:
    """Return the payment in the columns that ``queries`` selects for one."""
    payment_id, order_id, amount, currency, method, status, reference, created_at, *more = row
    refunded_amount, refunded, is_adopted = more
    assert isinstance(payment_id, int)
    assert isinstance(order_id, int)
    assert isinstance(currency, str)
    assert isinstance(method, str)
    assert isinstance(reference, str | None)
    money = None if amount is None else money_from_column(currency, amount)
    # CHAR comparison ignores trailing spaces, and a filter by method must find what is shown as that method.
    known_method = _METHODS.get(method.rstrip(" "))
    return Payment(
        payment_id=payment_id,
        order_id=order_id,
        amount=money,
        method=known_method or PaymentMethod.OTHER,
        other_method="" if known_method else method,
        status=status_from_column(status),
        reference=reference,
        # The driver gives a time that is none, such as 0000-00-00, as text.
        create_time=time_from_column(created_at) if isinstance(created_at, datetime) else None,
        # A row that only the replaced service refunded has its flag set and no amount: all of it went back.
        refunded_amount=money if refunded or money is None else money_from_column(currency, refunded_amount),
        is_refunded=bool(refunded),
        is_adopted=bool(is_adopted),
    )


def refund_from_row(row: Row) -> Refund:
    """Return the refund in the columns that ``queries`` selects for one."""
    refund_id, payment_id, amount, currency, status, reason, created_at = row
    assert isinstance(refund_id, int)
    assert isinstance(payment_id, int)
    assert isinstance(currency, str)
    assert isinstance(reason, str)
    return Refund(
        refund_id=refund_id,
        payment_id=payment_id,
        amount=money_from_column(currency, amount),
        status=status_from_column(status),
        reason=reason,
        create_time=time_from_column(created_at),
    )


def money_from_column(currency: str, amount: object) -> Money:
    """Return the money in a DECIMAL column."""
    assert isinstance(amount, Decimal)
    return Money.from_amount(currency, amount)


def status_from_column(value: object) -> Status:
    """Return the status in a status column: NULL is PENDING, 0 FAILED, anything else SUCCEEDED."""
    if value is None:
        return Status.PENDING
    return Status.SUCCEEDED if value else Status.FAILED


def time_from_column(value: object) -> datetime:
    """Return the time in a DATETIME column, which holds UTC."""
    assert isinstance(value, datetime)
    return value.replace(tzinfo=UTC)
