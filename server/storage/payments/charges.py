"""One charge in the database: how it is written, and what its request key tells of an earlier one."""

from server.domain.errors import ReferenceTaken, RequestIdReused
from server.domain.identifiers import RequestKey
from server.domain.money import Money
from server.domain.payment import ChargeOutcome, NewPayment, Payment, Status
from server.storage.database.pool import DuplicateKey, Session
from server.storage.database.values import microseconds, stored_time
from server.storage.outbox import charge_changes
from server.storage.payments import archive_queries, queries
from server.storage.payments.codec import STATUS_VALUES, payment_from_json

DUE_SECONDS = 30.0
"""After how long what a remote processor is asked is due for the janitor, unless a deployment has it otherwise."""

_DUE_MICROSECONDS = microseconds(DUE_SECONDS)


async def insert_one(session: Session, payment: NewPayment, due_microseconds: int = _DUE_MICROSECONDS) -> ChargeOutcome:
    """Store a payment, or return the earlier one of its request key: see ``PaymentStore.insert``.

    When it is pending, it is due for the janitor after that time.
    """
    values, key, told = payment_values(payment), key_values(payment.charge.key), charge_changes((payment,))
    stored = (*key, payment.reference)
    try:
        async with session.transaction():
            if payment.status is Status.PENDING:
                reserved = (*values, *key, due_microseconds, told, *stored)
                *_, answer = await session.script(queries.RESERVE_PAYMENT, reserved)
            else:
                *_, answer = await session.script(queries.INSERT_PAYMENT, (*values, *key, told, *stored))
    except DuplicateKey:
        return await earlier_outcome(session, payment)
    if not answer.rows:
        return await earlier_outcome(session, payment)
    ((payment_id,),) = answer.rows
    return ChargeOutcome(stored_payment(payment, payment_id), replayed=False)


async def earlier_outcome(session: Session, payment: NewPayment) -> ChargeOutcome:
    """Return the payment that is stored already with the request key of ``payment``.

    Raises:
        RequestIdReused: it was asked for with other parameters.
        ReferenceTaken: there is none, so that what is stored already is another payment with the same reference.
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
        raise reused("Charge", charge.key)
    # With its own reference it is this very payment, whose INSERT was repeated after its answer was lost.
    return ChargeOutcome(earlier, replayed=earlier.reference != payment.reference)


def stored_payment(payment: NewPayment, payment_id: int) -> Payment:
    """Return a payment as it is once it is stored under this id."""
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
    """Return what ``queries.INSERT_PAYMENT`` binds, in values that JSON has too."""
    charge = payment.charge
    return (
        charge.order_id,
        str(charge.amount.amount),
        charge.amount.currency,
        payment.method.value,
        STATUS_VALUES[payment.status],
        payment.reference,
        stored_time(payment.create_time),
        charge.method and charge.method.value,
        charge.key.caller,
        charge.key.request_id,
    )


def key_values(key: RequestKey) -> tuple[bytes, bytes]:
    """Return what is bound for a request key."""
    return key.caller.encode(), key.request_id.encode()


def reused(rpc: str, key: RequestKey) -> RequestIdReused:
    """Return the error of a request key that came before with other parameters."""
    return RequestIdReused(f"request_id {key.request_id!r} came before, in a {rpc} with other parameters")
