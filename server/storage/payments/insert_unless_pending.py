"""Store a charge only if no other payment of its order is pending.

Such a charge is stored alone, because it may wait for another charge of the same order.
"""

import pymysql.err
from pymysql.constants import ER

from server.domain.errors import OrderHasPendingPayment, ReferenceTaken
from server.domain.payment import ChargeOutcome, NewCharge, NewPayment, Status
from server.storage.database.driver_errors import code, keeps_connection, transaction_aborted
from server.storage.database.session import DuplicateKey, Session
from server.storage.outbox import charge_changes
from server.storage.payments import insert_queries
from server.storage.payments.insert import earlier_charges, payment_values, repeat, stored_payment
from server.storage.payments.request_keys import key_values


async def insert_unless_pending(session: Session, payment: NewPayment, *, due_microseconds: int) -> ChargeOutcome:
    """Store a payment, or return the earlier one of its request key: see ``PaymentStore.insert``.

    Raises:
        OrderHasPendingPayment: another payment of the order is pending.
        RequestIdReused: an earlier payment has the same request key but other parameters.
        ReferenceTaken: another payment has this reference.
    """
    try:
        async with session.transaction():
            return await _insert(session, payment, due_microseconds)
    except DuplicateKey:
        rejection: Exception = ReferenceTaken()
    except pymysql.err.MySQLError as error:
        if not keeps_connection(error):
            raise
        rejection = error
    for earlier in (await earlier_charges(session, [payment])).values():
        outcome = repeat(payment, earlier)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome
    if code(rejection) != ER.BAD_NULL_ERROR:
        raise rejection
    if pending := await _pending_payment_id(session, payment.charge):
        message = f"payment {pending} of this order is pending; charge the order once it has its outcome"
        raise OrderHasPendingPayment(message, pending)
    # The other payment has its outcome by now, so a retry is likely to succeed.
    raise transaction_aborted()


async def _insert(session: Session, payment: NewPayment, due_microseconds: int) -> ChargeOutcome:
    """Store a payment.

    Raises:
        DuplicateKey: its request key or reference is stored already.
        MySQLError: another payment of the order is pending, the request key is archived, or the database rejects the
            payment.
    """
    charge = payment.charge
    order, key = _order(charge), _order_key(charge)
    is_pending = payment.decision.status is Status.PENDING
    reservation = (due_microseconds, (payment.reference,)) if is_pending else ()
    values = (
        *(key, *payment_values(payment)),
        *((key_values(charge.key),), key, order, charge_changes([payment])),
        *(*reservation, key, payment.reference),
    )
    *_, result = await session.script(_script(charge, is_pending=is_pending), values)
    if not result.rows:
        raise transaction_aborted()
    payment_id, _ = result.rows[0]
    return ChargeOutcome(stored_payment(payment, payment_id), replayed=False)


async def _pending_payment_id(session: Session, charge: NewCharge) -> int | None:
    """Return the id of a pending payment of the order of ``charge``, if there is one."""
    text = insert_queries.SELECT_PENDING_OF_ORDER if charge.order_id else insert_queries.SELECT_PENDING_OF_REFERENCE
    row = await session.row(text, (_order(charge),))
    return None if row is None else int(row[0])


def _script(charge: NewCharge, *, is_pending: bool) -> str:
    if charge.order_id:
        return insert_queries.RESERVE_PAYMENT_OF_ORDER if is_pending else insert_queries.INSERT_PAYMENT_OF_ORDER
    return insert_queries.RESERVE_PAYMENT_OF_REFERENCE if is_pending else insert_queries.INSERT_PAYMENT_OF_REFERENCE


def _order(charge: NewCharge) -> int | str:
    """Return what identifies the order of ``charge``: its order_id or, if that is 0, its external reference."""
    if charge.order_id:
        return charge.order_id
    assert charge.names.external_reference is not None, "a charge has an order_id or an external reference"
    return charge.names.external_reference


def _order_key(charge: NewCharge) -> bytes:
    """Return the key of the order in order_locks."""
    return f"order:{charge.order_id}".encode() if charge.order_id else f"reference:{_order(charge)}".encode()
