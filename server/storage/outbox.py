"""What a transaction tells the stream: written with what it changes, so that neither is there without the other.

A row of the outbox has a list of changes, each ``[kind, reference, payment_id, refund_id, refunded_amount,
occurred_at]``, of which what is null at the end may be left out. The relay makes events of them: see ``relay``.
"""

from collections.abc import Iterable
from datetime import datetime

import orjson

from server.domain.event import OF_CHARGE, OF_REFUND
from server.domain.payment import NewPayment, Payment, Status
from server.storage.rows import stored_time


def charge_changes(payments: Iterable[NewPayment]) -> str:
    """Return what ``queries.TELL`` binds for charges: they are named by reference, as they have no id yet.

    One that turns out to be the repeat of another call has its reference in no row, and makes no event.
    """
    return orjson.dumps([(OF_CHARGE[payment.status], payment.reference) for payment in payments]).hex()


def settled_charge(payment: Payment, occurred_at: datetime) -> str:
    """Return what ``queries.TELL`` binds for a payment that was pending, as it is now."""
    refunded = "0.00" if payment.refunded_amount is None else str(payment.refunded_amount.amount)
    return _one(OF_CHARGE[payment.status], payment.payment_id, None, refunded, occurred_at)


def settled_refund(refund_id: int, status: Status, after: Payment, occurred_at: datetime) -> str:
    """Return what ``queries.TELL`` binds for a refund that was pending, and its payment after it."""
    assert after.refunded_amount is not None, "what is refunded has an amount"
    refunded = str(after.refunded_amount.amount)
    return _one(OF_REFUND[status], after.payment_id, refund_id, refunded, occurred_at)


def new_refund(status: Status, after: Payment, occurred_at: datetime) -> tuple[object, ...]:
    """Return what ``queries.STORE_REFUND`` binds for a refund, which has no id yet, and its payment after it."""
    assert after.refunded_amount is not None, "what is refunded has an amount"
    refunded = str(after.refunded_amount.amount)
    return OF_REFUND[status].value, after.payment_id, refunded, stored_time(occurred_at)


def _one(kind: str, payment_id: int, refund_id: int | None, refunded: str, occurred_at: datetime) -> str:
    return orjson.dumps([(kind, None, payment_id, refund_id, refunded, stored_time(occurred_at))]).hex()
