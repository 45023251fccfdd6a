"""What a transaction tells the stream: written with what it changes, so that neither is there without the other.

A row of the outbox has a list of changes, each ``[kind, reference, payment_id, refund_id, refunded_amount,
occurred_at]``, of which what is null at the end may be left out. The relay makes events of them: see ``relay``.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

import orjson

from server.domain.events import OF_CHARGE, EventKind
from server.domain.payment import NewPayment, Payment
from server.storage.database.values import stored_time

TELL = "INSERT INTO payment_outbox (changes) VALUES (CONVERT(UNHEX(%s) USING utf8mb4))"
"""Tells the stream what the transaction changes: binds, in hexadecimal, a JSON list (``outbox``)."""

Named = str | int
"""What names a payment: its reference, or its id."""


def charge_changes(payments: Iterable[NewPayment]) -> str:
    """Return what ``TELL`` binds for charges: they are named by reference, as they have no id yet.

    One that turns out to be the repeat of another call has its reference in no row, and makes no event.
    """
    return orjson.dumps([(OF_CHARGE[payment.status], payment.reference) for payment in payments]).hex()


def settled_charge(payment: Payment, occurred_at: datetime) -> str:
    """Return what ``TELL`` binds for a payment that was pending, as it is now."""
    refunded = "0.00" if payment.refunded_amount is None else str(payment.refunded_amount.amount)
    return _one(OF_CHARGE[payment.status], payment.payment_id, None, refunded, occurred_at)


def imported(payments: Iterable[tuple[Named, Decimal]], occurred_at: datetime) -> str:
    """Return what ``TELL`` binds for payments taken over, each with how much of it was refunded already."""
    time = stored_time(occurred_at)
    return _hex(_change(EventKind.IMPORTED, named, None, refunded, time) for named, refunded in payments)


def imported_refunds(refunds: Iterable[tuple[int, int, Decimal]], occurred_at: datetime) -> str:
    """Return the same for refunds taken over: each its id, that of its payment, and how much of that was refunded."""
    time = stored_time(occurred_at)
    return _hex(
        _change(EventKind.IMPORTED, payment_id, refund_id, refunded, time)
        for refund_id, payment_id, refunded in refunds
    )


def made_up(changes: Iterable[tuple[EventKind, int, int | None, Decimal, datetime]]) -> str:
    """Return what ``TELL`` binds for changes of any kind: of a payment, by its id, and perhaps a refund of it.

    Each has how much of the payment was refunded after it, and when it happened.
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


def _one(kind: str, payment_id: int, refund_id: int | None, refunded: str, occurred_at: datetime) -> str:
    return orjson.dumps([(kind, None, payment_id, refund_id, refunded, stored_time(occurred_at))]).hex()
