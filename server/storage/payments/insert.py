"""Store charges, in batches or one at a time, and look up the earlier charge of a repeated request key.

A commit waits for the disk, so charges share commits (``BATCH_LIMITS``). Each caller gets its own outcome, once its
payment is committed.
"""

from collections.abc import Awaitable, Sequence

import orjson
import pymysql.err

from server.domain.errors import PaymentsError, ReferenceTaken
from server.domain.money import Money
from server.domain.payment import ChargeOutcome, NewPayment, Payment, Status
from server.storage.batching import BatchLimits
from server.storage.database.driver_errors import LOCK_WAIT_TIMEOUT, code, is_refusal
from server.storage.database.session import DuplicateKey, Session
from server.storage.database.values import sql_time
from server.storage.outbox import charge_changes
from server.storage.payments import archive_queries, queries
from server.storage.payments.codec import STATUS_VALUES, payment_from_json
from server.storage.payments.request_keys import key_values, request_id_reused

BATCH_LIMITS = BatchLimits(max_items=32, max_batches=4, max_queued=10_000)
"""A batch is large enough that each payment costs little, and small enough that its INSERT is fast. Concurrent INSERTs
share a flush to disk when they commit.
"""


async def insert_each(
    session: Session, payments: Sequence[NewPayment], *, due_microseconds: int
) -> list[ChargeOutcome | Exception]:
    """Store payments, in one transaction if possible, and return the outcome of each.

    PENDING payments become due for the reconciler after ``due_microseconds``.
    """
    if len(payments) == 1:
        # The statement for a single payment is faster.
        return [await _outcome_or_error(insert_one(session, payments[0], due_microseconds))]
    try:
        async with session.transaction():
            return await insert_many(session, payments, due_microseconds)
    except pymysql.err.MySQLError as error:
        if not is_refusal(error) and code(error) != LOCK_WAIT_TIMEOUT:
            raise
        # The database rejects one of the payments, or one of them repeats a charge whose row is locked. If they are
        # stored one by one, only the rejected payment fails, and the repeated charge does not wait for the row.
        return [await _outcome_or_error(insert_one(session, payment, due_microseconds)) for payment in payments]


async def insert_many(
    session: Session, payments: Sequence[NewPayment], due_microseconds: int
) -> list[ChargeOutcome | Exception]:
    """Store payments in one transaction, and return the outcome of each."""
    rows = [payment_values(payment) for payment in payments]
    values = (orjson.dumps(rows).hex(), charge_changes(payments))
    # All payments come from the same flow, so either all are pending or none is.
    if payments[0].status is Status.PENDING:
        *_, result = await session.script(queries.RESERVE_PAYMENTS, (*values, due_microseconds))
    else:
        *_, result = await session.script(queries.INSERT_PAYMENTS, values)
    ((stored_keys,),) = result.rows
    stored = {}
    for text in stored_keys.split(",") if stored_keys else ():
        position, payment_id, has_bound_reference = text.split(" ")
        if has_bound_reference == "1":
            stored[int(position)] = int(payment_id)
    return [
        ChargeOutcome(stored_payment(payment, stored[position]), replayed=False)
        if position in stored
        else await _outcome_or_error(_earlier_outcome(session, payment))
        for position, payment in enumerate(payments, start=1)
    ]


async def insert_one(session: Session, payment: NewPayment, due_microseconds: int) -> ChargeOutcome:
    """Store a payment in one transaction: see ``PaymentStore.insert``."""
    values, key, changes = payment_values(payment), key_values(payment.charge.key), charge_changes((payment,))
    stored = (*key, payment.reference)
    try:
        async with session.transaction():
            if payment.status is Status.PENDING:
                pending_values = (*values, *key, due_microseconds, changes, *stored)
                *_, result = await session.script(queries.RESERVE_PAYMENT, pending_values)
            else:
                *_, result = await session.script(queries.INSERT_PAYMENT, (*values, *key, changes, *stored))
    except DuplicateKey:
        return await _earlier_outcome(session, payment)
    if not result.rows:
        return await _earlier_outcome(session, payment)
    ((payment_id,),) = result.rows
    return ChargeOutcome(stored_payment(payment, payment_id), replayed=False)


async def _earlier_outcome(session: Session, payment: NewPayment) -> ChargeOutcome:
    """Return the payment that is already stored under the request key of ``payment``.

    Raises:
        RequestIdReused: the earlier payment has different parameters.
        ReferenceTaken: there is no such payment, so another payment has the reference.
    """
    key = key_values(payment.charge.key)
    row = await session.row(queries.SELECT_CHARGE_BY_REQUEST, key)
    if row is None:
        row = await session.row(archive_queries.SELECT_CHARGE_BY_REQUEST, key)
    if row is None:
        raise ReferenceTaken
    requested_method, value = row
    earlier = payment_from_json(value)
    charge = payment.charge
    if (earlier.order_id, earlier.amount, requested_method) != (charge.order_id, charge.amount, charge.method):
        raise request_id_reused("Charge", charge.key)
    # If the reference is the same, it is this very payment: its INSERT was retried because the reply was lost.
    return ChargeOutcome(earlier, replayed=earlier.reference != payment.reference)


async def _outcome_or_error(outcome: Awaitable[ChargeOutcome]) -> ChargeOutcome | Exception:
    """Return the outcome of a payment, or its error if only this payment failed.

    Raises:
        MySQLError: the whole batch failed, for example because the connection was lost.
    """
    try:
        return await outcome
    except (PaymentsError, ReferenceTaken) as error:
        return error
    except pymysql.err.MySQLError as error:
        if not is_refusal(error):
            raise
        return error


def stored_payment(payment: NewPayment, payment_id: int) -> Payment:
    """Return ``payment`` as it was stored, under the id ``payment_id``."""
    charge = payment.charge
    return Payment(
        payment_id=payment_id,
        order_id=charge.order_id,
        amount=charge.amount,
        method=payment.method,
        other_method="",
        status=payment.status,
        reference=payment.reference,
        create_time=payment.create_time,
        refunded_amount=Money(charge.amount.currency, 0),
        is_refunded=False,
        is_adopted=False,
    )


def payment_values(payment: NewPayment) -> tuple[int | str | None, ...]:
    """Return the values that ``queries.INSERT_PAYMENT`` binds, all of types that JSON also has."""
    charge = payment.charge
    return (
        charge.order_id,
        str(charge.amount.amount),
        charge.amount.currency,
        payment.method.value,
        STATUS_VALUES[payment.status],
        payment.reference,
        sql_time(payment.create_time),
        charge.method and charge.method.value,
        charge.key.caller,
        charge.key.request_id,
    )
