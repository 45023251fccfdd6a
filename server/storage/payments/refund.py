"""Storing refunds: one transaction that checks the payment and updates it, and the earlier refund of a request key."""

from datetime import datetime

from server.domain.errors import PaymentArchived, PaymentNotFound
from server.domain.events import OF_REFUND
from server.domain.payment import NewRefund, Payment, RefundOutcome, Status
from server.domain.value import value
from server.storage.database.driver_errors import aborted
from server.storage.database.session import Session
from server.storage.database.values import stored_time
from server.storage.payments import archive_queries, queries
from server.storage.payments.codec import STATUS_VALUES, payment_from_json, refund_from_json
from server.storage.payments.request_keys import key_values, reused


@value()
class RefundToStore:
    """A refund about to be stored. When it is PENDING, it is due for the reconciler after ``due_microseconds``."""

    refund: NewRefund
    status: Status
    create_time: datetime
    due_microseconds: int


async def store_refund(session: Session, new: RefundToStore) -> RefundOutcome:
    """Store a refund: see ``PaymentStore.refund``.

    Raises:
        DuplicateKey: a refund of another payment with the same key was being stored; it is now.
    """
    refund = new.refund
    async with session.transaction():
        _, _, locked, earlier, inserted, *_, stored = await session.script(*_script(new))
    if stored.rows:
        ((made_json, payment_json),) = stored.rows
        made, _ = refund_from_json(made_json)
        return RefundOutcome(made, payment_from_json(payment_json), replayed=False, is_new=True)
    if inserted.inserted_id:
        raise aborted()
    payment = payment_from_json(locked.rows[0][0]) if locked.rows else None
    if earlier.rows:
        made, requested = refund_from_json(earlier.rows[0][0])
        if (made.payment_id, requested, made.reason) != (refund.payment_id, refund.amount, refund.reason):
            raise reused("Refund", refund.key)
        payment = payment or await _archived(session, refund.payment_id)
        assert payment is not None, "a refund's payment is never deleted, but archived"
        return RefundOutcome(made, payment, replayed=True, is_new=False)
    if payment is None:
        return await _refund_archived(session, refund)
    if payment.is_repeated_by(refund):
        return await _last_refund(session, queries.SELECT_LAST_REFUND, payment)
    payment.refundable(refund.amount)
    # It was refundable before the transaction was aborted.
    raise aborted()


async def _refund_archived(session: Session, refund: NewRefund) -> RefundOutcome:
    """Return the outcome of a refund whose payment is not in the live tables; no new refund is stored.

    Raises:
        PaymentNotFound: the payment is not archived either.
        PaymentArchived: it is, and could be refunded otherwise.
    """
    payment = await _archived(session, refund.payment_id)
    if payment is None:
        raise PaymentNotFound("payment not found")
    if payment.is_repeated_by(refund):
        return await _last_refund(session, archive_queries.SELECT_LAST_REFUND, payment)
    payment.refundable(refund.amount)
    raise PaymentArchived("payment is archived; it can be refunded once it has been brought back")


async def _last_refund(session: Session, text: str, payment: Payment) -> RefundOutcome:
    last = await session.row(text, (payment.payment_id,))
    refunded = None if last is None else refund_from_json(last[0])[0]
    return RefundOutcome(refunded, payment, replayed=False, is_new=False)


async def _archived(session: Session, payment_id: int) -> Payment | None:
    row = await session.row(archive_queries.SELECT_PAYMENT, (payment_id,))
    return None if row is None else payment_from_json(row[0])


def _script(new: RefundToStore) -> tuple[str, tuple[object, ...]]:
    """Return the script that refunds a payment, and the values that it binds."""
    refund = new.refund
    payment_id, key, time = refund.payment_id, key_values(refund.key), stored_time(new.create_time)
    amount, currency = (None, None) if refund.amount is None else (refund.amount.amount, refund.amount.currency)
    values = (
        *(payment_id, *key, *key),
        *(amount, amount, STATUS_VALUES[new.status], refund.reason, *key, time),
        *(payment_id, amount, currency, *key, *key),
        payment_id,
        *(OF_REFUND[new.status], time),
    )
    if new.status is Status.PENDING:
        return queries.RESERVE_REFUND, (*values, new.due_microseconds)
    return queries.STORE_REFUND, values
