"""Conversion of JSON values from the database to payments, refunds and events.

This is the hot path of reads, so columns are passed by position and each has its own conversion.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson

from server.domain.events import PAYMENT_STATUS_BY_KIND, REFUND_STATUS_BY_KIND, EventKind, PaymentEvent
from server.domain.money import AMOUNT_DIGITS, MINOR_DIGITS, Money
from server.domain.payment import CHARGEABLE_METHODS, Payment, PaymentDetails, PaymentMethod, Refund, Status
from server.domain.processing import PendingRequest

STATUS_VALUES: dict[Status, int | None] = {Status.PENDING: None, Status.SUCCEEDED: 1, Status.FAILED: 0}
"""The value of each status in the status columns."""

EarlierCharge = tuple[str | None, Payment]
"""The payment that is stored under a request key, and the method that its charge requested."""

_METHODS = {method.value: method for method in CHARGEABLE_METHODS}
_ZERO_AMOUNT = "0.00"
_ZERO_MONEY = {currency: Money(currency, 0) for currency in MINOR_DIGITS}
_UTC = "+00:00"
_MICROSECONDS = 1_000_000


def payment_from_json(value: str | bytes) -> Payment:
    """Return the payment in one JSON value."""
    return _payment(*orjson.loads(value))


def payments_from_json(values: Iterable[bytes]) -> list[Payment]:
    """Return the payments in many JSON values, which are parsed together."""
    return [_payment(*columns) for columns in orjson.loads(b"[%b]" % b",".join(values))]


def details_from_json(values: Iterable[bytes], at_most: int) -> PaymentDetails | None:
    """Return the payment with at most ``at_most`` refunds, or None if there are no values.

    The values are those of ``queries.details``. A refund beyond ``at_most`` shows that there are more.
    """
    parts = orjson.loads(b"[%b]" % b",".join(values))
    if not parts:
        return None
    refunds = _sorted_refunds(refund for _, refund in parts)
    return PaymentDetails(_payment(*parts[0][0]), refunds[:at_most], has_more=len(refunds) > at_most)


def many_details_from_json(values: Iterable[bytes]) -> dict[int, PaymentDetails | None]:
    """Return the payments with all their refunds, by payment_id; None for a payment with too many refunds.

    The values are those of ``queries.details_of_many``.
    """
    found: dict[int, list[tuple[list[Any], list[Any] | None, bool]]] = {}
    for part in orjson.loads(b"[%b]" % b",".join(values)):
        found.setdefault(part[0][0], []).append(part)
    return {
        payment_id: None
        if parts[0][2]
        else PaymentDetails(_payment(*parts[0][0]), _sorted_refunds(part[1] for part in parts), has_more=False)
        for payment_id, parts in found.items()
    }


def _sorted_refunds(columns: Iterable[list[Any] | None]) -> tuple[Refund, ...]:
    """Return the refunds, oldest first."""
    return tuple(_refund(*values)[0] for values in sorted(filter(None, columns)))


def charges_from_json(values: Iterable[bytes]) -> dict[tuple[str, str], EarlierCharge]:
    """Return the charges in many JSON values, which are those of ``queries.charges_by_request``, by request key."""
    return {
        (caller, request_id): (requested_method, _payment(*columns))
        for (caller, request_id, requested_method), columns in orjson.loads(b"[%b]" % b",".join(values))
    }


def refund_from_json(value: str) -> tuple[Refund, Money | None]:
    """Return the refund in one JSON value, and the amount that its caller requested: None for all that remained."""
    return _refund(*orjson.loads(value))


def events_from_json(values: Iterable[bytes]) -> list[PaymentEvent]:
    """Return the events in many JSON values, with each payment and refund in its state right after the event."""
    return [_event(*event) for event in orjson.loads(b"[%b]" % b",".join(values))]


def pending_from_json(values: Iterable[bytes]) -> list[PendingRequest]:
    """Return the pending requests in many JSON values."""
    return [
        PendingRequest(
            _payment(*payment),
            None if refund is None else _refund(*refund)[0],
            age_microseconds / _MICROSECONDS,
            attempts,
            processor_id,
        )
        for payment, refund, (age_microseconds, attempts, processor_id) in orjson.loads(b"[%b]" % b",".join(values))
    ]


def _event(columns: list[Any], payment_columns: list[Any], refund_columns: list[Any] | None) -> PaymentEvent:
    sequence, kind_name, refunded_amount, occurred_at, caller, request_id = columns
    kind = EventKind(kind_name)
    current = _payment(*payment_columns)
    payment = current
    if current.amount is not None:
        refunded = _money(current.amount.currency, refunded_amount)
        payment = replace(
            current,
            status=PAYMENT_STATUS_BY_KIND.get(kind, current.status),
            refunded_amount=refunded,
            is_refunded=refunded.is_positive and refunded == current.amount,
        )
    refund = None if refund_columns is None else _refund(*refund_columns)[0]
    if refund is not None:
        refund = replace(refund, status=REFUND_STATUS_BY_KIND.get(kind, refund.status))
    return PaymentEvent(
        sequence=sequence,
        kind=kind,
        occurred_at=None if occurred_at is None else _time(occurred_at),
        payment=payment,
        refund=refund,
        caller=caller or "",
        request_id=request_id or "",
    )


def _refund(  # noqa: PLR0913, PLR0917 - the columns of the table
    refund_id: int,
    payment_id: int,
    amount: str,
    currency: str,
    status: int | None,
    reason: str,
    created_at: str,
    requested_amount: str | None,
) -> tuple[Refund, Money | None]:
    create_time = _time(created_at)
    assert create_time is not None, "a refund always has a time"
    refund = Refund(
        refund_id=refund_id,
        payment_id=payment_id,
        amount=_money(currency, amount),
        status=_status(status),
        reason=reason,
        create_time=create_time,
    )
    return refund, None if requested_amount is None else _money(currency, requested_amount)


def _payment(  # noqa: PLR0913, PLR0917 - the columns of the table
    payment_id: int,
    order_id: int,
    amount: str | None,
    currency: str,
    method: str,
    status: int | None,
    reference: str | None,
    created_at: str | None,
    refunded_amount: str,
    is_refunded: int,
    is_adopted: int,
) -> Payment:
    money = None if amount is None else _money(currency, amount)
    # SQL comparison ignores trailing spaces, and a filter by method must find every payment returned with that method.
    known_method = _METHODS.get(method.rstrip(" "))
    return Payment(
        payment_id,
        order_id,
        money,
        known_method or PaymentMethod.OTHER,
        "" if known_method else method,
        _status(status),
        reference,
        None if created_at is None else _time(created_at),
        # The legacy service only set the flag of a refunded row and stored no amount, so the whole amount was refunded.
        money if is_refunded or money is None else _money(currency, refunded_amount),
        bool(is_refunded),
        bool(is_adopted),
    )


def _money(currency: str, amount: str) -> Money:
    if amount == _ZERO_AMOUNT:
        return _ZERO_MONEY[currency]
    if MINOR_DIGITS[currency] == AMOUNT_DIGITS:
        return Money(currency, int(amount.replace(".", "")))
    return Money.from_amount(currency, Decimal(amount))


def _status(value: int | None) -> Status:
    """Convert a status column: NULL is PENDING, 0 is FAILED, and anything else is SUCCEEDED."""
    if value is None:
        return Status.PENDING
    return Status.SUCCEEDED if value else Status.FAILED


def _time(text: str) -> datetime | None:
    """Convert a DATETIME column, which is in UTC; return None for an invalid time, such as 0000-00-00."""
    try:
        return datetime.fromisoformat(text + _UTC)
    except ValueError:
        return None
