"""The outbox: each transaction that changes payments also stores a list of its changes, so that both commit or neither.

Each change is ``[kind, reference, payment_id, refund_id, refunded_amount, occurred_at]``; trailing nulls may be
omitted. The relay converts changes to events: see ``application.relay``.

The functions here that encode changes return them as JSON in hexadecimal, ready for statements to bind.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

import orjson

from server.domain.events import KIND_BY_CHARGE_STATUS, EventKind
from server.domain.payment import NewPayment, Payment, Status
from server.storage.database.values import sql_time

INSERT_CHANGES = "INSERT INTO payment_outbox (changes) VALUES (CONVERT(UNHEX(%s) USING utf8mb4))"
"""Stores the changes of a transaction."""

PaymentKey = str | int
"""A payment's reference or id."""


class Change(NamedTuple):
    """A change as it is stored. It has a reference or a payment_id; the amount and the time are text."""

    kind: str
    reference: str | None = None
    payment_id: int | None = None
    refund_id: int | None = None
    refunded_amount: str | None = None
    occurred_at: str | None = None


def charge_changes(payments: Iterable[NewPayment]) -> str:
    """Return the changes of new charges. They name payments by reference, because there are no ids yet.

    A charge that turns out to be a replay stores no row with its reference, so the relay creates no event for it.
    """
    return orjson.dumps(
        [(KIND_BY_CHARGE_STATUS[payment.decision.status], payment.reference) for payment in payments]
    ).hex()


def settlement_change(payment: Payment, status: Status, occurred_at: datetime) -> str:
    """Return the change of a pending payment that now has its outcome."""
    return payment_change(KIND_BY_CHARGE_STATUS[status], payment, occurred_at)


def payment_change(kind: EventKind, payment: Payment, occurred_at: datetime) -> str:
    """Return a change of a payment that does not change its refunds."""
    refunded = Decimal(0) if payment.refunded_amount is None else payment.refunded_amount.amount
    return _hex([_change(kind, payment.payment_id, None, refunded, sql_time(occurred_at))])


def import_changes(payments: Iterable[tuple[PaymentKey, Decimal]], occurred_at: datetime) -> str:
    """Return the changes of imported payments, each given with the amount that was already refunded."""
    time = sql_time(occurred_at)
    return _hex(_change(EventKind.IMPORTED, key, None, refunded, time) for key, refunded in payments)


def refund_import_changes(refunds: Iterable[tuple[int, int, Decimal]], occurred_at: datetime) -> str:
    """Return the changes of imported refunds, each given as refund_id, payment_id, and the payment's refunded total."""
    time = sql_time(occurred_at)
    return _hex(
        _change(EventKind.IMPORTED, payment_id, refund_id, refunded, time)
        for refund_id, payment_id, refunded in refunds
    )


def encode_changes(changes: Iterable[tuple[EventKind, int, int | None, Decimal, datetime]]) -> str:
    """Encode changes of any kind.

    Each is given as its kind, the payment_id, the refund_id if it is about a refund, the payment's refunded amount
    after the change, and the time of the change.
    """
    return _hex(
        _change(kind, payment_id, refund_id, refunded, sql_time(time))
        for kind, payment_id, refund_id, refunded, time in changes
    )


def decode_changes(text: str) -> list[Change]:
    """Return the changes of an outbox row."""
    return [Change(*fields) for fields in orjson.loads(text)]


def _change(
    kind: EventKind, key: PaymentKey, refund_id: int | None, refunded: Decimal, time: str
) -> tuple[object, ...]:
    reference, payment_id = (key, None) if isinstance(key, str) else (None, key)
    return kind, reference, payment_id, refund_id, f"{refunded:f}", time


def _hex(changes: Iterable[tuple[object, ...]]) -> str:
    return orjson.dumps(list(changes)).hex()
