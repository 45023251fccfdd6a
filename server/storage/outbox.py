"""The outbox: each transaction writes the changes that it makes, so that neither is committed without the other.

A row has a list of changes, each ``[kind, reference, payment_id, refund_id, refunded_amount, occurred_at]``; trailing
nulls may be left out. The relay turns changes into events: see ``application.relay``.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

import orjson

from server.domain.events import OF_CHARGE, EventKind
from server.domain.payment import NewPayment, Payment
from server.storage.database.values import stored_time

TELL = "INSERT INTO payment_outbox (changes) VALUES (CONVERT(UNHEX(%s) USING utf8mb4))"
"""Writes the changes of a transaction. It binds a JSON list of them, in hexadecimal."""

Named = str | int
"""A payment's reference, or its id."""


def charge_changes(payments: Iterable[NewPayment]) -> str:
    """Return the changes of new charges, by reference, because they have no id yet.

    A charge that turns out to be a replay stores no row with its reference, and so makes no event.
    """
    return orjson.dumps([(OF_CHARGE[payment.status], payment.reference) for payment in payments]).hex()


def settled_charge(payment: Payment, occurred_at: datetime) -> str:
    """Return the change of a payment that was pending, as it is now."""
    refunded = Decimal(0) if payment.refunded_amount is None else payment.refunded_amount.amount
    kind, time = OF_CHARGE[payment.status], stored_time(occurred_at)
    return _hex([_change(kind, payment.payment_id, None, refunded, time)])


def imported(payments: Iterable[tuple[Named, Decimal]], occurred_at: datetime) -> str:
    """Return the changes of imported payments, each with the amount that was refunded already."""
    time = stored_time(occurred_at)
    return _hex(_change(EventKind.IMPORTED, named, None, refunded, time) for named, refunded in payments)


def imported_refunds(refunds: Iterable[tuple[int, int, Decimal]], occurred_at: datetime) -> str:
    """Return the changes of imported refunds: each has its id, its payment's, and what that has refunded in all."""
    time = stored_time(occurred_at)
    return _hex(
        _change(EventKind.IMPORTED, payment_id, refund_id, refunded, time)
        for refund_id, payment_id, refunded in refunds
    )


def made_up(changes: Iterable[tuple[EventKind, int, int | None, Decimal, datetime]]) -> str:
    """Return changes of any kind, each of a payment by its id, and perhaps of one of its refunds.

    Each has the amount that the payment has refunded after it, and when it happened.
    """
    return _hex(
        _change(kind, payment_id, refund_id, refunded, stored_time(time))
        for kind, payment_id, refund_id, refunded, time in changes
    )


def _change(kind: EventKind, named: Named, refund_id: int | None, refunded: Decimal, time: str) -> tuple[object, ...]:
    reference, payment_id = (named, None) if isinstance(named, str) else (None, named)
    return kind, reference, payment_id, refund_id, f"{refunded:.2f}", time


def _hex(changes: Iterable[tuple[object, ...]]) -> str:
    return orjson.dumps(list(changes)).hex()
